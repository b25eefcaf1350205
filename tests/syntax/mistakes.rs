//! The words of the findings, and the places they point at.

use bitmill::syntax::{SyntaxError, parse, parse_scheme, parse_selector};
use proptest::prelude::*;

use crate::laws;

/// Statements with one mistake each.
const MISTAKES: &[&str] = &[
    // Which statement it is
    "targt iOS18",
    "modle foo",
    "foo \"x\"",
    "foo",
    "{ samples 3 }",
    "=> int4",
    "model \"x\" target iOS18",
    "compute all none",
    // Values of statements
    "output",
    "model llama.pt2",
    "model /models/y.pt2",
    "import base",
    "compute",
    "threshold many",
    "threshold 1e999",
    "threshold 12abc",
    "threshold 30mb",
    "threshold 1.2.3",
    "target",
    "target iOS18,",
    "target iOS18 macOS15",
    "target iOS 18",
    "extend x",
    "shapes",
    "shapes { tokens }",
    "shapes \"x\"",
    "shapes { tokens [1 64] }",
    "calibrate { samples 3 }",
    "calibrate \"x\" { samples }",
    "calibrate \"x\" { samples: 3 }",
    "calibrate \"x\" { samples 3",
    "calibrate \"x\" { 3 }",
    // Selectors
    "linear and => int4",
    "and linear => int4",
    "linear, , conv => int4",
    "linear \"*.q\" => int4",
    "not => int4",
    "(linear => int4",
    "(linear conv) => int4",
    "() => int4",
    "linear) => int4",
    "*.q_proj => int4",
    "'x' => int4",
    "\"*.q_proj => int4",
    "/abc => int4",
    "\"a\\b\" => int4",
    "linear && conv => int4",
    // Conditions
    "linear where => int4",
    "linear where rank => int4",
    "linear where rank 2 => int4",
    "linear where rank == => int4",
    "linear where 1 < rank < 5 => int4",
    "linear where params => 1M => int4",
    "linear where rank == 2 and \"head\" => int4",
    "linear where rank % == 2 => int4",
    "linear where bytes > 12 MB => int4",
    // Arrows and schemes
    "linear",
    "linear int4",
    "linear =>",
    "linear -> int4",
    "linear = int4",
    "linear => 4",
    "linear => int4 32",
    "linear => int4;",
    "linear => int4 per-group 32",
    "linear => int4 per-group=32",
    "linear => int4 per-group(32 symmetric",
    "linear => int4 per-group()",
    "linear => block[16 -1]",
    "linear => block[16, -1",
    "linear => int4, symmetric",
    "linear => int4,",
    "linear => int4 scale",
    "linear => int4 scale(fp16)",
    "linear => sparse 2:",
    "linear => int4 activations uint8",
    "linear => int4, activation uint8",
    "linear => int4, activations",
    "linear => , activations uint8",
    "linear => int4 ß€",
    "scheme = int4",
    "scheme w4",
    "scheme w4 int4",
    "scheme w4 => int4",
    "scheme w4 =",
    // Expectations
    "expect",
    "expect size",
    "expect size 30%",
    "expect size <= ",
    "expect size <= 30 %",
    "expect size => 30%",
    "expect sqrn >= 30 dB",
    "expect accuracy <= 1%",
    "expect linear",
    "expect linear matchs 3",
    "expect linear matches",
    "expect matches 3",
    "expect => keep",
    "expect linear =>",
    "expect linear quantized",
    "expect every linear",
    "expect every quantized",
    "expect every linear quantised",
    // Comments and signs
    "// a comment",
    "linear => int4  # bitmill: alow(BM001)",
    "linear \u{200b}=> int4",
];

