//! The tuned recipe as a text: settings as they hold, a rule for each group of weights that got one scheme, what it is
//! expected to keep to, and why it is so in comments.

use std::collections::HashMap;
use std::fmt::Write;
use std::path::Path;

use super::error::{TuneError, decibels};
use super::search::Search;
use super::{Budget, Task, Tuned};
use crate::check::{Analysis, Finding, Known, Severity, analyze_recipe};
use crate::model::layers::collapse;
use crate::model::{Role, Weight, total};
use crate::plan::{Outcome, Plan};
use crate::project::relative;
use crate::recipe::{Claim, NoImports, Observer, Recipe, TargetChoice, resolve};
use crate::run::outcome;
use crate::run::statics::is_static;
use crate::syntax;
use crate::syntax::token::quote;
use crate::words::{count, percent, shown, size};

/// A rule of the tuned recipe.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its selector, as written: a pattern in quotes.
    pub selector: String,
    /// Its scheme.
    pub scheme: String,
    /// Weights that it is about, as numbers of [`Tuned::weights`].
    pub weights: Vec<usize>,
}

/// A text, and what it is.
pub struct Page {
    /// The text.
    pub text: String,
    /// The text as a recipe.
    pub recipe: Recipe,
    /// Its plan.
    pub plan: Plan,
    /// Its rules about tuned weights.
    pub rows: Vec<Row>,
    /// Bytes of the model after.
    pub after: u64,
    /// Expectations that were left out.
    pub dropped: Vec<String>,
}

/// Sensitive weights that comments name.
const SENSITIVE: usize = 5;
/// Names in a row of comments.
const NAMES: usize = 3;
/// Longer patterns are written as several.
const LONGEST_PATTERN: usize = 1000;
/// Characters in a line of comments.
const LINE: usize = 110;

