//! Hints, lenses, signatures, links, imports, and where names are given and used.

use bitmill::ide::code_lenses::code_lenses;
use bitmill::ide::document_links::document_links;
use bitmill::ide::imports::{ImportNode, importers, meant, tree};
use bitmill::ide::inlay_hints::inlay_hints;
use bitmill::ide::navigation::{
    InFile, RenameError, definition, highlight, linked_editing, prepare_rename, references, rename,
};
use bitmill::ide::signature_help::signature_help;
use bitmill::ide::{Cancel, Hints, Settings};
use bitmill::syntax::Span;
use insta::assert_snapshot;

use crate::support::{Fixture, draw, edited, path};

#[test]
fn each_rule_says_what_it_does_to_the_model() {
    let text = "model \"m\"\ntarget iOS18\nextend \"coreml_torchao_int8_weight_only_per_channel\"\nlinear => int4 per-group(32) # c\n\
                \"*.up_proj\" => lut4 per-grouped-channel(16)\n\"*.mlp.*\" where in_features % 64 == 0 => int8\n\
                \"lm_head\" => keep\n\"none\" => keep\n";
    let with = |hints| {
        let fixture = Fixture::with(text, &[], Settings { hints, ..Settings::default() });
        let all = inlay_hints(&fixture.analysis, None);
        fixture.drawn(all.into_iter().map(|hint| {
            let tooltip = hint.tooltip.map_or(String::new(), |tooltip| format!(" ({tooltip})"));
            (Span::new(hint.offset, hint.offset), hint.label + &tooltip)
        }))
    };
    assert_snapshot!(with(Hints::default()), @r#"
    3| extend "coreml_torchao_int8_weight_only_per_channel"
     |                                                     ^ no weights
    4| linear => int4 per-group(32) # c
     |                             ^ 12 weights, 98.3 kB to 27.6 kB (Matches 17 weights; later rules decide 5 of them.)
    5| "*.up_proj" => lut4 per-grouped-channel(16)
     |                                            ^ no weights (Matches 4 weights; later rules decide 4 of them.)
    6| "*.mlp.*" where in_features % 64 == 0 => int8
     |                                              ^ 4 weights, 49.2 kB to 25.3 kB
    7| "lm_head" => keep
     |                  ^ 1 weight kept, 65.5 kB
    8| "none" => keep
     |               ^ no weights
    9|
     | ^ total: 280 kB to 185 kB (66.2 %), 5.75 bits per weight (52.9 % of the bytes that can be quantized are.)
    "#);
    assert_snapshot!(with(Hints { rules: false, total: true }), @"
    9|
     | ^ total: 280 kB to 185 kB (66.2 %), 5.75 bits per weight (52.9 % of the bytes that can be quantized are.)
    ");
    assert_snapshot!(with(Hints { rules: false, total: false }), @"");
    let fixture = Fixture::new(text);
    assert_eq!(inlay_hints(&fixture.analysis, Some(Span::new(0, 30))).len(), 0);
    assert!(inlay_hints(&Fixture::new("linear => int8\n").analysis, None).is_empty());
}

#[test]
fn lenses_run_plan_and_explain() {
    let shown = |text: &str| {
        let fixture = Fixture::new(text);
        let all = code_lenses(&fixture.analysis).into_iter();
        fixture.drawn(all.map(|lens| (lens.span, format!("{} {:?}", lens.title, lens.command))))
    };
    assert_snapshot!(shown("# c\nmodel \"m\"\ntarget iOS18\nlinear => int4\nextend \"coreml_fp16\"\n"), @r#"
    2| model "m"
     | ^^^^^^^^^ run Run
     | ^^^^^^^^^ plan: 280 kB to 123 kB (44.0 %), 4.23 bits per weight Plan
    3| target iOS18
     | ^^^^^^^^^^^^ explain iOS18 Explain("iOS18")
    5| extend "coreml_fp16"
     | ^^^^^^^^^^^^^^^^^^^^ explain coreml_fp16 Explain("coreml_fp16")
    "#);
    assert_snapshot!(shown("model \"m\"\ntarget iOS99\nlinear => int4 per-group(5)\n"), @r#"
    1| model "m"
     | ^^^^^^^^^ run: 2 errors to mend first Run
     | ^^^^^^^^^ plan: 280 kB (100 %) Plan
    "#);
    assert_snapshot!(shown(""), @"");
}

#[test]
fn brackets_say_what_belongs_in_them() {
    let shown = |text: &str| {
        let fixture = Fixture::new(text);
        let Some(help) = signature_help(&fixture.analysis, fixture.offset) else { return "nothing".to_string() };
        let parameters = help.parameters.iter().enumerate().map(|(index, parameter)| {
            let star = if help.active == Some(index) { "*" } else { "" };
            format!("  {star}{}: {}", &help.label[parameter.span.clone()], parameter.documentation)
        });
        format!("{} — {}\n{}", help.label, help.documentation, parameters.collect::<Vec<_>>().join("\n"))
    };
    assert_snapshot!(shown("linear => int4 per-group($0)\n"), @"
    per-group(32) — one scale for so many neighbours along the input channels
      *32:
    ");
    assert_snapshot!(shown("linear => int4 per-group($0\n"), @"
    per-group(32) — one scale for so many neighbours along the input channels
      *32:
    ");
    assert_snapshot!(shown("linear => int4 block[16, $0"), @"
    block[16, -1] — one scale or table for each block of this extent; -1 is the whole axis
      16: 
      *-1:
    ");
    assert_snapshot!(shown("linear => int4 per-channel(0$0) symmetric"), @"
    per-channel(0) — one scale or table for each output channel; `per-channel(1)` names the axis
      *0:
    ");
    assert_snapshot!(shown("calibrate \"x\" { samples $0 }"), @"
    calibrate { samples 128  observer min-max  averaging 0.01  observe float  } — 
      *samples 128: how many samples are used; all when absent
      observer min-max: how ranges of activations are observed
      averaging 0.01: the weight of a new batch in a moving average; 0.01 when absent
      observe float: ranges come from a plain float pass, without fake quantization
    ");
    assert_snapshot!(shown("extend \"coreml_codebook_weight_only\" {\n  bits 3\n  $0\n}"), @r#"
    coreml_codebook_weight_only { bits  block  filter  target  compute  skip_ops_for_coreml_delegation  lower_full_graph  take_over_constant_data  } — palettes for linear layers and embeddings
      bits: needed; width of an index; a whole number from 1 to 8
      block: needed; rows and columns that share a table, -1 for all; two whole numbers in brackets, -1 for a whole axis: `[16, -1]`
      filter: which weights are quantized, as a selector; a selector in quotes: `"linear or embedding"`
      target: the oldest system it must run on; a deployment target such as `iOS18`
      compute: the processors it may run on; `all`, `cpu`, `cpu-and-gpu` or `cpu-and-ne`
      skip_ops_for_coreml_delegation: operators that stay outside Core ML, separated by commas; text in quotes
      lower_full_graph: an error, instead of a fallback to the CPU, for what Core ML cannot take; `true` or `false`
      take_over_constant_data: whether Core ML owns the weights; true when absent; `true` or `false`
    "#);
    assert_snapshot!(shown("linear => int4 per-group(32) $0"), @"nothing");
    assert_snapshot!(shown("(linear $0"), @"nothing");
}

const BASE: &str = "scheme w4 = int4 per-group(32)\nscheme w4a = w4 asymmetric\n";
const TEXT: &str =
    "import \"base.bitmill\"\nscheme own = w4 scale fp16\nlinear => own\nconv => w4\nall => own sparse 50%\n";

fn at(marked: &str) -> Fixture {
    Fixture::with(
        marked,
        &[("base.bitmill", BASE), ("other.bitmill", "import \"base.bitmill\"\nall => w4\n")],
        Settings::default(),
    )
}

fn in_files(files: &[InFile]) -> String {
    let each = files.iter().map(|file| {
        let name = file.path.file_name().unwrap().to_string_lossy();
        format!("{name}\n{}", draw(&file.text, file.spans.iter().map(|span| (*span, String::new()))))
    });
    each.collect::<Vec<_>>().join("\n")
}

#[test]
fn names_lead_to_where_they_are_given() {
    let shown = |marked: &str| {
        let fixture = at(marked);
        let Some(found) = definition(&fixture.analysis, fixture.offset) else { return "nothing".to_string() };
        let target = &found.targets[0];
        let text = &fixture.analysis.source(target.place.file).unwrap().text;
        let name = target.path.file_name().unwrap().to_string_lossy();
        let origin = &fixture.text()[found.origin.range()];
        format!("{origin} → {name} {:?}", &text[target.place.span.range()])
    };
    assert_snapshot!(shown(&TEXT.replacen("=> own", "=> o$0wn", 1)), @r#"own → recipe.bitmill "own""#);
    assert_snapshot!(shown(&TEXT.replacen("=> w4", "=> w4$0", 1)), @r#"w4 → base.bitmill "w4""#);
    assert_snapshot!(shown(&TEXT.replacen("base", "b$0ase", 1)), @r#""base.bitmill" → base.bitmill """#);
    assert_snapshot!(shown(&TEXT.replacen("50%", "5$00%", 1)), @"nothing");
    assert_snapshot!(shown("import \"mis$0sing\"\nall => nope\n"), @"nothing");
}

#[test]
fn names_are_found_wherever_they_are_used() {
    let fixture = at(&TEXT.replacen("=> own", "=> o$0wn", 1));
    let all = highlight(&fixture.analysis, fixture.offset);
    assert_snapshot!(fixture.drawn(all.into_iter().map(|one| (one.span, format!("{}", one.is_definition)))), @"
    2| scheme own = w4 scale fp16
     |        ^^^ true
    3| linear => own
     |           ^^^ false
    5| all => own sparse 50%
     |        ^^^ false
    ");
    assert_eq!(linked_editing(&fixture.analysis, fixture.offset).unwrap().len(), 3);
    let used = at(&TEXT.replacen("=> w4", "=> w4$0", 1));
    let world = used.workspace.world();
    let find = |definition| references(&world, &used.analysis, used.offset, definition, &Cancel::default()).unwrap();
    assert_snapshot!(in_files(&find(true)), @"
    base.bitmill
    1| scheme w4 = int4 per-group(32)
     |        ^^
    2| scheme w4a = w4 asymmetric
     |              ^^
    other.bitmill
    2| all => w4
     |        ^^
    recipe.bitmill
    2| scheme own = w4 scale fp16
     |              ^^
    4| conv => w4
     |         ^^
    ");
    assert_eq!(find(false).iter().map(|file| file.spans.len()).sum::<usize>(), 4);
    assert!(linked_editing(&Fixture::new("scheme l$0one = int8\n").analysis, 8).is_none());
}

#[test]
fn schemes_get_other_names_everywhere() {
    let fixture = at(&TEXT.replacen("=> w4", "=> w4$0", 1));
    let world = fixture.workspace.world();
    let to = |new: &str| rename(&world, &fixture.analysis, fixture.offset, new, &Cancel::default());
    let files = to("four-bits").unwrap();
    let own = files.iter().find(|file| file.path == path("recipe.bitmill")).unwrap();
    assert_snapshot!(edited(fixture.text(), own.spans.iter().map(|span| (*span, "four-bits".into()))), @r#"
    import "base.bitmill"
    scheme own = four-bits scale fp16
    linear => own
    conv => four-bits
    all => own sparse 50%
    "#);
    assert_eq!(files.len(), 3);
    assert_eq!(to("own"), Err(RenameError::Exists("own".into())));
    assert_eq!(to("linear"), Err(RenameError::Taken("linear".into())));
    // A recipe that only uses it may have the new name already.
    let used = Fixture::with(
        "scheme w$04 = int4 per-group(32)\nlinear => w4\n",
        &[("user.bitmill", "import \"recipe.bitmill\"\nscheme mine = int8\nconv => mine\nall => w4\n")],
        Settings::default(),
    );
    let taken = rename(&used.workspace.world(), &used.analysis, used.offset, "mine", &Cancel::default()).unwrap_err();
    assert_eq!(taken.to_string(), "/nowhere/at/all/user.bitmill, which uses this scheme, has a scheme `mine` already");
    assert_eq!(
        rename(&used.workspace.world(), &used.analysis, used.offset, "w4", &Cancel::default()).unwrap().len(),
        2
    );
    for wrong in ["", "two words", "4bits", "a(", "\"a\"", "ä b", "-a"] {
        assert_eq!(to(wrong), Err(RenameError::NotAWord(wrong.into())), "{wrong}");
    }
    assert_eq!(prepare_rename(&fixture.analysis, 3), None);
    let error = rename(&world, &fixture.analysis, 3, "x", &Cancel::default()).unwrap_err();
    assert_eq!(error, RenameError::NoName);
}

#[test]
fn imports_are_a_tree_and_links() {
    let fixture = Fixture::with(
        "import \"a.bitmill\"\nimport \"gone.bitmill\"\nmodel \"m\"\nextend \"coreml_fp16\"\n",
        &[("a.bitmill", "import \"b.bitmill\"\n"), ("b.bitmill", "import \"a.bitmill\"\nimport \"recipe.bitmill\"\n")],
        Settings::default(),
    );
    fn shown(node: &ImportNode, depth: usize, out: &mut String) {
        let name = node.path.file_name().unwrap().to_string_lossy();
        let why = node.missing.as_ref().map_or(String::new(), |why| format!(": {why}"));
        out.push_str(&format!("{}{name}{why}\n", "  ".repeat(depth)));
        node.children.iter().for_each(|child| shown(child, depth + 1, out));
    }
    let mut out = String::new();
    shown(&tree(&fixture.analysis), 0, &mut out);
    assert_snapshot!(out, @"
    recipe.bitmill
      a.bitmill
        b.bitmill
          a.bitmill: it imports itself
          recipe.bitmill: it imports itself
      gone.bitmill: there is no such file
    ");
    let links = document_links(&fixture.analysis).into_iter();
    assert_snapshot!(fixture.drawn(links.map(|link| (link.span, link.tooltip.to_string()))), @r#"
    1| import "a.bitmill"
     |         ^^^^^^^^^ the imported recipe
    "#);
}

#[test]
fn imports_are_known_from_both_ends() {
    let fixture = Fixture::with(
        "import \"a.bi$0tmill\"\nall => w\n",
        &[
            ("a.bitmill", "import \"b.bitmill\"\nscheme w = int8\n"),
            ("b.bitmill", "import \"a.bitmill\"\n"),
            ("c.bitmill", "import \"b.bitmill\"\nimport \"a.bitmill\"\n"),
        ],
        Settings::default(),
    );
    assert_eq!(meant(&fixture.analysis, fixture.offset), path("a.bitmill"));
    assert_eq!(meant(&fixture.analysis, fixture.text().len() - 2), path("recipe.bitmill"));
    let world = fixture.workspace.world();
    let who = |name: &str| {
        let found = importers(&world, &path(name), &Cancel::default()).unwrap().into_iter();
        let shown = found.map(|(analysis, places)| {
            let name = analysis.path().file_name().unwrap().to_string_lossy().into_owned();
            let at = places.iter().map(|place| analysis.lines().line(place.span.start) + 1);
            format!("{name} {:?}", at.collect::<Vec<_>>())
        });
        shown.collect::<Vec<_>>().join(", ")
    };
    // What goes round in a circle imports itself all the same.
    assert_eq!(who("a.bitmill"), "b.bitmill [1], c.bitmill [2], recipe.bitmill [1]");
    assert_eq!(who("b.bitmill"), "a.bitmill [1], c.bitmill [1]");
    assert_eq!(who("recipe.bitmill"), "");
}
