//! Lines of the language: statements that are taken into the recipe, selectors and schemes that are told about.

use std::sync::Arc;

use super::change::{is_unfinished, new_findings};
use super::{Answer, Cause, Change, Failure, Halt, Judged, Matches, Outcome, State, Work};
use crate::check::{self, Edit, Finding, Fix, Known, Severity, words};
use crate::graph::Name;
use crate::ide::scheme_facts;
use crate::model::{nearest_names, total};
use crate::plan;
use crate::recipe::selector::Selector;
use crate::recipe::{FileId, Place, Recipe, Source};
use crate::run::activations::operations;
use crate::scheme::Scheme;
use crate::syntax::tree::{File, Statement, StatementKind};
use crate::syntax::{Span, parse};
use crate::words::{count, shown};

/// A comment alone is taken into the recipe; blanks are nothing.
pub(super) fn comment(state: &State, text: &str, work: Work) -> Result<Answer, Halt> {
    if text.trim().is_empty() {
        return Ok(Answer::told(Outcome::Nothing));
    }
    let analysis = state.analyse(&appended(state.text(), text), work.cancel)?;
    Ok(Answer { state: Some(state.with(analysis)), outcome: Outcome::Nothing })
}

/// Statements are taken into the recipe, unless they bring errors with them.
pub(super) fn statements(state: &State, text: &str, work: Work) -> Result<Answer, Halt> {
    let (whole, replaced) = inserted(state.text(), text);
    let before = Arc::clone(state.analysis());
    let after = state.analyse(&whole, work.cancel)?;
    let stops = |finding: &&Finding| finding.severity == Severity::Error && !is_unfinished(finding);
    let errors: Vec<&Finding> = new_findings(&before, &after).into_iter().filter(stops).collect();
    // An expectation that no longer holds is told, and forbids no experiment; one that is typed and does not hold does.
    let typed: Vec<&str> = text.lines().map(str::trim).collect();
    let is_older = |finding: &Finding| {
        let statement = words::statement_at(after.recipe(), finding.place);
        finding.code == "expect-failed"
            && statement.is_none_or(|statement| !typed.contains(&after.text_at(statement.span).trim()))
    };
    if errors.iter().any(|finding| !is_older(finding)) {
        let findings = errors.into_iter().cloned().collect();
        return Ok(Answer::told(Outcome::Refused(Judged::new(after.recipe(), findings))));
    }
    let change = Change::between(Cause::Typed { replaced }, &before, &after);
    Ok(Answer { state: Some(state.with(after)), outcome: Outcome::Changed(Box::new(change)) })
}

/// Tells what a selector matches.
pub(super) fn selector(state: &State, text: &str, work: Work) -> Result<Answer, Halt> {
    let selector = Piece { text, offset: 0 };
    let (selector, ..) = read(state, text, Some(selector), None)?;
    work.cancel.check()?;
    let weights = matching(state, &selector)?;
    if weights.is_empty() {
        let operations = operations(&state.open_model()?.model, &selector);
        return if operations.is_empty() {
            Err(nothing_matched(state, text, work)?)
        } else {
            Ok(Answer::told(Outcome::Said(matched_operations(text, &operations))))
        };
    }
    let (model, _) = state.analysis().planned().ok_or_else(|| Failure::new("there is no model"))?;
    let bytes = total(weights.iter().map(|&index| model.weights[index].bytes));
    let analysis = Arc::clone(state.analysis());
    Ok(Answer::told(Outcome::Matches(Matches { analysis, selector: text.to_string(), weights, bytes })))
}

/// Operations that a selector matches in place of weights.
fn matched_operations(selector: &str, operations: &[(Name, Name)]) -> String {
    const LISTED: usize = 8;
    let one = |(name, module): &(Name, Name)| match &**module {
        "" => format!("`{}`", shown(name)),
        module => format!("`{}` in `{}`", shown(name), shown(module)),
    };
    let mut listed: Vec<String> = operations.iter().take(LISTED).map(one).collect();
    if operations.len() > LISTED {
        listed.push(format!("{} more", operations.len() - LISTED));
    }
    let many = count(operations.len(), "operation");
    format!("`{selector}` matches no weight, but {many} whose activations rules are about: {}", listed.join(", "))
}