/// A finding below the line it is about.
fn drawn(text: &str, error: &SyntaxError) -> String {
    let start = text[..error.span.start as usize].chars().count();
    let length = text[error.span.range()].chars().count().max(1);
    let mut drawn = format!("{}{} {}\n", " ".repeat(start), "^".repeat(length), error.message());
    if let Some(fix) = &error.fix {
        let mut fixed = text.to_owned();
        fixed.replace_range(fix.span.range(), &fix.replacement);
        drawn += &format!("    {}: {}\n", fix.title, fixed.replace('\n', "\n        "));
    }
    if let Some(help) = &error.help {
        drawn += &format!("    {help}\n");
    }
    drawn
}

fn all_drawn(text: &str, errors: &[SyntaxError]) -> String {
    let findings: String = errors.iter().map(|error| drawn(text, error)).collect();
    format!("{text}\n{findings}\n")
}

#[test]
fn are_said_in_plain_words() {
    let drawn: String = MISTAKES.iter().map(|text| all_drawn(text, &parse(text).errors)).collect();
    // A source should not contain what its reader cannot see.
    let drawn = drawn.replace('\u{200b}', "?");
    insta::assert_snapshot!(drawn, @r#"
    targt iOS18
    ^^^^^ no statement begins with `targt`; did you mean `target`?
        write `target`: target iOS18

    modle foo
    ^^^^^ no statement begins with `modle`; did you mean `model`?
        write `model`: model foo

    foo "x"
    ^^^ no statement begins with `foo`, and no `=>` makes this a rule

    foo
    ^^^ `=>` with a scheme is missing after `foo`
        for instance `linear => int4`

    { samples 3 }
    ^ a statement or a rule should stand here, not `{`

    => int4
    ^^ a selector is missing before `=>`

    model "x" target iOS18
              ^^^^^^^^^^^^ `target iOS18` is no part of the `model` statement
        begin a new line: model "x"
            target iOS18
        every statement has a line of its own

    compute all none
                ^^^^ `none` is no part of the `compute` statement

    output
    ^^^^^^ the path of the output in double quotes is missing after `output`
        for instance `output "PATH"`

    model llama.pt2
          ^^^^^^^^^ names and paths stand in double quotes: `"llama.pt2"`
        write `"llama.pt2"`: model "llama.pt2"

    model /models/y.pt2
          ^^^^^^^^^^^^^ names and paths stand in double quotes: `"/models/y.pt2"`
        write `"/models/y.pt2"`: model "/models/y.pt2"

    import base
           ^^^^ names and paths stand in double quotes: `"base"`
        write `"base"`: import "base"

    compute
    ^^^^^^^ the choice of processors is missing after `compute`
        for instance `compute all`

    threshold many
              ^^^^ the number of elements should stand here, not `many`
        for instance `threshold 2048`

    threshold 1e999
              ^^^^^ the number `1e999` is too large

    threshold 12abc
              ^^^^^ there is no unit `abc`

    threshold 30mb
              ^^^^ there is no unit `mb`; did you mean `MB`?
        write `30MB`: threshold 30MB

    threshold 1.2.3
              ^^^^^ `1.2.3` is no number

    target
    ^^^^^^ the name of a target is missing after `target`
        for instance `target iOS18`

    target iOS18,
                ^ the name of a target is missing after `,`
        for instance `target iOS18`

    target iOS18 macOS15
                 ^^^^^^^ a comma is missing between `iOS18` and `macOS15`
        insert `,`: target iOS18, macOS15

    target iOS 18
           ^^^^^^ this is written `iOS18`
        write `iOS18`: target iOS18

    extend x
           ^ names and paths stand in double quotes: `"x"`
        write `"x"`: extend "x"

    shapes
    ^^^^^^ a block of inputs with their shapes is missing after `shapes`
        for instance `shapes { INPUT [1, 64] }`

    shapes { tokens }
             ^^^^^^ the value of the option is missing after `tokens`

    shapes "x"
           ^^^ a block of inputs with their shapes should stand here, not `"x"`
        for instance `shapes { INPUT [1, 64] }`

    shapes { tokens [1 64] }
                       ^^ a comma is missing between `1` and `64`
        insert `,`: shapes { tokens [1, 64] }

    calibrate { samples 3 }
    ^^^^^^^^^ the path of the samples in double quotes is missing after `calibrate`
        for instance `calibrate "PATH" { samples 128 }`

    calibrate "x" { samples }
                    ^^^^^^^ the value of the option is missing after `samples`

    calibrate "x" { samples: 3 }
                           ^ `:` does not belong here
        remove `:`: calibrate "x" { samples 3 }

    calibrate "x" { samples 3
                  ^ `{` is never closed
        insert `}`: calibrate "x" { samples 3 }

    calibrate "x" { 3 }
                    ^ the name of an option should stand here, not `3`

    linear and => int4
           ^^^ a selector is missing after `and`

    and linear => int4
    ^^^ a selector is missing before `and`

    linear, , conv => int4
          ^ a selector is missing after `,`

    linear "*.q" => int4
           ^^^^^ `and`, `or` or a comma is missing between `linear` and `"*.q"`
        insert `and`: linear and "*.q" => int4

    not => int4
    ^^^ a selector is missing after `not`

    (linear => int4
    ^ `(` is never closed
        insert `)`: (linear) => int4

    (linear conv) => int4
            ^^^^ `and`, `or` or a comma is missing between `linear` and `conv`

    () => int4
    ^ a selector is missing after `(`

    linear) => int4
          ^ `)` closes nothing
        remove `)`: linear => int4

    *.q_proj => int4
    ^^^^^^^^ names and paths stand in double quotes: `"*.q_proj"`
        write `"*.q_proj"`: "*.q_proj" => int4

    'x' => int4
    ^^^ strings stand in double quotes
        write `"x"`: "x" => int4

    "*.q_proj => int4
    ^^^^^^^^^^^^^^^^^ the string has no closing `"` on its line
        insert `"`: "*.q_proj" => int4

    /abc => int4
    ^^^^^^^^^^^^ the regular expression has no closing `/` on its line
        insert `/`: /abc/ => int4

    "a\b" => int4
    ^^^^^ `\b` means nothing in a string; a backslash is written `\\`
        double the backslash: "a\\b" => int4

    linear && conv => int4
           ^^ recipes write `and` for `&&`
        write `and`: linear and conv => int4

    linear where => int4
           ^^^^^ a condition is missing after `where`
        for instance `params > 1M`

    linear where rank => int4
                 ^^^^ a comparison is missing after `rank`
        for instance `== 2` or `> 1M`

    linear where rank 2 => int4
                      ^ a comparison such as `==` is missing between `rank` and `2`

    linear where rank == => int4
                      ^^ what to compare with is missing after `==`

    linear where 1 < rank < 5 => int4
                          ^ `and` with a second comparison is missing between `rank` and `<`

    linear where params => 1M => int4
                        ^^ recipes write `>=` for `=>`
        write `>=`: linear where params >= 1M => int4

    linear where rank == 2 and "head" => int4
                               ^^^^^^ a comparison is missing after `"head"`
        a name cannot be a condition; put it before `where`, or behind a comma

    linear where rank % == 2 => int4
                      ^ the divisor is missing after `%`

    linear where bytes > 12 MB => int4
                            ^^ `MB` has to stand directly behind its number
        remove the blank: linear where bytes > 12MB => int4

    linear
    ^^^^^^ `=>` with a scheme is missing after `linear`
        for instance `linear => int4`

    linear int4
           ^^^^ `=>` is missing between `linear` and `int4`
        insert `=>`: linear => int4

    linear =>
           ^^ the scheme is missing after `=>`
        for instance `int4 per-group(32)`

    linear -> int4
           ^^ recipes write `=>` for `->`
        write `=>`: linear => int4

    linear = int4
           ^ recipes write `=>` for `=`
        write `=>`: linear => int4

    linear => 4
              ^ the scheme should stand here, not `4`
        for instance `int4 per-group(32)`

    linear => int4 32
                   ^^ `32` is no part of the scheme

    linear => int4;
                  ^ `;` does not belong here
        remove `;`: linear => int4

    linear => int4 per-group 32
                             ^^ this is written `per-group(32)`
        write `per-group(32)`: linear => int4 per-group(32)

    linear => int4 per-group=32
                             ^^ this is written `per-group(32)`
        write `per-group(32)`: linear => int4 per-group(32)

    linear => int4 per-group(32 symmetric
                            ^ `(` is never closed
        insert `)`: linear => int4 per-group(32) symmetric

    linear => int4 per-group()
                            ^ a value is missing after `(`

    linear => block[16 -1]
                       ^^ a comma is missing between `16` and `-1`
        insert `,`: linear => block[16, -1]

    linear => block[16, -1
                   ^ `[` is never closed
        insert `]`: linear => block[16, -1]

    linear => int4, symmetric
                  ^ `,` does not belong here
        remove the comma: linear => int4 symmetric
        a comma in a scheme only stands before `activations`

    linear => int4,
                  ^ `activations` with a type is missing after `,`
        for instance `int8 per-channel, activations uint8`

    linear => int4 scale
                   ^^^^^ the type of the scales is missing after `scale`
        for instance `scale fp16`

    linear => int4 scale(fp16)
                   ^^^^^^^^^^^ this is written `scale fp16`
        write `scale fp16`: linear => int4 scale fp16

    linear => sparse 2:
                      ^ the second number of the ratio is missing after `:`
        for instance `2:4`

    linear => int4 activations uint8
                   ^^^^^^^^^^^ a comma is missing between `int4` and `activations`
        insert `,`: linear => int4, activations uint8

    linear => int4, activation uint8
                    ^^^^^^^^^^ `activation` has no meaning here; did you mean `activations`?
        write `activations`: linear => int4, activations uint8

    linear => int4, activations
                    ^^^^^^^^^^^ the type of the activations is missing after `activations`
        for instance `int8 per-channel, activations uint8`

    linear => , activations uint8
           ^^ the scheme of the weights is missing after `=>`
        for instance `int8 per-channel, activations uint8`

    linear => int4 ß€
                    ^ `€` has no meaning in a recipe

    scheme = int4
    ^^^^^^ the name of the scheme is missing after `scheme`
        for instance `scheme NAME = SCHEME`

    scheme w4
           ^^ `=` with a scheme is missing after `w4`
        for instance `scheme NAME = SCHEME`

    scheme w4 int4
              ^^^^ `=` is missing between `w4` and `int4`
        insert `=`: scheme w4 = int4

    scheme w4 => int4
              ^^ recipes write `=` for `=>`
        write `=`: scheme w4 = int4

    scheme w4 =
              ^ the scheme is missing after `=`
        for instance `int4 per-group(32)`

    expect
    ^^^^^^ what is expected is missing after `expect`
        for instance `size <= 30%`

    expect size
           ^^^^ a comparison is missing after `size`
        for instance `<= 30%`

    expect size 30%
                ^^^ a comparison such as `<=` is missing between `size` and `30%`

    expect size <= 
                ^^ the bound is missing after `<=`
        for instance `<= 30%`

    expect size <= 30 %
                      ^ `%` has to stand directly behind its number
        remove the blank: expect size <= 30%

    expect size => 30%
                ^^ recipes write `>=` for `=>`
        write `>=`: expect size >= 30%

    expect sqrn >= 30 dB
           ^^^^ `sqrn` has no meaning here; did you mean `sqnr`?
        write `sqnr`: expect sqnr >= 30 dB

    expect accuracy <= 1%
                    ^^ `drop` is missing between `accuracy` and `<=`
        insert `drop`: expect accuracy drop <= 1%

    expect linear
           ^^^^^^ what is expected of it is missing after `linear`
        for instance `matches 112`, `=> keep` or `sqnr >= 30 dB`

    expect linear matchs 3
                  ^^^^^^ `matchs` has no meaning here; did you mean `matches`?
        write `matches`: expect linear matches 3

    expect linear matches
                  ^^^^^^^ the number of weights is missing after `matches`
        for instance `matches 112`

    expect matches 3
           ^^^^^^^ a selector is missing before `matches`

    expect => keep
    ^^^^^^ a selector is missing after `expect`

    expect linear =>
                  ^^ the scheme is missing after `=>`
        for instance `int4 per-group(32)`

    expect linear quantized
           ^^^^^^ `every` or `no` is missing after `expect`
        insert `every`: expect every linear quantized

    expect every linear
                 ^^^^^^ `quantized` or `kept` is missing after `linear`

    expect every quantized
                 ^^^^^^^^^ a selector is missing before `quantized`

    expect every linear quantised
                        ^^^^^^^^^ `quantised` has no meaning here; did you mean `quantized`?
        write `quantized`: expect every linear quantized

    // a comment
    ^^^^^^^^^^^^ comments begin with `#`
        write `#`: # a comment

    linear => int4  # bitmill: alow(BM001)
                    ^^^^^^^^^^^^^^^^^^^^^^ this comment is read as `# bitmill: allow(CODE, …)`, but is none
        for instance `# bitmill: allow(CODE)`

    linear ?=> int4
           ^ the invisible character U+200B has no meaning in a recipe
    "#);
}

#[test]
fn are_one_finding_each_and_mended_by_their_fix() {
    for text in MISTAKES {
        let errors = parse(text).errors;
        assert_eq!(errors.len(), 1, "{text:?}: {errors:?}");
        laws::check(text);
        let Some(fix) = &errors[0].fix else { continue };
        let mut fixed = text.to_string();
        fixed.replace_range(fix.span.range(), &fix.replacement);
        // The fix may only bring to light what stood behind the first mistake.
        let left = parse(&fixed).errors;
        assert!(left.len() <= 1 && left.first() != errors.first(), "{fixed:?}: {left:?}");
    }
}

#[test]
fn of_selectors_and_schemes_alone() {
    let mut drawn = String::new();
    for text in ["", "linear and", "linear => int4", "linear where rank == 2"] {
        drawn += &all_drawn(text, &parse_selector(text).1);
    }
    for text in ["", "int4 per-group(32)", "int4, keep", "int4\nkeep"] {
        drawn += &all_drawn(text, &parse_scheme(text).1);
    }
    insta::assert_snapshot!(drawn, @"

    ^ a selector is missing

    linear and
           ^^^ a selector is missing after `and`

    linear => int4
           ^^^^^^^ `=> int4` is no part of the selector

    linear where rank == 2


    ^ the scheme is missing
        for instance `int4 per-group(32)`

    int4 per-group(32)

    int4, keep
        ^ `,` does not belong here
        remove the comma: int4 keep
        a comma in a scheme only stands before `activations`

    int4
    keep
         ^^^^ `keep` is no part of the scheme
    ");
}

#[test]
fn over_several_lines() {
    let text = "\
calibrate \"x\" {
  samples
  observer min-max
model \"y\"
linear => int4 per-group(32
(linear,
  conv => int8
embedding => int8 per-channel
";
    let mut drawn = String::new();
    for error in parse(text).errors {
        drawn += &format!("{:?}: {}\n", &text[error.span.range()], error.message());
    }
    insta::assert_snapshot!(drawn, @r#"
    "{": `{` is never closed
    "samples": the value of the option is missing after `samples`
    "(": `(` is never closed
    "(": `(` is never closed
    "#);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn are_as_many_as_there_are(mistakes in prop::collection::vec(prop::sample::select(MISTAKES), 0..8)) {
        let text: String = mistakes.iter().flat_map(|text| [text, "\nall => keep\n"]).collect();
        let errors = parse(&text).errors;
        prop_assert_eq!(errors.len(), mistakes.len(), "{}: {:?}", text, errors);
        prop_assert_eq!(parse(&text).file.statements.len() , 2 * mistakes.len() - mistakes.iter().filter(|text| text.starts_with("//")).count());
    }
}
