//! Texts that are being written, and offsets that lie anywhere: every answer comes, and lies within the text.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bitmill::ide::actions::{actions, fix_all};
use bitmill::ide::code_lenses::code_lenses;
use bitmill::ide::commands::plan_text;
use bitmill::ide::completion::completion;
use bitmill::ide::diagnostics::diagnostics;
use bitmill::ide::document_links::document_links;
use bitmill::ide::folding::{folding, selection_ranges};
use bitmill::ide::formatting;
use bitmill::ide::hover::hover;
use bitmill::ide::imports::tree;
use bitmill::ide::inlay_hints::inlay_hints;
use bitmill::ide::navigation::{definition, highlight, linked_editing, references, rename};
use bitmill::ide::semantic_tokens::semantic_tokens;
use bitmill::ide::signature_help::signature_help;
use bitmill::ide::symbols::outline;
use bitmill::ide::{Cancel, Settings};
use bitmill::recipe::FileId;
use bitmill::syntax::Span;
use proptest::prelude::*;

use crate::support::Fixture;

const TEXT: &str = "# a 😀 comment\nmodel \"m\"\ntarget iOS18, macOS15\ncalibrate \"ä.safetensors\" { samples 3  observer min-max }\n\
    scheme w4 = int4 per-group(32) symmetric\nimport \"b.bitmill\"\nextend \"coreml_codebook_weight_only\" { bits 3  block [16, -1] }\n\
    # bitmill: allow(lut-gpu, rule-overtaken)\nlinear and not \"*.{0..1}.q_proj\" where in_features % 32 == 0 => w4 scale fp16\n\
    \"layers.*.mlp\" or /.*ü/ =>\n  lut4 per-grouped-channel(16), activations uint8\nexpect size <= 30%\n\
    expect every linear quantized\nexpect \"lm_head\" => keep\nall => int8 sparse 2:4\n";

/// Asks everything about one place, and checks that answers lie within the text.
fn ask(text: &str, offset: usize) {
    let others = [("b.bitmill", "scheme base = int8\nconv => base\n")];
    let mut fixture = Fixture::with(text, &others, Settings::default());
    fixture.offset = offset;
    let (analysis, length) = (&*fixture.analysis, text.len());
    let inside = |span: Span| {
        let fits = span.start <= span.end && span.end as usize <= length;
        assert!(fits && text.get(span.range()).is_some(), "{span:?} in {length} bytes");
    };
    let whole = Span::new(0, length as u32);
    diagnostics(analysis).iter().for_each(|one| inside(one.span));
    let edits = actions(analysis, whole).into_iter().flat_map(|action| action.edits);
    edits.filter(|edit| edit.place.file == FileId(0)).for_each(|edit| inside(edit.place.span));
    outline(analysis).iter().for_each(|one| inside(one.span));
    folding(analysis).iter().for_each(|one| inside(one.span));
    semantic_tokens(analysis, None).iter().for_each(|one| inside(one.span));
    inlay_hints(analysis, None).iter().for_each(|one| inside(Span::new(one.offset, one.offset)));
    code_lenses(analysis).iter().for_each(|one| inside(one.span));
    document_links(analysis).iter().for_each(|one| inside(one.span));
    selection_ranges(analysis, offset).into_iter().for_each(inside);
    completion(analysis, offset).iter().for_each(|one| inside(one.span));
    hover(analysis, offset).iter().for_each(|one| inside(one.span));
    highlight(analysis, offset).iter().for_each(|one| inside(one.span));
    linked_editing(analysis, offset).into_iter().flatten().for_each(inside);
    _ = (signature_help(analysis, offset), definition(analysis, offset), tree(analysis), plan_text(analysis));
    for typed in ['\n', '}'] {
        formatting::on_type(analysis, offset, typed).iter().for_each(|one| inside(one.span));
    }
    let world = fixture.workspace.world();
    let cancel = Cancel::default();
    for file in references(&world, analysis, offset, true, &cancel).unwrap() {
        assert!(file.spans.iter().all(|span| file.text.get(span.range()).is_some()));
    }
    _ = rename(&world, analysis, offset, "x1", &cancel);
    _ = fix_all(&world, analysis, &cancel).unwrap();
}

/// As [`ask`], and says where where it fails.
fn ask_anywhere(text: &str, offset: usize) {
    let asked = catch_unwind(AssertUnwindSafe(|| ask(text, offset)));
    assert!(asked.is_ok(), "at {offset} of {text:?}");
}

#[test]
fn names_without_quotes_that_begin_with_long_characters() {
    ask_anywhere("expect every linear(ä.head => keep\n", 22);
    ask_anywhere("ä.head => keep\n", 4);
}

#[test]
fn every_offset_of_a_whole_recipe() {
    // Those within a character too, and those behind the text.
    for offset in 0..TEXT.len() + 3 {
        ask_anywhere(TEXT, offset);
    }
}

#[test]
fn every_beginning_of_a_recipe() {
    for (length, _) in TEXT.char_indices().step_by(3) {
        ask_anywhere(&TEXT[..length], length);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn recipes_with_pieces_cut_out_and_put_in(
        cuts in prop::collection::vec((0usize..900, 0usize..30, "[\"(){}\\[\\]=>,./#a-zäß😀 \n\r\t*-]{0,4}"), 1..5),
        at in 0usize..900,
    ) {
        let mut text = TEXT.to_string();
        for (start, length, put) in cuts {
            let start = text.floor_char_boundary(start);
            let end = text.floor_char_boundary((start + length).min(text.len())).max(start);
            text.replace_range(start..end, &put);
        }
        ask_anywhere(&text, at);
    }
}