/// Tells what a scheme is.
pub(super) fn scheme(state: &State, text: &str, work: Work) -> Result<Answer, Halt> {
    let (_, scheme, judged) = read(state, text, None, Some(Piece { text, offset: 0 }))?;
    work.cancel.check()?;
    match scheme_facts::of_scheme(state.analysis(), &scheme) {
        Some(facts) => Ok(Answer::told(Outcome::Scheme(Box::new(facts), judged))),
        None => Ok(Answer::told(Outcome::Said(format!("{scheme}: weights stay as they are, byte for byte")))),
    }
}

/// The weights of the model that a selector matches, by index.
pub(super) fn matching(state: &State, selector: &Selector) -> Result<Vec<usize>, Failure> {
    let open = state.open_model()?;
    let recipe = state.analysis().recipe();
    let weights = open.model.weights.iter().enumerate();
    Ok(weights.filter(|(_, weight)| selector.matches(&plan::in_precision(recipe, weight))).map(|(at, _)| at).collect())
}

/// What the checker says of a selector that matches nothing, as a rule of the recipe.
pub(super) fn nothing_matched(state: &State, selector: &str, work: Work) -> Result<Halt, Halt> {
    let begin = appended(state.text(), "").len() as u32;
    let whole = appended(state.text(), &format!("{selector} => keep"));
    let analysis = state.analyse(&whole, work.cancel)?;
    let of_selector = |finding: &&Finding| {
        finding.code == "rule-matches-nothing"
            && finding.place.file == FileId(0)
            && finding.place.span.start >= begin
            && (finding.place.span.end - begin) as usize <= selector.len()
    };
    let mut found: Vec<Finding> = analysis.findings().iter().filter(of_selector).cloned().collect();
    if found.is_empty() {
        let near = match state.open_model() {
            Ok(open) => nearest_names(&open.model, selector.trim_matches('"'), 3),
            Err(failure) => return Err(failure.into()),
        };
        let help = words::nearest_help(&near, "`all` lists every weight".to_string());
        return Ok(Halt::Failed(Failure::new(format!("`{selector}` matches nothing in the model")).help(help)));
    }
    for finding in &mut found {
        finding.severity = Severity::Error;
        moved(finding, &|at| at.saturating_sub(begin));
    }
    Ok(Halt::Mistaken(judged(selector, found)))
}

/// A part of a line, and where it begins there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece<'a> {
    pub text: &'a str,
    pub offset: usize,
}

impl<'a> Piece<'a> {
    /// Without the blanks around it.
    pub fn trimmed(self) -> Piece<'a> {
        let text = self.text.trim_start();
        Piece { text: text.trim_end(), offset: self.offset + self.text.len() - text.len() }
    }
}

