//! Diagnostics, actions, outline, folding, selections, highlighting, formatting.

use bitmill::ide::actions::{Action, actions, fix_all};
use bitmill::ide::diagnostics::diagnostics;
use bitmill::ide::folding::{folding, selection_ranges};
use bitmill::ide::formatting;
use bitmill::ide::semantic_tokens::semantic_tokens;
use bitmill::ide::symbols::{outline, workspace_symbols};
use bitmill::ide::{Cancel, Level, Settings};
use bitmill::recipe::FileId;
use bitmill::syntax::Span;
use insta::assert_snapshot;

use crate::support::{Fixture, edited};

fn shown(fixture: &Fixture) -> String {
    let all = diagnostics(&fixture.analysis).into_iter().map(|one| {
        let grey = if one.unnecessary { " (grey)" } else { "" };
        let related: Vec<String> = one.related.iter().map(|label| format!("[{}]", label.text)).collect();
        (one.span, format!("{} {}{grey}: {} {}", one.severity.word(), one.code, one.message, related.join(" ")))
    });
    fixture.drawn(all)
}

#[test]
fn what_does_nothing_is_grey_as_a_whole() {
    let fixture = Fixture::new(
        "model \"m\"\ntarget iOS18\nscheme x = int8\n\"lm_head\" => int8\n\"nope\" => keep\nall => int4 per-group(32)\n",
    );
    assert_snapshot!(shown(&fixture), @r#"
    3| scheme x = int8
     | ^^^^^^^^^^^^^^^ hint scheme-unused (grey): no rule uses the scheme `x` / help: use it in a rule, or remove it
    4| "lm_head" => int8
     | ^^^^^^^^^^^^^^^^^ warning rule-overtaken (grey): this rule decides nothing: `all` comes later and takes every weight / help: put general rules first and exceptions behind them [this one decides: the last rule that matches does]
    5| "nope" => keep
     | ^^^^^^^^^^^^^^ warning rule-matches-nothing (grey): this rule matches nothing in the model / no module and no weight has such a name / help: a pattern fits the whole name; names are those of modules (`layers.0.attn.k_proj`) and of weights (`layers.0.attn.k_proj.weight`)
    "#);
}

#[test]
fn levels_are_chosen_but_errors_stay() {
    let text = "target iOS16\nscheme x = int8\nlinear => int4\n";
    let mut settings = Settings::default();
    settings.levels.insert("scheme-unused".into(), Level::Off);
    settings.levels.insert("affine-4bit-target".into(), Level::Off);
    assert_snapshot!(shown(&Fixture::with(text, &[], settings.clone())), @"
    3| linear => int4
     |           ^^^^ error affine-4bit-target: 4-bit integers need iOS18, macOS15, watchOS11, tvOS18, visionOS2 / 4-bit integers / help: raise the target, or use `int8 per-channel` or `lut4`, which older systems have / upstream: coremltools refuses: `The 4-bit quantization is supported since iOS18` [iOS16 has the operators of CoreML6]
    ");
    settings.levels.insert("scheme-unused".into(), Level::Warning);
    assert_snapshot!(shown(&Fixture::with(text, &[], settings)), @"
    2| scheme x = int8
     | ^^^^^^^^^^^^^^^ warning scheme-unused (grey): no rule uses the scheme `x` / help: use it in a rule, or remove it
    3| linear => int4
     |           ^^^^ error affine-4bit-target: 4-bit integers need iOS18, macOS15, watchOS11, tvOS18, visionOS2 / 4-bit integers / help: raise the target, or use `int8 per-channel` or `lut4`, which older systems have / upstream: coremltools refuses: `The 4-bit quantization is supported since iOS18` [iOS16 has the operators of CoreML6]
    ");
}

#[test]
fn errors_of_imports_are_told_at_the_import() {
    let fixture = Fixture::with(
        "target iOS18\nimport \"base.bitmill\"\n",
        &[
            ("base.bitmill", "import \"deep.bitmill\"\nlinaer => int8\n"),
            ("deep.bitmill", "all => int9\nall => int10\n"),
        ],
        Settings::default(),
    );
    assert_snapshot!(shown(&fixture), @r#"
    2| import "base.bitmill"
     | ^^^^^^^^^^^^^^^^^^^^^ error unknown-kind: in base.bitmill: `linaer` is no kind of operator [`linaer` is no kind of operator]
     | ^^^^^^^^^^^^^^^^^^^^^ error unknown-part: in deep.bitmill: `int9` is no part of a scheme, and no scheme has that name [`int9` is no part of a scheme, and no scheme has that name] [`int10` is no part of a scheme, and no scheme has that name]
    "#);
}

fn listed(fixture: &Fixture, actions: &[Action]) -> String {
    let each = actions.iter().map(|action| {
        let edits = action.edits.iter().filter(|edit| edit.place.file == FileId(0));
        let text = edited(fixture.text(), edits.map(|edit| (edit.place.span, edit.text.clone())));
        let star = if action.is_preferred { "*" } else { "" };
        format!("{:?}{star}: {}\n{text}", action.kind, action.title)
    });
    each.collect::<Vec<_>>().join("---\n")
}

#[test]
fn findings_are_mended_or_allowed() {
    let fixture =
        Fixture::new("target iOS18\nscheme x = int8 per-channel\n# bitmill: allow(lut-gpu)\nlinaer => int8\n");
    let all = actions(&fixture.analysis, Span::new(0, 200));
    assert_snapshot!(listed(&fixture, &all), @"
    QuickFix*: write `linear`
    target iOS18
    scheme x = int8 per-channel
    # bitmill: allow(lut-gpu)
    linear => int8
    ---
    QuickFix: remove `x`
    target iOS18
    # bitmill: allow(lut-gpu)
    linaer => int8
    ---
    Silence: allow scheme-unused here
    target iOS18
    # bitmill: allow(scheme-unused)
    scheme x = int8 per-channel
    # bitmill: allow(lut-gpu)
    linaer => int8
    ");
    assert!(actions(&fixture.analysis, Span::new(2, 3)).is_empty());
}

#[test]
fn every_safe_fix_at_once() {
    let fixture =
        Fixture::new("targt iOS18\n\nscheme x = int8 per-chanel\nlinaer => x\nembeding => int8 per-channel\n");
    let world = fixture.workspace.world();
    let action = fix_all(&world, &fixture.analysis, &Cancel::default()).unwrap().unwrap();
    assert_snapshot!(listed(&fixture, &[action]), @"
    FixAll: apply all safe fixes
    target iOS18

    scheme x = int8 per-channel
    linear => x
    embedding => int8 per-channel
    ");
    let good = Fixture::new("target iOS18\nlinear => int8 per-channel\n");
    assert_eq!(fix_all(&good.workspace.world(), &good.analysis, &Cancel::default()), Ok(None));
}

#[test]
fn outline_has_every_statement() {
    let fixture = Fixture::new(
        "model \"m\"\ntarget iOS18, macOS15 # both\nscheme w4 = int4\n  per-group(32)\nimport \"b.bitmill\"\nextend \"coreml_fp16\"\nlinear\n  and \"*.q\" => w4\nexpect size <= 30%\nbad\n",
    );
    let all = outline(&fixture.analysis)
        .into_iter()
        .map(|symbol| (symbol.selection, format!("{:?} {} | {}", symbol.kind, symbol.name, symbol.detail)));
    assert_snapshot!(fixture.drawn(all), @r#"
    1| model "m"
     | ^^^^^ Setting model | "m"
    2| target iOS18, macOS15 # both
     | ^^^^^^ Setting target | iOS18, macOS15
    3| scheme w4 = int4
     |        ^^ Scheme w4 | int4
    5| import "b.bitmill"
     |        ^^^^^^^^^^^ Import b.bitmill |
    6| extend "coreml_fp16"
     |        ^^^^^^^^^^^^^ Preset coreml_fp16 |
    8|   and "*.q" => w4
     |   ^^^^^^^^^ Rule and "*.q" | w4
    9| expect size <= 30%
     | ^^^^^^ Expectation expect | size <= 30%
    "#);
    let found = workspace_symbols(&fixture.workspace.world(), "W4", &Cancel::default()).unwrap();
    assert_eq!(found.iter().map(|one| one.symbol.name.as_str()).collect::<Vec<_>>(), ["w4"]);
}

#[test]
fn statements_comments_and_imports_fold() {
    let fixture = Fixture::new(
        "# a\n# b\n\n# c\nimport \"x\"\nimport \"y\" # d\n# e\ncalibrate \"z\" {\n  samples 3\n}\nlinear => int8\n# f\n# g\n",
    );
    let all = folding(&fixture.analysis).into_iter().map(|fold| (fold.span, format!("{:?}", fold.kind)));
    assert_snapshot!(fixture.drawn(all), @r#"
    1| # a
     | ^^^ to line 2 Comment
    5| import "x"
     | ^^^^^^^^^^ to line 6 Imports
    8| calibrate "z" {
     | ^^^^^^^^^^^^^^^ to line 10 Statement
    12| # f
     | ^^^ to line 13 Comment
    "#);
}

#[test]
fn selections_grow_step_by_step() {
    let steps = |text: &str| {
        let fixture = Fixture::new(text);
        let spans = selection_ranges(&fixture.analysis, fixture.offset);
        spans.iter().map(|span| fixture.text()[span.range()].replace('\n', "⏎")).collect::<Vec<_>>().join("\n")
    };
    assert_snapshot!(steps("target iOS18\nlinear where ra$0nk == 2 => int4 per-group(32)\n"), @"
    rank
    rank == 2
    linear where rank == 2
    linear where rank == 2 => int4 per-group(32)
    linear where rank == 2 => int4 per-group(32)⏎
    target iOS18⏎linear where rank == 2 => int4 per-group(32)⏎
    ");
    assert_snapshot!(steps("a or \"*.q$0\" => int4\n"), @r#"
    *.q
    "*.q"
    a or "*.q"
    a or "*.q" => int4
    a or "*.q" => int4⏎
    "#);
    assert_snapshot!(steps("linear => int4 per-group(3$02) symmetric, activations uint8"), @"
    32
    (32)
    per-group(32)
    int4 per-group(32) symmetric, activations uint8
    linear => int4 per-group(32) symmetric, activations uint8
    ");
    assert_snapshot!(steps("$0"), @"");
}

#[test]
fn words_are_highlighted_by_what_they_mean() {
    let text = "model \"m\" # c\ntarget iOS18\n# bitmill: allow(lut-gpu)\nscheme w4 = int4 per-group(32) scale fp16\n\
                linear and \"*.q\" where rank % 2 == 0 => w4, activations uint8\nexpect every /a/ kept\n\
                expect accuracy drop <= 3%\nextend \"coreml_fp16\" { target iOS18 }\n";
    let fixture = Fixture::new(text);
    let all = semantic_tokens(&fixture.analysis, None);
    let shown = all.iter().map(|token| {
        let def = if token.is_definition { "!" } else { "" };
        format!("{} {:?}{def}", &fixture.text()[token.span.range()], token.meaning)
    });
    assert_snapshot!(shown.collect::<Vec<_>>().join("\n"), @r#"
    model Keyword
    "m" Text
    # c Comment
    target Keyword
    iOS18 Target
    # bitmill: allow(lut-gpu) Directive
    scheme Keyword
    w4 Scheme!
    = Operator
    int4 Base
    per-group Part
    32 Number
    scale Part
    fp16 Choice
    linear Kind
    and Keyword
    "*.q" Pattern
    where Keyword
    rank Fact
    % Operator
    2 Number
    == Operator
    0 Number
    => Operator
    w4 Scheme
    activations Part
    uint8 Choice
    expect Keyword
    every Keyword
    /a/ Regex
    kept Keyword
    expect Keyword
    accuracy Fact
    drop Fact
    <= Operator
    3% Number
    extend Keyword
    "coreml_fp16" Preset
    target OptionKey
    iOS18 Choice
    "#);
    let part = semantic_tokens(&fixture.analysis, Some(Span::new(15, 20)));
    assert_eq!(part, all[3..4]);
}

#[test]
fn formatting_while_typing_leaves_the_new_line_alone() {
    let typed = |text: &str, key: char| {
        let fixture = Fixture::new(text);
        let edits = formatting::on_type(&fixture.analysis, fixture.offset, key);
        edited(fixture.text(), edits.into_iter().map(|edit| (edit.span, edit.replacement)))
    };
    assert_eq!(typed("target   iOS18\n$0", '\n'), "target iOS18\n");
    assert_eq!(typed("linear=>int8   \n  $0", '\n'), "linear => int8   \n  ");
    assert_eq!(typed("linear=>int8\n$0\n", '\n'), "linear => int8\n\n");
    assert_eq!(typed("calibrate  \"x\"  {samples   3}$0", '}'), "calibrate \"x\" { samples 3 }");
    assert_eq!(typed("$0", '}'), "");
    let fixture = Fixture::new("linear=>int8\nconv=>int8");
    assert_eq!(formatting::range(&fixture.analysis, Span::new(0, 3)).len(), 2);
    assert_eq!(formatting::document(&fixture.analysis).len(), 5);
}
