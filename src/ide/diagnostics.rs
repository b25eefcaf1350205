//! What is wrong with a recipe, as an editor shows it.

use super::Analysis;
use crate::check::{Finding, Label, Severity, words};
use crate::recipe::FileId;
use crate::syntax::Span;

/// A finding at its place in the text.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnostic {
    /// The code of the rule, which [`page`](crate::glossary::page) explains.
    pub code: &'static str,
    /// How it is shown, as the user has chosen.
    pub severity: Severity,
    /// What is wrong, what to do about it, and what would happen upstream; a line each.
    pub message: String,
    /// Where.
    pub span: Span,
    /// Other places that make it so.
    pub related: Vec<Label>,
    /// Whether what stands there does nothing and could go.
    pub unnecessary: bool,
    /// Which of [`Analysis::findings`] it is.
    pub finding: usize,
}

/// Rules about text that does nothing, and whether that is the whole statement.
const ABOUT_NOTHING: &[(&str, bool)] = &[
    ("allow-unused", false),
    ("calibration-unused", false),
    ("rule-matches-nothing", true),
    ("rule-overtaken", true),
    ("scheme-unused", true),
];

/// Findings that are shown at most: more help nobody, and an editor has to keep and draw each of them.
pub const MOST: usize = 2_000;

/// The findings in the text itself, and the errors of what it imports, told once at each import. Of more than
/// [`MOST`], the gravest and of these the first; the last of them says how many are not shown.
pub fn diagnostics(analysis: &Analysis) -> Vec<Diagnostic> {
    let findings = analysis.findings().iter().enumerate();
    let mut all: Vec<Diagnostic> = Vec::new();
    for (index, finding) in findings {
        let Some(severity) = analysis.settings().severity(finding.code, finding.severity) else { continue };
        if finding.place.file == FileId(0) {
            all.push(diagnostic(analysis, index, finding, severity));
        } else if finding.severity == Severity::Error {
            tell_import(analysis, index, finding, &mut all);
        }
    }
    if all.len() > MOST {
        all.sort_by_key(|diagnostic| (diagnostic.severity != Severity::Error, diagnostic.span.start));
        let hidden = all.len() - MOST;
        all.truncate(MOST);
        all.sort_by_key(|diagnostic| diagnostic.span.start);
        if let Some(last) = all.last_mut() {
            last.message.push_str(&format!("\n{} more are not shown", words::count(hidden, "finding")));
        }
        return all;
    }
    all.sort_by_key(|diagnostic| diagnostic.span.start);
    all
}

fn diagnostic(analysis: &Analysis, index: usize, finding: &Finding, severity: Severity) -> Diagnostic {
    let mut message = finding.message.clone();
    let more = [&finding.here, &finding.help, &finding.upstream];
    for (line, lead) in more.into_iter().zip(["", "help: ", "upstream: "]) {
        if let Some(line) = line {
            message.push('\n');
            message.push_str(lead);
            message.push_str(line);
        }
    }
    let about = ABOUT_NOTHING.iter().find(|(code, _)| *code == finding.code);
    // What does nothing is greyed as a whole.
    let whole = about
        .filter(|(_, is_whole)| *is_whole)
        .and_then(|_| words::statement_at(analysis.recipe(), finding.place))
        .map(|statement| statement.span);
    Diagnostic {
        code: finding.code,
        severity,
        message,
        span: whole.unwrap_or(finding.place.span),
        related: finding.labels.clone(),
        unnecessary: about.is_some(),
        finding: index,
    }
}

/// Adds an error of an imported file to what is told at the import.
fn tell_import(analysis: &Analysis, index: usize, finding: &Finding, all: &mut Vec<Diagnostic>) {
    let Some(place) = analysis.own_place(finding.place) else { return };
    let label = Label { place: finding.place, text: finding.message.clone() };
    let known =
        all.iter_mut().find(|one| one.code == finding.code && one.span == place.span && !one.related.is_empty());
    if let Some(known) = known {
        known.related.push(label);
        return;
    }
    all.push(Diagnostic {
        code: finding.code,
        severity: finding.severity,
        message: format!("in {}: {}", analysis.shown_path(finding.place.file), finding.message),
        span: place.span,
        related: vec![label],
        unnecessary: false,
        finding: index,
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::rules::RULES;

    #[test]
    fn rules_about_nothing_are_rules() {
        for (code, _) in ABOUT_NOTHING {
            assert!(RULES.iter().any(|rule| rule.code == *code), "{code}");
        }
    }
}