/// Reads a selector and a scheme of a line with the names and settings of the recipe: `all` and `keep` where they are
/// left out. What else the checker says of them without a model comes along.
pub(super) fn read(
    state: &State,
    line: &str,
    selector: Option<Piece>,
    scheme: Option<Piece>,
) -> Result<(Selector, Scheme, Judged), Halt> {
    let (selected, becomes) = (selector.map_or("all", |piece| piece.text), scheme.map_or("keep", |piece| piece.text));
    let begin = appended(state.text(), "").len();
    let arrow = " => ";
    // A comment would take the rest with it, and a line end begins another statement.
    let rule = format!("{selected}{arrow}{becomes}\n");
    let whole = appended(state.text(), &rule);
    let analysis = check::analyze(state.path(), &whole, &state.world(), Known::Nothing);
    let recipe = &analysis.recipe;
    let behind = begin + selected.len() + arrow.len();
    // Where a place of the rule is in the line.
    let back = |at: u32| {
        let at = at as usize;
        let (piece, base) = if at < behind { (selector, begin) } else { (scheme, behind) };
        let Some(piece) = piece else { return 0 };
        (piece.offset + at.saturating_sub(base).min(piece.text.len())).min(line.len()) as u32
    };
    let is_meant = |place: Place| {
        let at = place.span.start as usize;
        let asked = if at < behind { selector } else { scheme };
        place.file == FileId(0) && at >= begin && asked.is_some()
    };
    let mut found: Vec<Finding> = analysis
        .findings
        .iter()
        .filter(|finding| is_meant(finding.place) && !is_unfinished(finding) && finding.code != "rule-overtaken")
        .cloned()
        .collect();
    found.iter_mut().for_each(|finding| moved(finding, &back));
    let found = judged(line, found);
    let begun = |rule: &&crate::recipe::Rule| rule.place.file == FileId(0) && rule.place.span.start as usize == begin;
    let statements = recipe.sources.first().map_or(0, |source| {
        source.tree.statements.iter().filter(|statement| statement.span.start as usize >= begin).count()
    });
    let rule = recipe.rules.iter().rev().find(begun);
    // What cannot be read matches nothing, and its mistake is among the findings.
    let is_readable = recipe.problems.iter().all(|problem| !is_meant(problem.place));
    match rule.and_then(|rule| Some((rule.selector.clone(), rule.scheme.clone()?))) {
        Some((selector, scheme)) if statements == 1 && is_readable => Ok((selector, scheme, found)),
        _ if found.has_errors() => Err(Halt::Mistaken(found)),
        _ => Err(Failure::new("this is not one selector and one scheme")
            .help("`:help selectors` and `:help schemes` show how they are written")
            .into()),
    }
}

/// Findings in a line that is no statement of the recipe.
fn judged(line: &str, findings: Vec<Finding>) -> Judged {
    let source = Source {
        path: super::UNNAMED.into(),
        text: line.to_string(),
        tree: File::default(),
        allows: Vec::new(),
        included_at: None,
        preset: false,
    };
    Judged { texts: Box::new(Recipe { sources: vec![source], ..Recipe::default() }), findings }
}

/// Moves a finding from the recipe into the line. What lies elsewhere is left out.
fn moved(finding: &mut Finding, back: &dyn Fn(u32) -> u32) {
    let first = finding.place.span.start;
    let moved = |place: Place| Place::new(FileId(0), Span::new(back(place.span.start), back(place.span.end)));
    finding.labels.retain(|label| label.place.file == FileId(0) && label.place.span.start >= first);
    for label in &mut finding.labels {
        label.place = moved(label.place);
    }
    let is_here = |edit: &Edit| edit.place.file == FileId(0) && edit.place.span.start >= first;
    finding.fixes.retain(|fix: &Fix| fix.edits.iter().all(is_here));
    finding.fixes.iter_mut().flat_map(|fix| &mut fix.edits).for_each(|edit| edit.place = moved(edit.place));
    finding.place = moved(finding.place);
}

/// A text with another one as a line of its own behind it.
pub(super) fn appended(text: &str, more: &str) -> String {
    let mut whole = text.to_string();
    if !whole.is_empty() && !whole.ends_with('\n') {
        whole.push('\n');
    }
    whole.push_str(more);
    if !more.is_empty() && !whole.ends_with('\n') {
        whole.push('\n');
    }
    whole
}

