//! What an editor can do about a finding: its fixes, all safe fixes at once, and saying that it is meant so.

use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::diagnostics::diagnostics;
use super::{Analysis, Cancel, Cancelled, World};
use crate::check::{Edit, Finding, Severity, words};
use crate::project::mend_with;
use crate::recipe::{FileId, Place};
use crate::syntax::{Span, TextEdit};

/// What an action is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ActionKind {
    /// It mends a finding.
    QuickFix,
    /// It says in a comment that a finding is meant so.
    Silence,
    /// It applies every fix that surely does what the author meant.
    FixAll,
}

/// Edits with a name.
#[derive(Debug, Clone, PartialEq)]
pub struct Action {
    /// What it does, in the imperative.
    pub title: String,
    /// What it is for.
    pub kind: ActionKind,
    /// The edits, of the text itself or of what it imports; none overlaps another of its file.
    pub edits: Vec<Edit>,
    /// Whether it surely does what the author meant.
    pub is_preferred: bool,
    /// The finding that it is about, one of [`Analysis::findings`].
    pub finding: Option<usize>,
}

/// What can be done about the findings that a range touches.
pub fn actions(analysis: &Analysis, range: Span) -> Vec<Action> {
    let mut actions = Vec::new();
    let touching = |span: Span| span.start <= range.end && range.start <= span.end;
    for shown in diagnostics(analysis).into_iter().filter(|shown| touching(shown.span)) {
        let Some(finding) = analysis.findings().get(shown.finding) else { continue };
        actions.extend(finding.fixes.iter().filter(|fix| !fix.edits.is_empty()).map(|fix| Action {
            title: fix.title.clone(),
            kind: ActionKind::QuickFix,
            edits: fix.edits.clone(),
            is_preferred: fix.safe,
            finding: Some(shown.finding),
        }));
        actions.extend(silence(analysis, finding).map(|edit| Action {
            title: format!("allow {} here", finding.code),
            kind: ActionKind::Silence,
            edits: vec![edit],
            is_preferred: false,
            finding: Some(shown.finding),
        }));
    }
    // Mending comes before silencing, whatever finding either is about.
    actions.sort_by_key(|action| (action.kind == ActionKind::Silence, !action.is_preferred));
    actions
}

/// The edit that allows a finding at its place, where that is possible.
fn silence(analysis: &Analysis, finding: &Finding) -> Option<Edit> {
    if finding.severity == Severity::Error || finding.place.file != FileId(0) {
        return None;
    }
    let recipe = analysis.recipe();
    let allows = &analysis.source(FileId(0))?.allows;
    if let Some(allow) = allows.iter().find(|allow| allow.covers.touches(finding.place.span.start)) {
        let last = allow.codes.last()?.span.end;
        return Some(Edit { place: analysis.place(Span::new(last, last)), text: format!(", {}", finding.code) });
    }
    let statement = words::statement_at(recipe, finding.place)?;
    let place = Place::new(FileId(0), statement.span);
    Some(words::insert_above(recipe, place, &format!("# bitmill: allow({})", finding.code)))
}

/// Applies every fix that surely does what the author meant, again and again until none is left; `None` where there
/// is none.
///
/// # Errors
/// When the answer is no longer wanted.
pub fn fix_all(world: &World, analysis: &Analysis, cancel: &Cancel) -> Result<Option<Action>, Cancelled> {
    let mended = mend_with(analysis.text(), false, |text| {
        if text == analysis.text() {
            return Ok(analysis.findings().to_vec());
        }
        Ok(world.analyse(analysis.path(), text, cancel)?.findings().to_vec())
    })?;
    let edits = line_edits(analysis.text(), &mended.text).into_iter();
    let edits: Vec<Edit> =
        edits.map(|edit| Edit { place: analysis.place(edit.span), text: edit.replacement }).collect();
    let title = match mended.unfinished {
        None => "apply all safe fixes".to_string(),
        Some(why) => format!("apply all safe fixes ({})", why.words()),
    };
    Ok((!edits.is_empty()).then_some(Action {
        title,
        kind: ActionKind::FixAll,
        edits,
        is_preferred: false,
        finding: None,
    }))
}

/// The edits that make one text of another, line by line, so that cursors elsewhere stay where they are.
pub(super) fn line_edits(old: &str, new: &str) -> Vec<TextEdit> {
    let (was, is): (Vec<&str>, Vec<&str>) = (old.split_inclusive('\n').collect(), new.split_inclusive('\n').collect());
    let starts: Vec<u32> = std::iter::once(0)
        .chain(was.iter().scan(0, |at, line| {
            *at += line.len() as u32;
            Some(*at)
        }))
        .collect();
    let ops = capture_diff_slices(Algorithm::Myers, &was, &is).into_iter();
    let changes = ops.filter(|op| !matches!(op, DiffOp::Equal { .. }));
    changes
        .map(|op| TextEdit {
            span: Span::new(starts[op.old_range().start], starts[op.old_range().end]),
            replacement: is[op.new_range()].concat(),
        })
        .collect()
}
