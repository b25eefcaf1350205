//! Texts that are too much: they cost a bounded amount of time, memory and stack.

use std::time::{Duration, Instant};

use bitmill::syntax::{MAX_ERRORS, MAX_JOINED, MAX_NESTING, SyntaxErrorKind, format, parse};

/// Runs on a stack as small as threads have anywhere.
fn on_a_small_stack(test: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(512 * 1024).spawn(test).unwrap().join().unwrap();
}

fn walk(text: &str) -> usize {
    let parse = parse(text);
    // Cloning, comparing and dropping walk the whole tree.
    assert_eq!(parse.file.clone(), parse.file);
    assert!(format(text).len() <= text.len() + 64);
    parse.errors.len()
}

#[test]
fn as_deep_as_allowed() {
    on_a_small_stack(|| {
        let (open, close) = ("(".repeat(MAX_NESTING), ")".repeat(MAX_NESTING));
        assert_eq!(walk(&format!("{open}linear{close} => int4")), 0);
        assert_eq!(walk(&format!("linear where {open}rank == 2{close} => int4")), 0);
        let open = "[".repeat(MAX_NESTING - 1);
        let close = "]".repeat(MAX_NESTING - 1);
        assert_eq!(walk(&format!("extend \"x\" {{ a {open}1{close} }}")), 0);
        for joiner in [" and ", " or ", ", "] {
            assert_eq!(walk(&(vec!["linear"; MAX_JOINED + 1].join(joiner) + " => int4")), 0);
        }
        assert_eq!(walk(&format!("{}linear => int4", "not ".repeat(MAX_JOINED))), 0);
        assert_eq!(walk(&format!("linear where rank{} == 1 => int4", " % 2".repeat(MAX_JOINED - 1))), 0);
    });
}

#[test]
fn deeper_than_allowed_is_one_finding() {
    on_a_small_stack(|| {
        let many = 100_000;
        for text in [
            format!("{}linear{} => int4", "(".repeat(many), ")".repeat(many)),
            format!("linear where {}rank == 2{} => int4", "(".repeat(many), ")".repeat(many)),
            format!("extend \"x\" {{ a {}1{} }}", "[".repeat(many), "]".repeat(many)),
            format!("{}linear => int4", "not ".repeat(many)),
            vec!["linear"; many].join(" and ") + " => int4",
            vec!["linear"; many].join(",") + " => int4",
        ] {
            let parse = parse(&text);
            assert_eq!(parse.errors.len(), 1);
            assert_eq!(parse.errors[0].kind, SyntaxErrorKind::TooDeep);
            walk(&text);
        }
    });
}

#[test]
fn long_lists_that_need_no_depth_are_fine() {
    let many = vec!["16"; 20_000].join(", ");
    assert_eq!(walk(&format!("extend \"x\" {{ a [{many}] }}")), 0);
    assert_eq!(walk(&format!("all => int4 {}", "symmetric ".repeat(20_000))), 0);
}

#[test]
fn findings_are_counted_beyond_a_limit() {
    let found = parse(&"linear =>\n".repeat(MAX_ERRORS + 7)).errors;
    assert_eq!(found.len(), MAX_ERRORS + 1);
    assert_eq!(found[MAX_ERRORS].kind, SyntaxErrorKind::TooMany { more: 7 });
    assert_eq!(found[MAX_ERRORS].message(), "and 7 more mistakes in the text");
}

/// Shapes that make careless code quadratic. Were it so, each would take far longer.
#[test]
fn takes_time_in_proportion() {
    let pieces = [
        "(",
        ")",
        "(\n",
        "([\n",
        "(\n]\n",
        "a.{",
        "a.{b ",
        "'",
        "“",
        "„",
        "‚",
        "\"",
        "/",
        "#",
        "\n",
        "€",
        "\0",
        ";",
        "a ",
        "a\n",
        "=>",
        "=>\n",
        "=>\n ",
        ",\n ",
        "{a\n",
        "model \"x\" {\n",
        "linear => 4 ",
        "linear where ",
        "1 < ",
        "scale(",
        "a(",
        "not ",
        "expect ",
        "# bitmill: allow(a)\n",
        "linear # c\n",
        "-",
        ".",
        "a: ",
        "a = (",
        "[1 ",
        "}\n",
        "foo \"",
        "\\",
        "\r",
        "é",
    ];
    for piece in pieces {
        let text = piece.repeat((1 << 18) / piece.len());
        let start = Instant::now();
        let _ = format(&text);
        let took = start.elapsed();
        assert!(took < Duration::from_secs(5), "{took:?} for many {piece:?}");
    }
}

#[test]
fn a_model_is_no_recipe() {
    let mut state = 1u32;
    let bytes: Vec<u8> = (0..8 << 20)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect();
    let parse = parse(&String::from_utf8_lossy(&bytes));
    assert!(parse.errors.len() <= MAX_ERRORS + 1);
}