/// A text with statements in it: what can be said once takes the place of what says it already, and so does a rule in
/// that of the last rule, if it has the same selector. The rest stands behind. Tells what has gone, too.
fn inserted(text: &str, typed: &str) -> (String, Vec<String>) {
    let mut whole = text.to_string();
    let mut replaced = Vec::new();
    let parsed = parse(typed);
    let spans: Vec<Span> = parsed.file.statements.iter().map(|statement| statement.span).collect();
    if !parsed.errors.is_empty() || spans.is_empty() {
        return (appended(&whole, typed), replaced);
    }
    for (nth, statement) in parsed.file.statements.iter().enumerate() {
        // With the comment behind it, and those above.
        let from = if nth == 0 { 0 } else { spans[nth - 1].end as usize };
        let line_end = |at: usize| typed[at..].find('\n').map_or(typed.len(), |end| at + end);
        let from = if nth == 0 { 0 } else { line_end(from).min(statement.span.start as usize) };
        let to = line_end(statement.span.end as usize);
        let more = typed[from..to].trim_matches('\n');
        let old = parse(&whole);
        match old.file.statements.iter().rev().find(|known| takes_place(typed, statement, &whole, known, &old.file)) {
            Some(known) if !more.contains('#') => {
                let range = known.span.range();
                let gone = whole[range.clone()].to_string();
                let new = &typed[statement.span.range()];
                if gone != new {
                    replaced.push(gone);
                }
                whole.replace_range(range, new);
            }
            _ => whole = appended(&whole, more),
        }
    }
    (whole, replaced)
}

/// Whether a typed statement takes the place of one of the recipe.
fn takes_place(typed: &str, new: &Statement, text: &str, known: &Statement, tree: &File) -> bool {
    use StatementKind as Kind;
    let same_words = |a: Option<&str>, b: Option<&str>| match (a, b) {
        (Some(a), Some(b)) => a.split_whitespace().eq(b.split_whitespace()),
        _ => false,
    };
    match (&new.kind, &known.kind) {
        (Kind::Model(_), Kind::Model(_))
        | (Kind::Target(_), Kind::Target(_))
        | (Kind::Compute(_), Kind::Compute(_))
        | (Kind::Precision(_), Kind::Precision(_))
        | (Kind::Arithmetic(_), Kind::Arithmetic(_))
        | (Kind::Threshold(_), Kind::Threshold(_))
        | (Kind::Calibrate { .. }, Kind::Calibrate { .. })
        | (Kind::Shapes(_), Kind::Shapes(_))
        | (Kind::Output(_), Kind::Output(_)) => true,
        (Kind::Scheme { name: Some(new), .. }, Kind::Scheme { name: Some(old), .. }) => new.value == old.value,
        (Kind::Rule { selector: new, .. }, Kind::Rule { selector: old, .. }) => {
            let is_rule = |statement: &&Statement| {
                matches!(statement.kind, Kind::Rule { .. } | Kind::Import(_) | Kind::Extend { .. })
            };
            let last = tree.statements.iter().rev().find(is_rule);
            last.is_some_and(|last| last.span == known.span)
                && same_words(typed.get(new.span().range()), text.get(old.span().range()))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_take_the_place_of_their_like() {
        let recipe = "target iOS17 # the oldest\nscheme a = int4\nlinear => a\n";
        let of = |typed: &str| inserted(recipe, typed).0;
        assert_eq!(of("target iOS18"), recipe.replace("iOS17", "iOS18"));
        assert_eq!(of("scheme a = int8"), recipe.replace("int4", "int8"));
        assert_eq!(of("scheme b = int8"), format!("{recipe}scheme b = int8\n"));
        assert_eq!(of("linear  => int8"), recipe.replace("linear => a", "linear  => int8"));
        assert_eq!(of("conv => int8"), format!("{recipe}conv => int8\n"));
        assert_eq!(of("conv => int8 # why"), format!("{recipe}conv => int8 # why\n"));
        assert_eq!(of("target iOS18 # why"), format!("{recipe}target iOS18 # why\n"));
        assert_eq!(of("conv => int8\nlinear => int4"), format!("{recipe}conv => int8\nlinear => int4\n"));
        assert_eq!(of("banana ("), format!("{recipe}banana (\n"));
        assert_eq!(inserted("linear => a", "# c\nconv => b").0, "linear => a\n# c\nconv => b\n");
    }
}
