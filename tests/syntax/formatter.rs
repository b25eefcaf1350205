//! What the formatter writes.

use bitmill::syntax::{Span, format, format_edits, format_range};

#[test]
fn writes_blanks_where_they_belong() {
    let text = "\
linear=>int4 per-group ( 32 )   symmetric,activations uint8 symmetric
linear and( conv ),not   \"x\"=>block [ 16,-1 ] sparse 2 : 4
linear where in_features%32=0 and(rank>2)=>scale  fp16
scheme   w4=int4
expect   size<=30%
expect every(linear)quantized
expect linear sqnr>=30   dB
target iOS18 ,macOS15
calibrate \"x\"{samples 128,observer min-max,}
extend \"x\"{}
extend \"x\"{block [16,-1]}
";
    insta::assert_snapshot!(format(text), @r#"
    linear                                            => int4 per-group(32) symmetric, activations uint8 symmetric
    linear and (conv), not "x"                        => block[16, -1] sparse 2:4
    linear where in_features % 32 == 0 and (rank > 2) => scale fp16
    scheme w4 = int4
    expect size <= 30%
    expect every (linear) quantized
    expect linear sqnr >= 30 dB
    target iOS18, macOS15
    calibrate "x" { samples 128  observer min-max }
    extend "x" {}
    extend "x" { block [16, -1] }
    "#);
}

#[test]
fn aligns_what_belongs_together() {
    let text = "\
model \"a\" # one
target iOS18 # two
calibrate \"x\"
precision fp16
compute all

linear => int4 # a
# between
\"*.layers.0.*\" => int8 # b

conv => int4
foo bar => int4
embedding => int8 # c
expect size <= 30% # d
(linear,
 conv) => int8
all => keep
\"a very long name, which is longer than all that would still look good in a column\" => keep # e
linear and conv => int4 # f
";
    insta::assert_snapshot!(format(text), @r#"
    model  "a"    # one
    target iOS18  # two
    calibrate "x"
    precision fp16
    compute   all

    linear         => int4  # a
    # between
    "*.layers.0.*" => int8  # b

    conv => int4
    foo bar => int4
    embedding => int8   # c
    expect size <= 30%  # d
    (linear,
      conv) => int8
    all             => keep
    "a very long name, which is longer than all that would still look good in a column" => keep  # e
    linear and conv => int4  # f
    "#);
}

#[test]
fn keeps_columns_of_comments_that_fit() {
    let text = "\
linear => int4          # here
conv   => int4          # too

linear => int4     # here
conv   => int4   # and there

linear and embedding => int4 # no room
conv                 => int4 # here
";
    insta::assert_snapshot!(format(text), @"
    linear => int4          # here
    conv   => int4          # too

    linear => int4  # here
    conv   => int4  # and there

    linear and embedding => int4  # no room
    conv                 => int4  # here
    ");
}

#[test]
fn keeps_line_breaks_in_brackets() {
    let text = "\
   # alone

extend \"x\" { bits 3 # few

   # more


    block [16,
-1], a 1  b 2 }
(
linear,
      conv
  ) => int4
linear =>   # why
           int4
";
    insta::assert_snapshot!(format(text), @r#"
    # alone

    extend "x" {
      bits 3  # few

      # more

      block [16,
        -1]  a 1  b 2
    }
    (
      linear,
      conv
    ) => int4
    linear =>  # why
      int4
    "#);
}

#[test]
fn leaves_mistakes_alone() {
    let text = "\
  linear=>int4
   linear   =>    # nothing
  \tfoo   (  bar
      baz   
conv=>int8
";
    insta::assert_snapshot!(format(text), @"
    linear => int4
       linear   =>    # nothing
      	foo   (  bar
          baz
    conv => int8
    ");
}

#[test]
fn ends_lines_as_the_text_does() {
    assert_eq!(format("\u{feff}a=>b\r\n\r\n\r\nc=>d"), "a => b\r\n\r\nc => d\r\n");
    assert_eq!(format("a=>b\r\nc=>d\n"), "a => b\nc => d\n");
    assert_eq!(format("a=>b\rc=>d"), "a => b\nc => d\n");
    assert_eq!(format(" \n\t\n"), "");
}

#[test]
fn changes_as_little_as_possible() {
    let text = "linear => int4\nconv   =>  int4\n\n\n\nall=>keep\n";
    let edits = format_edits(text);
    let shown: Vec<_> = edits.iter().map(|edit| (&text[edit.span.range()], edit.replacement.as_str())).collect();
    let expected = vec![("  ", " "), ("\n\n\n\n", "\n\n"), ("", " "), ("", " ")];
    assert_eq!(shown, expected);
    assert!(format_edits(&format(text)).is_empty());
}

#[test]
fn of_a_range_changes_only_its_lines() {
    let text = "a=>b\nc=>d\ne=>f\n";
    let edits = format_range(text, Span::new(6, 7));
    let shown: Vec<_> = edits.iter().map(|edit| edit.span.start).collect();
    assert_eq!(shown, [6, 8]);
}
