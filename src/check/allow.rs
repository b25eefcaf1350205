//! `# bitmill: allow(CODE)`: silencing warnings and hints, and noticing comments that silence none.

use super::finding::{Finding, Report, Severity};
use super::rule::{Needs, Rule};
use super::rules::{allow_error, allow_unused};
use super::{Context, pages};
use crate::recipe::{FileId, Place, Recipe, Source};
use crate::syntax::Allow;

/// A code in a comment that silences nothing.
#[derive(Debug)]
pub(super) struct Idle<'a> {
    /// The rule that the code names.
    pub rule: &'static Rule,
    /// The comment.
    pub allow: &'a Allow,
    /// Which of its codes.
    pub index: usize,
    /// The file of the comment.
    pub file: FileId,
}

impl Idle<'_> {
    /// Where the code is written.
    pub fn place(&self) -> Place {
        Place::new(self.file, self.allow.codes[self.index].span)
    }
}

/// Removes warnings and hints that a comment allows at their place; errors stay. Then asks the rules about
/// such comments, which only now can tell.
pub(super) fn silence(context: &Context, findings: &mut Vec<Finding>) {
    let recipe = context.recipe;
    let sources = recipe.sources.iter();
    let mut used: Vec<Vec<Vec<bool>>> = sources
        .map(|source| {
            let codes = source.allows.iter().map(|allow| allow.codes.len());
            codes.map(|n| vec![false; n]).collect()
        })
        .collect();
    if used.iter().all(Vec::is_empty) {
        return;
    }
    let covering = Covering::new(recipe);
    let mut keep = |finding: &Finding| {
        if finding.severity == Severity::Error {
            return true;
        }
        let mut silenced = false;
        for (allow, index) in covering.allowing(finding) {
            used[finding.place.file.0 as usize][allow][index] = true;
            silenced = true;
        }
        !silenced
    };
    findings.retain(&mut keep);
    let idle = idle(recipe, &used);
    let mut about_comments = Vec::new();
    for (rule, find) in [
        (&allow_error::RULE, allow_error::find as fn(&Context, &[Idle], &mut Report)),
        (&allow_unused::RULE, allow_unused::find),
    ] {
        let mut report = Report::new(rule, recipe);
        find(context, &idle, &mut report);
        about_comments.extend(report.into_findings());
    }
    about_comments.retain(|finding| covering.allowing(finding).is_empty());
    findings.extend(about_comments);
}

/// The comments of each file by where what they cover begins, to find those that cover a place without asking all.
struct Covering<'a> {
    recipe: &'a Recipe,
    /// For each file, its comments by the beginning of what they cover; and the furthest end of what one up to each of
    /// them covers, from which on none before it need be asked.
    files: Vec<(Vec<usize>, Vec<u32>)>,
}

impl<'a> Covering<'a> {
    fn new(recipe: &'a Recipe) -> Self {
        let of_file = |source: &Source| {
            let mut order: Vec<usize> = (0..source.allows.len()).collect();
            order.sort_by_key(|&at| source.allows[at].covers.start);
            let furthest = order.iter().scan(0, |furthest: &mut u32, &at| {
                *furthest = (*furthest).max(source.allows[at].covers.end);
                Some(*furthest)
            });
            let furthest = furthest.collect();
            (order, furthest)
        };
        Covering { recipe, files: recipe.sources.iter().map(of_file).collect() }
    }

    /// The comments that allow a finding: which in its file, and which of its codes.
    fn allowing(&self, finding: &Finding) -> Vec<(usize, usize)> {
        let (place, code) = (finding.place, finding.code);
        let file = place.file.0 as usize;
        let (Some(source), Some((order, furthest))) = (self.recipe.sources.get(file), self.files.get(file)) else {
            return Vec::new();
        };
        let start = place.span.start;
        let behind = order.partition_point(|&at| source.allows[at].covers.start <= start);
        let mut found = Vec::new();
        for (&at, &furthest) in order[..behind].iter().zip(&furthest[..behind]).rev() {
            if furthest < start {
                break;
            }
            let allow = &source.allows[at];
            if allow.covers.touches(start) {
                let codes = allow.codes.iter().enumerate().filter(|(_, word)| word.value == code);
                found.extend(codes.map(|(index, _)| (at, index)));
            }
        }
        found
    }
}

/// The known codes that silenced nothing.
fn idle<'a>(recipe: &'a Recipe, used: &[Vec<Vec<bool>>]) -> Vec<Idle<'a>> {
    let mut idle = Vec::new();
    for ((file, source), used) in (0..).map(FileId).zip(&recipe.sources).zip(used) {
        for (allow, used) in source.allows.iter().zip(used) {
            for ((index, code), used) in allow.codes.iter().enumerate().zip(used) {
                if let (false, Some(rule)) = (*used, pages::rule(&code.value)) {
                    idle.push(Idle { rule, allow, index, file });
                }
            }
        }
    }
    idle
}

/// Whether everything was looked at that a rule could have found.
pub(super) fn has_spoken(context: &Context, rule: &Rule) -> bool {
    match rule.needs {
        // Some rules say more when they see the model, so one that is named must have been seen.
        Needs::Recipe => context.model.is_some() || context.recipe.model.is_none(),
        Needs::Model => context.model.is_some(),
        Needs::Run => context.run.is_some(),
    }
}
