//! What a line has changed: weights decided otherwise, sizes, findings.

use std::collections::HashMap;
use std::path::PathBuf;

use crate::check::expectation::{self, Verdict};
use crate::check::{self, Finding, Known, Severity, words};
use crate::ide::{Analysis, ModelState};
use crate::inspect::Sum;
use crate::model::Model;
use crate::plan::words::becomes;
use crate::plan::{Decision, Totals};
use crate::project::Unfinished;
use crate::recipe::Recipe;

/// A change of the recipe or of the model.
#[derive(Debug, Clone)]
pub struct Change {
    /// How it came.
    pub cause: Cause,
    /// Weights that something else becomes of, those of most bytes first.
    pub moves: Vec<Move>,
    /// The model, where it is another one than before.
    pub model: Option<ModelSummary>,
    /// Sums over the whole model now, and before where that was the same model.
    pub totals: Option<(Totals, Option<Totals>)>,
    /// Expectations that were not there before, and what is known of them.
    pub expectations: Vec<(String, &'static str)>,
    /// Findings that were not there before.
    pub findings: Judged,
    /// Findings that are gone, by code.
    pub mended: Vec<&'static str>,
    /// What the recipe still lacks, and did not lack before: code and message.
    pub lacks: Vec<(&'static str, String)>,
}

/// How a change came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// Statements were typed; those at these lines have gone, with what they said.
    Typed {
        /// What was replaced.
        replaced: Vec<String>,
    },
    /// `:undo`
    Undone,
    /// `:redo`
    Redone,
    /// `:reset`
    Reset,
    /// `:load`
    Loaded(PathBuf),
    /// A file was changed elsewhere.
    TakenOver(PathBuf),
    /// `:fix`; what was done, and why fixes are left, where it was given up.
    Fixed(Vec<String>, Option<Unfinished>),
    /// `:model`
    Model,
}

/// Weights that something else becomes of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// What became of them.
    pub was: String,
    /// What becomes of them now.
    pub now: String,
    /// How many.
    pub weights: usize,
    /// Their bytes under the recipe before.
    pub before: u64,
    /// Their bytes under the recipe now.
    pub after: u64,
}

/// A model in a few words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelSummary {
    /// Where it lies.
    pub path: PathBuf,
    /// How it is stored.
    pub format: &'static str,
    /// Its architecture, where it is known.
    pub architecture: Option<String>,
    /// Its tensors.
    pub tensors: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Weights that can be quantized, by kind: how many, and their bytes.
    pub kinds: Vec<(&'static str, usize, u64)>,
}

/// Findings with the texts that they are about.
#[derive(Debug, Clone, Default)]
pub struct Judged {
    /// A recipe of which only the texts are there.
    pub texts: Box<Recipe>,
    /// What was found.
    pub findings: Vec<Finding>,
}

impl Judged {
    /// Findings of a recipe.
    pub fn new(recipe: &Recipe, findings: Vec<Finding>) -> Judged {
        // Texts are copied only where something is to be shown in them.
        let sources = if findings.is_empty() { Vec::new() } else { recipe.sources.clone() };
        Judged { texts: Box::new(Recipe { sources, ..Recipe::default() }), findings }
    }

    /// Whether some of them are errors.
    pub fn has_errors(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Error)
    }
}

impl ModelSummary {
    /// Of a model.
    pub fn of(model: &Model) -> ModelSummary {
        let mut kinds: HashMap<&'static str, Sum> = HashMap::new();
        for weight in model.weights.iter().filter(|weight| weight.is_candidate()) {
            kinds.entry(weight.kind.word()).or_default().add(weight);
        }
        let mut kinds: Vec<(&'static str, usize, u64)> =
            kinds.into_iter().map(|(word, sum)| (word, sum.tensors, sum.bytes)).collect();
        kinds.sort_by(|a, b| b.2.cmp(&a.2).then_with(|| a.0.cmp(b.0)));
        ModelSummary {
            path: model.path.clone(),
            format: model.format.word(),
            architecture: model.architecture.clone(),
            tensors: model.weights.len(),
            bytes: model.bytes(),
            kinds,
        }
    }
}

/// Rules about what a recipe still lacks: at a prompt that is no mistake yet.
const UNFINISHED: &[&str] = &["no-rules", "scheme-unused", "target-missing", "calibration-missing"];

/// Whether a finding is about what is still to come.
pub fn is_unfinished(finding: &Finding) -> bool {
    UNFINISHED.contains(&finding.code)
}

/// What tells a finding from others in a text that grows: its rule, and the statement that it is about. Of a long
/// statement its beginning and length, since there may be as many findings about it as it has letters.
fn key<'a>(analysis: &'a Analysis, finding: &'a Finding) -> (&'static str, usize, &'a str) {
    const ENOUGH: usize = 1024;
    let own = analysis.own_place(finding.place).unwrap_or(finding.place);
    let statement = words::statement_at(analysis.recipe(), own);
    let text = statement.map_or("", |statement| analysis.text_at(statement.span));
    (finding.code, text.len(), &text[..text.floor_char_boundary(ENOUGH)])
}

