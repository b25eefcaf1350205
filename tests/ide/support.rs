//! Recipes in a world of their own, and answers as text.

#![allow(dead_code)] // Not every helper is used by every module at all times.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bitmill::ide::{Analysis, Cancel, Settings, Workspace};
use bitmill::model::Model;
use bitmill::syntax::{Span, Unit};

/// A small language model.
pub const MODEL: &str = "
embed_tokens.weight                    embedding  512x64  fp16
layers.{0..3}.attn.q_proj.weight       linear     64x64   fp16
layers.{0..3}.attn.q_proj.bias         linear     64      fp16
layers.{0..3}.attn.k_proj.weight       linear     32x64   fp16
layers.{0..3}.mlp.up_proj.weight       linear     96x64   fp16
layers.{0..3}.mlp.down_proj.weight     linear     64x96   fp16
layers.{0..3}.norm.weight              norm       64      fp16
lm_head.weight                         linear     512x64  fp16
";

/// An export whose inputs share a size that is open.
const EXPORT: &str = "export\ninput tokens 1xn\ninput mask nx3\nrange n 2 64\nfc.weight  linear  64x64  fp32\n";

/// A directory that is on no disk.
pub const ROOT: &str = "/nowhere/at/all";

/// A recipe with a cursor, in a world with the model at `m`.
pub struct Fixture {
    pub workspace: Workspace,
    pub analysis: Arc<Analysis>,
    pub offset: usize,
}

pub fn path(name: &str) -> PathBuf {
    Path::new(ROOT).join(name)
}

impl Fixture {
    /// `$0` in the text is where the cursor is; without one it is at the end.
    pub fn new(marked: &str) -> Fixture {
        Fixture::with(marked, &[], Settings::default())
    }

    /// As [`Fixture::new`], with other open documents.
    pub fn with(marked: &str, others: &[(&str, &str)], settings: Settings) -> Fixture {
        let offset = marked.find("$0").unwrap_or(marked.len());
        let text = marked.replacen("$0", "", 1);
        let mut workspace = Workspace::new();
        workspace.give_model(&path("m"), Model::listing(MODEL).unwrap());
        workspace.give_model(&path("e"), Model::listing(EXPORT).unwrap());
        workspace.configure(settings);
        for (name, text) in others {
            workspace.open(&path(name), *text);
        }
        workspace.open(&path("recipe.bitmill"), text);
        let analysis = workspace.world().analysis(&path("recipe.bitmill"), &Cancel::default()).unwrap();
        Fixture { workspace, analysis, offset }
    }

    pub fn text(&self) -> &str {
        self.analysis.text()
    }

    /// The text with carets under spans, and what is said of each; lines without spans left out.
    pub fn drawn(&self, spans: impl IntoIterator<Item = (Span, String)>) -> String {
        draw(self.text(), spans)
    }
}

/// Lines with carets under spans.
pub fn draw(text: &str, spans: impl IntoIterator<Item = (Span, String)>) -> String {
    let lines = bitmill::syntax::LineIndex::new(text);
    let mut spans: Vec<(Span, String)> = spans.into_iter().collect();
    spans.sort_by_key(|(span, _)| span.start);
    let mut out = String::new();
    let mut shown = None;
    for (span, note) in spans {
        let start = lines.place(text, span.start, Unit::Utf32);
        let end = lines.place(text, span.end, Unit::Utf32);
        let line = text[lines.span(start.line).range()].trim_end();
        if shown != Some(start.line) {
            _ = writeln!(out, "{}| {line}", start.line + 1);
            shown = Some(start.line);
        }
        let width = match end.line == start.line {
            true => end.column - start.column,
            false => line.chars().count() as u32 - start.column,
        };
        let carets = if width == 0 { "^".to_string() } else { "^".repeat(width as usize) };
        let more = if end.line == start.line { String::new() } else { format!(" to line {}", end.line + 1) };
        let note = note.replace('\n', " / ");
        _ = writeln!(out, " | {}{carets}{more} {note}", " ".repeat(start.column as usize));
    }
    out.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// A text after edits of it.
pub fn edited(text: &str, edits: impl IntoIterator<Item = (Span, String)>) -> String {
    let mut edits: Vec<(Span, String)> = edits.into_iter().collect();
    edits.sort_by_key(|(span, _)| *span);
    let mut out = String::new();
    let mut at = 0;
    for (span, new) in edits {
        out.push_str(&text[at..span.start as usize]);
        out.push_str(&new);
        at = span.end as usize;
    }
    out + &text[at..]
}
