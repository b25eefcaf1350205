//! Compiles the generated parser and its scanner.

fn main() {
    let sources = ["src/parser.c", "src/scanner.c"];
    cc::Build::new().std("c11").include("src").warnings(false).files(sources).compile("tree-sitter-bitmill");
    for source in sources {
        println!("cargo:rerun-if-changed={source}");
    }
}