/// Writes a recipe and checks that it means what was found.
///
/// # Errors
/// If it does not, which is a defect.
pub fn write(task: &Task, tuned: &Tuned, search: &Search) -> Result<Page, TuneError> {
    let mut expects = expectations(task);
    let mut dropped = Vec::new();
    let mut rows = rows(task, tuned);
    let mut allowed: Vec<(usize, &'static str)> = Vec::new();
    // What is wrong is mended, a kind at a time: expectations that do not hold any more, warnings that the recipe
    // allows, weights that a pattern for others matches too.
    for _ in 0..4 {
        let draft = Draft { task, tuned, rows: &rows, expects: &expects, dropped: &dropped, allowed: &allowed };
        let text = syntax::format(&draft.text());
        let recipe = resolve(task.destination, &text, &NoImports);
        let Analysis { recipe, plan, findings } = analyze_recipe(recipe, Known::Model(task.model), None);
        let Some(plan) = plan else { return Err(TuneError::Written("it has no plan".to_owned())) };
        let wrong: Vec<&Finding> =
            findings.iter().filter(|finding| finding.severity != Severity::Hint && !is_known(task, finding)).collect();
        let failed: Vec<String> = recipe
            .expects
            .iter()
            .filter(|expect| wrong.iter().any(|finding| is_within(finding, expect.place.span)))
            .map(|expect| recipe.text(expect.place).trim().to_owned())
            .collect();
        let before = (expects.len(), allowed.len(), rows.len());
        let (gone, kept) = expects.into_iter().partition(|text| failed.iter().any(|failed| failed == text));
        let gone: Vec<String> = gone;
        (expects, dropped) = (kept, [dropped, gone].concat());
        let base = base_rules(task).len();
        for finding in wrong.iter().filter(|finding| finding.severity == Severity::Warning) {
            let rule = recipe.rules.iter().position(|rule| is_within(finding, rule.place.span));
            let is_allowed = has_allowed(task, finding.code) || rule.is_some_and(|rule| rule < base);
            if let Some(rule) = rule.filter(|_| is_allowed)
                && !allowed.contains(&(rule, finding.code))
            {
                allowed.push((rule, finding.code));
            }
        }
        if (expects.len(), allowed.len()) == (before.0, before.1) {
            rows.extend(mended(task, tuned, search, &plan));
        }
        if (expects.len(), allowed.len(), rows.len()) != before {
            continue;
        }
        if let Some(finding) = wrong.first() {
            return Err(TuneError::Written(format!("{}: {}", finding.code, finding.message)));
        }
        let after = total(plan.decisions.iter().map(|decision| decision.after));
        if let Some(allowed) = budget_bytes(task, tuned).filter(|allowed| after > *allowed) {
            return Err(TuneError::Written(format!("it makes {after} bytes, and {allowed} are allowed")));
        }
        return Ok(Page { text, recipe, plan, rows, after, dropped });
    }
    Err(TuneError::Written("its patterns are about the wrong weights".to_owned()))
}

/// The bytes that a budget allows for the whole model.
fn budget_bytes(task: &Task, tuned: &Tuned) -> Option<u64> {
    match task.budget {
        Budget::Share(share) => Some((share * tuned.before as f64).floor() as u64),
        Budget::Bytes(bytes) => Some(bytes),
        Budget::Bits(_) | Budget::Sqnr(_) => None,
    }
}

fn is_within(finding: &Finding, span: crate::syntax::Span) -> bool {
    finding.place.file.0 == 0 && span.start <= finding.place.span.start && finding.place.span.start < span.end
}

/// Whether the recipe gives a finding already: the tuned one need not be better than that.
fn is_known(task: &Task, finding: &Finding) -> bool {
    let context = crate::check::context(task.recipe, Known::Model(task.model), Some(task.plan), None);
    let is_same = |known: &Finding| known.code == finding.code && known.severity == finding.severity;
    // Expectations are judged for this recipe.
    finding.code != "expect-failed" && crate::check::check(&context).iter().any(is_same)
}

/// Whether a comment of the recipe allows findings of a code.
fn has_allowed(task: &Task, code: &str) -> bool {
    let codes = task.recipe.sources.iter().flat_map(|source| &source.allows).flat_map(|allow| &allow.codes);
    codes.into_iter().any(|word| word.value == code)
}

/// What the recipe expects, as its texts, without what the budget says better.
fn expectations(task: &Task) -> Vec<String> {
    let mut texts = Vec::new();
    for expect in &task.recipe.expects {
        let text = task.recipe.text(expect.place).trim();
        let text = match (&expect.claim, text.rsplit_once("=>")) {
            // Named schemes are not taken over.
            (Claim::Decides { scheme, .. }, Some((before, _))) => {
                format!("{before}=> {}", super::candidates::spelled(scheme))
            }
            _ => text.to_owned(),
        };
        let text = syntax::format(&text).trim().to_owned();
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    texts
}

/// Rules that stay in front: those of a recipe that quantizes activations, since they are about operators without
/// weights too.
fn base_rules(task: &Task) -> Vec<(String, String)> {
    if !is_static(task.recipe) {
        return Vec::new();
    }
    let rule = |rule: &crate::recipe::Rule| {
        let scheme = rule.scheme.as_ref().map(super::candidates::spelled)?;
        Some((task.recipe.text(rule.selector_place).trim().to_owned(), scheme))
    };
    task.recipe.rules.iter().filter_map(rule).collect()
}

/// A rule for each group of weights that differ in the numbers of their names only and got one scheme.
fn rows(task: &Task, tuned: &Tuned) -> Vec<Row> {
    let mut in_module: HashMap<&str, usize> = HashMap::new();
    for weight in task.model.weights.iter().filter(|weight| weight.role == Role::Weight) {
        *in_module.entry(weight.module()).or_default() += 1;
    }
    let name = |weight: &Weight| {
        let alone = weight.role == Role::Weight && !weight.module().is_empty() && in_module[weight.module()] == 1;
        escaped(if alone { weight.module() } else { &weight.name })
    };
    let base = base_rules(task).len();
    // What the rules in front decide already needs no rule.
    let is_decided = |at: usize| {
        let chosen = &tuned.weights[at];
        let decision = &task.plan.decisions[chosen.index];
        let scheme = decision.rule.and_then(|rule| task.recipe.rules.get(rule)?.scheme.as_ref());
        base > 0 && scheme.is_some_and(|scheme| super::candidates::spelled(scheme) == chosen.scheme)
    };
    let open: Vec<usize> = (0..tuned.weights.len()).filter(|at| !is_decided(*at)).collect();
    let names: Vec<String> = open.iter().map(|&at| name(&task.model.weights[tuned.weights[at].index])).collect();
    let items = names.iter().zip(&open).map(|(name, &at)| (name.as_str(), tuned.weights[at].scheme.as_str()));
    let mut rows = Vec::new();
    for row in collapse(items) {
        let scheme = tuned.weights[open[row.members[0]]].scheme.clone();
        if row.name.len() <= LONGEST_PATTERN {
            let weights = row.members.iter().map(|&member| open[member]).collect();
            rows.push(Row { selector: quote(&row.name), scheme, weights });
            continue;
        }
        for &member in &row.members {
            rows.push(Row { selector: quote(&names[member]), scheme: scheme.clone(), weights: vec![open[member]] });
        }
    }
    rows
}

/// A name as a pattern that only it fits.
fn escaped(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for c in name.chars() {
        if matches!(c, '*' | '?' | '{' | '}' | '[' | ']' | '\\') {
            text.push('\\');
        }
        text.push(c);
    }
    text
}

/// Rules for weights that the plan decides otherwise than was found: their patterns fit others too.
fn mended(task: &Task, tuned: &Tuned, search: &Search, plan: &Plan) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut wanted: Vec<Option<usize>> = vec![None; task.model.weights.len()];
    tuned.weights.iter().enumerate().for_each(|(at, chosen)| wanted[chosen.index] = Some(at));
    for (index, (decision, wanted)) in plan.decisions.iter().zip(&wanted).enumerate() {
        let fitted = match &decision.outcome {
            Outcome::Change(fitted) => Some(fitted),
            Outcome::Keep(_) | Outcome::Misfit(_) => None,
        };
        let chosen = wanted.map(|at| &tuned.weights[at]);
        let meant = wanted.and_then(|at| {
            let candidates = &search.tunable[at].candidates;
            candidates.iter().find(|candidate| candidate.text == tuned.weights[at].scheme)?.fitted.as_ref()
        });
        if fitted != meant {
            let scheme = chosen.map_or_else(|| "keep".to_owned(), |chosen| chosen.scheme.clone());
            let selector = quote(&escaped(&task.model.weights[index].name));
            rows.push(Row { selector, scheme, weights: wanted.iter().copied().collect() });
        }
    }
    rows
}

/// A text while it is written.
struct Draft<'a> {
    task: &'a Task<'a>,
    tuned: &'a Tuned,
    rows: &'a [Row],
    expects: &'a [String],
    dropped: &'a [String],
    /// Findings that are allowed, by the number of their rule.
    allowed: &'a [(usize, &'static str)],
}