/// Findings of a later analysis that an earlier one did not have.
pub fn new_findings<'a>(before: &Analysis, after: &'a Analysis) -> Vec<&'a Finding> {
    let mut known: HashMap<(&'static str, usize, &str), usize> = HashMap::new();
    for finding in before.findings() {
        *known.entry(key(before, finding)).or_default() += 1;
    }
    let mut fresh = Vec::new();
    for finding in after.findings() {
        match known.get_mut(&key(after, finding)) {
            Some(left) if *left > 0 => *left -= 1,
            _ => fresh.push(finding),
        }
    }
    fresh
}

impl Change {
    /// What lies between two analyses.
    pub fn between(cause: Cause, before: &Analysis, after: &Analysis) -> Change {
        let fresh = new_findings(before, after);
        let lacks = fresh.iter().filter(|finding| is_unfinished(finding) && finding.code != "no-rules");
        let lacks: Vec<(&'static str, String)> = lacks.map(|finding| (finding.code, finding.message.clone())).collect();
        let findings: Vec<Finding> = fresh.into_iter().filter(|finding| !is_unfinished(finding)).cloned().collect();
        let gone = new_findings(after, before).into_iter().filter(|finding| !is_unfinished(finding));
        let mended: Vec<&'static str> = gone.map(|finding| finding.code).collect();
        let is_same_model = match (before.model_state().open(), after.model_state().open()) {
            (Some(before), Some(after)) => std::sync::Arc::ptr_eq(before, after),
            (None, None) => true,
            _ => false,
        };
        let model = match after.model_state() {
            ModelState::Open(open) if !is_same_model => Some(ModelSummary::of(&open.model)),
            _ => None,
        };
        let totals = after.totals().map(|totals| (*totals, before.totals().copied().filter(|_| is_same_model)));
        Change {
            cause,
            moves: if is_same_model { moves(before, after) } else { Vec::new() },
            model,
            totals,
            expectations: expectations(before, after),
            findings: Judged::new(after.recipe(), findings),
            mended,
            lacks,
        }
    }

    /// Whether nothing that can be told has changed.
    pub fn is_nothing(&self) -> bool {
        self.moves.is_empty() && self.model.is_none() && self.findings.findings.is_empty()
    }
}

/// Weights of the same model of which something else becomes.
fn moves(before: &Analysis, after: &Analysis) -> Vec<Move> {
    let (Some((model, old)), Some((_, new))) = (before.planned(), after.planned()) else { return Vec::new() };
    let scheme = |recipe: &Recipe, decision: &Decision| {
        decision.rule.and_then(|rule| recipe.rules.get(rule)?.scheme.as_ref().map(ToString::to_string))
    };
    let mut order: Vec<Move> = Vec::new();
    let mut places: HashMap<(String, String), usize> = HashMap::new();
    let pairs = old.decisions.iter().zip(&new.decisions);
    for (index, (was, now)) in pairs.enumerate().take(model.weights.len()) {
        let is_same = was.outcome == now.outcome
            && was.after == now.after
            && (!was.outcome.is_change() || scheme(before.recipe(), was) == scheme(after.recipe(), now));
        // That another rule passes over what can never be quantized changes nothing.
        if is_same || (!was.outcome.is_change() && !now.outcome.is_change() && !now.is_telling(&model.weights[index])) {
            continue;
        }
        let (was_text, now_text) = (becomes(before.recipe(), was), becomes(after.recipe(), now));
        if was_text == now_text {
            continue;
        }
        let next = order.len();
        let place = *places.entry((was_text.clone(), now_text.clone())).or_insert(next);
        if place == next {
            order.push(Move { was: was_text, now: now_text, weights: 0, before: 0, after: 0 });
        }
        let entry = &mut order[place];
        entry.weights += 1;
        entry.before = entry.before.saturating_add(was.after);
        entry.after = entry.after.saturating_add(now.after);
    }
    order.sort_by_key(|entry| std::cmp::Reverse(entry.before));
    order
}

/// Expectations of a text that an earlier one did not have.
fn expectations(before: &Analysis, after: &Analysis) -> Vec<(String, &'static str)> {
    let claims = |analysis: &Analysis| -> Vec<String> {
        let recipe = analysis.recipe();
        recipe.expects.iter().map(|expect| expectation::claim(recipe, expect).to_string()).collect()
    };
    let (old, new) = (claims(before), claims(after));
    if new.is_empty() {
        return Vec::new();
    }
    let known = match after.model_state() {
        ModelState::Open(open) => Known::Model(&open.model),
        ModelState::None => Known::Nothing,
        ModelState::Unreadable { why, .. } => Known::Unreadable(why),
    };
    let plan = after.planned().map(|(_, plan)| plan);
    let verdicts = expectation::verdicts(&check::context(after.recipe(), known, plan, None));
    let said = |verdict: &Verdict| match verdict {
        Verdict::Met => "met",
        Verdict::Failed => "failed",
        Verdict::NotMeasured(_) => "not measured yet",
    };
    new.into_iter().zip(&verdicts).filter(|(claim, _)| !old.contains(claim)).map(|(c, v)| (c, said(v))).collect()
}
