//! What can be done with a recipe, shown above it.

use super::Analysis;
use crate::check::Severity;
use crate::syntax::Span;
use crate::syntax::tree::StatementKind;
use crate::words::count;

/// What a lens does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LensCommand {
    /// Runs the recipe.
    Run,
    /// Shows its plan.
    Plan,
    /// Shows the page of a word.
    Explain(String),
}

/// A line above the text that does something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeLens {
    /// What it stands above.
    pub span: Span,
    /// What it says.
    pub title: String,
    /// What it does.
    pub command: LensCommand,
}

/// Running and planning above the first statement, an explanation above each preset and above the target.
pub fn code_lenses(analysis: &Analysis) -> Vec<CodeLens> {
    let mut lenses = Vec::new();
    let Some(first) = analysis.statements().first() else { return lenses };
    let errors = analysis.findings().iter().filter(|finding| finding.severity == Severity::Error).count();
    if let Some(totals) = analysis.totals() {
        let run =
            if errors == 0 { "run".to_string() } else { format!("run: {} to mend first", count(errors, "error")) };
        lenses.push(CodeLens { span: first.span, title: run, command: LensCommand::Run });
        lenses.push(CodeLens { span: first.span, title: format!("plan: {totals}"), command: LensCommand::Plan });
    }
    for statement in analysis.statements() {
        let word = match &statement.kind {
            StatementKind::Extend { preset: Some(name), .. } => Some(&name.value),
            StatementKind::Target(targets) => targets.first().map(|target| &target.value),
            _ => None,
        };
        // A word that has no page is a mistake, which is told as that.
        if let Some(word) = word.filter(|word| crate::glossary::page(word).is_some()) {
            let (title, command) = (format!("explain {word}"), LensCommand::Explain(word.clone()));
            lenses.push(CodeLens { span: statement.span, title, command });
        }
    }
    lenses
}