impl Draft<'_> {
    fn text(&self) -> String {
        let mut text = String::new();
        for line in self.comments() {
            _ = writeln!(text, "#{}{line}", if line.is_empty() { "" } else { " " });
        }
        text.push_str(&self.settings());
        text.push('\n');
        let base = base_rules(self.task);
        for (at, (selector, scheme)) in base.iter().enumerate() {
            text.push_str(&self.allows(at));
            _ = writeln!(text, "{selector} => {scheme}");
        }
        for (at, row) in self.rows.iter().enumerate() {
            text.push_str(&self.allows(base.len() + at));
            _ = writeln!(text, "{} => {}{}", row.selector, row.scheme, self.about(row));
        }
        text.push('\n');
        for dropped in self.dropped {
            _ = writeln!(text, "# left out, since it does not hold: {}", dropped.replace('\n', " "));
        }
        let own = self.own_claim().map(|claim| format!("expect {claim}"));
        for expect in self.expects.iter().filter(|text| own.as_ref() != Some(text)) {
            _ = writeln!(text, "{expect}");
        }
        if let Some(own) = own {
            _ = writeln!(text, "{own}");
        }
        text
    }

    /// What the budget lets the recipe expect of itself. A ratio of the outputs is nothing that `expect` measures, and
    /// one of weights needs some that change.
    fn own_claim(&self) -> Option<String> {
        let changes = self.tuned.weights.iter().any(|chosen| chosen.scheme != "keep");
        let is_measured = match self.task.budget {
            Budget::Sqnr(_) => self.task.data.is_none() && changes,
            Budget::Bits(_) => changes,
            Budget::Share(_) | Budget::Bytes(_) => true,
        };
        is_measured.then(|| self.task.budget.claim())
    }

    fn allows(&self, rule: usize) -> String {
        let codes: Vec<&str> = self.allowed.iter().filter(|(at, _)| *at == rule).map(|(_, code)| *code).collect();
        if codes.is_empty() { String::new() } else { format!("# bitmill: allow({})\n", codes.join(", ")) }
    }

    /// The comment behind a rule: what it takes, and how much of the error it brings.
    fn about(&self, row: &Row) -> String {
        let chosen = || row.weights.iter().map(|at| &self.tuned.weights[*at]);
        if row.weights.is_empty() {
            return String::new();
        }
        let many =
            if row.weights.len() > 1 { format!("{}, ", count(row.weights.len(), "weight")) } else { String::new() };
        let bytes = size(total(chosen().map(|chosen| chosen.after)));
        let all = self.tuned.error.predicted;
        let part = chosen().map(|chosen| chosen.error).sum::<f64>() / all;
        let error = if all > 0.0 && part > 0.0 { format!(", {} of the error", percent(part)) } else { String::new() };
        format!("  # {many}{bytes}{error}")
    }

    fn comments(&self) -> Vec<String> {
        let Draft { task, tuned, .. } = self;
        let source = task.recipe.sources.first().and_then(|source| source.path.file_name());
        let source = source.map_or("a recipe".to_owned(), |name| shown(&name.to_string_lossy()));
        let mut lines =
            vec![format!("{source}, tuned for {}:", task.budget), format!("  {}", shown_whole(task.command))];
        lines.push(String::new());
        let changed = tuned.weights.iter().filter(|chosen| chosen.scheme != "keep").count();
        let line = format!(
            "{changed} of {} changed: {} to {}, {} of the size; {:.3} bits per weight.",
            count(tuned.weights.len(), "weight"),
            size(tuned.before),
            size(tuned.after),
            percent(tuned.share()),
            tuned.bits()
        );
        wrap(&mut lines, "", &line);
        wrap(&mut lines, "", &error(tuned));
        let sensitive: Vec<_> = tuned.sensitive.iter().take(SENSITIVE).collect();
        if !sensitive.is_empty() {
            lines.push(String::new());
            lines.push("Most sensitive, and what the next smaller scheme would do:".to_owned());
            for one in sensitive {
                let grows = if one.grows.is_finite() {
                    format!("makes the whole error {} times as large", factor(one.grows))
                } else {
                    "makes an error where there is none".to_owned()
                };
                let name = shown(&one.name);
                let line = format!("{name}: {}; {} saves {} and {grows}", one.scheme, one.next, size(one.saves));
                wrap(&mut lines, "  ", &line);
            }
        }
        if !tuned.stays.is_empty() {
            lines.push(String::new());
            for (names, why) in &tuned.stays {
                wrap(&mut lines, "", &format!("{} as before, because {why}.", stay(names)));
            }
        }
        lines
    }

    fn settings(&self) -> String {
        let recipe = self.task.recipe;
        let directory = self.task.destination.parent().unwrap_or(Path::new(""));
        let path = |path: &Path| quote(&relative(path, directory).to_string_lossy());
        let mut text = format!("model {}\n", path(&self.task.model.path));
        match &recipe.target {
            Some(TargetChoice::None(_)) => text.push_str("target none\n"),
            Some(TargetChoice::Systems(all)) => {
                let systems: Vec<String> = all.iter().map(|target| target.value.to_string()).collect();
                _ = writeln!(text, "target {}", systems.join(", "));
            }
            None => {}
        }
        if let Some(compute) = recipe.compute {
            let all = crate::recipe::ComputeUnits::ALL.iter();
            let word = all.into_iter().find(|(units, ..)| *units == compute.value).map_or("all", |(_, word, ..)| *word);
            _ = writeln!(text, "compute {word}");
        }
        if let Some(precision) = recipe.precision {
            _ = writeln!(text, "precision {}", precision.value);
        }
        if let Some(arithmetic) = recipe.arithmetic {
            _ = writeln!(text, "arithmetic {}", arithmetic.value);
        }
        if let Some(threshold) = recipe.threshold {
            _ = writeln!(text, "threshold {}", threshold.value);
        }
        if let Some(calibrate) = &recipe.calibrate
            && let Some(samples) = &calibrate.path
        {
            let mut options = String::new();
            if let Some(samples) = calibrate.samples {
                _ = write!(options, " samples {}", samples.value);
            }
            if let Some(observer) = calibrate.observer {
                let all = Observer::ALL.iter();
                let word = all.into_iter().find(|(known, ..)| *known == observer.value).map_or("", |(_, word, _)| word);
                _ = write!(options, " observer {word}");
            }
            if let Some(averaging) = calibrate.averaging {
                _ = write!(options, " averaging {}", averaging.value);
            }
            if calibrate.observe_float {
                options.push_str(" observe float");
            }
            let options = if options.is_empty() { options } else { format!(" {{{options} }}") };
            _ = writeln!(text, "calibrate {}{options}", path(&recipe.path(samples)));
        }
        if let Some(shapes) = &recipe.shapes {
            _ = writeln!(text, "{}", recipe.text(shapes.place).trim());
        }
        if let Some(output) = &recipe.output {
            _ = writeln!(text, "output {}", moved(&recipe.path(output), directory));
        }
        text
    }
}

/// A path that may not exist yet, as it is named from a directory.
fn moved(path: &Path, directory: &Path) -> String {
    let parent = relative(path.parent().unwrap_or(Path::new("")), directory);
    let named = path.file_name().map_or_else(|| parent.clone(), |name| parent.join(name));
    quote(&named.to_string_lossy())
}

/// A command, whole, in one line.
fn shown_whole(command: &str) -> String {
    command.chars().flat_map(char::escape_debug).collect::<String>().replace("\\\"", "\"").replace("\\'", "'")
}

/// What the error is, and how much of it there is.
pub fn error(tuned: &Tuned) -> String {
    let error = &tuned.error;
    let ratio = |relative: f64| outcome::decibels(decibels(relative));
    let mut text = match error.samples {
        Some(samples) => {
            let samples = count(usize::try_from(samples).unwrap_or(usize::MAX), "sample");
            format!(
                "The error is that of the outputs on {samples}: {} as predicted from each weight alone",
                ratio(error.predicted)
            )
        }
        None if matches!(tuned.budget, Budget::Sqnr(_)) => {
            format!("The error is that of all weights, since there is no data: {}", ratio(error.together))
        }
        None => format!(
            "The error is that of the weights, each counted alike, since there is no data: {} on average, {} over all",
            ratio(error.predicted),
            ratio(error.together)
        ),
    };
    if error.samples.is_some() {
        _ = write!(text, ", {} with all together", ratio(error.together));
        if let Some(written) = error.written {
            _ = write!(text, ", {} as written", ratio(written));
        }
    }
    text.push('.');
    let gap = error.bound.filter(|bound| *bound > 0.0).map(|bound| error.predicted / bound - 1.0);
    match gap {
        _ if error.is_optimal => text.push_str(" No other choice of the candidates is better, as predicted."),
        Some(gap) if gap > 0.0 => {
            _ = write!(text, " At most {} of the predicted error could be saved.", percent(gap / (1.0 + gap)));
        }
        _ => {}
    }
    text
}

fn factor(grows: f64) -> String {
    if grows < 10.0 { format!("{grows:.2}") } else { format!("{grows:.0}") }
}

/// `` `head.weight` stays``, `3 weights (…) stay`.
pub fn stay(names: &[String]) -> String {
    match names {
        [one] => format!("`{}` stays", shown(one)),
        several => {
            let first: Vec<String> = several.iter().take(NAMES).map(|name| format!("`{}`", shown(name))).collect();
            let more = if several.len() > NAMES { ", …" } else { "" };
            format!("{} ({}{more}) stay", count(several.len(), "weight"), first.join(", "))
        }
    }
}

/// Adds a sentence in lines of bounded length.
fn wrap(lines: &mut Vec<String>, indent: &str, text: &str) {
    let options = textwrap::Options::new(LINE).initial_indent(indent).subsequent_indent(indent).break_words(false);
    lines.extend(textwrap::wrap(text, options).into_iter().map(std::borrow::Cow::into_owned));
}
