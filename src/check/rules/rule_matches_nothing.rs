//! Rules that match nothing in the model.

use std::collections::{BTreeMap, HashMap};

use crate::check::words::{count, list};
use crate::check::{Binds, Context, Example, Finding, Needs, Report, Rule, Severity};
use crate::kind::{Kind, KindWord};
use crate::model::{Model, Weight, nearest_names};
use crate::recipe::glob::Pattern;
use crate::recipe::selector::Selector;
use crate::recipe::{FileId, Place};

/// The rule.
pub const RULE: Rule = Rule {
    code: "rule-matches-nothing",
    severity: Severity::Warning,
    title: "a rule matches nothing in the model",
    binds: Binds::Model,
    needs: Needs::Model,
    page: "
A rule that matches no weight of the model does nothing: most often a name is misspelt or lacks its beginning. A pattern
fits the whole dotted name, of a module (`model.layers.0.self_attn.q_proj`) or of a weight
(`model.layers.0.self_attn.q_proj.weight`), so that `\"q_proj\"` is only a module at the very top. `\"*.q_proj\"` is one
at any depth.

What kind a weight has is told from the architecture that the model names, from the operators of a package, or from the
names of its modules; `bitmill plan` shows it.
",
    examples: &[
        Example::with_model(
            "layers.{0..3}.q_proj.weight  linear  64x64  fp16\n",
            "target iOS18\nlinear => int4 per-group(32)\n\"q_proj\" => lut4 per-grouped-channel(16)\n",
            "target iOS18\nlinear => int4 per-group(32)\n\"*.0.q_proj\" => lut4 per-grouped-channel(16)\n",
        ),
        Example::with_model(
            "layers.{0..3}.q_proj.weight  linear  64x64  fp16\n",
            "target iOS18\nlinear => int4 per-group(32)\n\"*.layers.{0,1}.*\" => int8 per-channel\n",
            "target iOS18\nlinear => int4 per-group(32)\n\"layers.{0,1}.*\" => int8 per-channel\n",
        ),
        Example::with_model(
            "layers.{0..3}.q_proj.weight  linear  64x64  fp16\n",
            "target iOS18\nlinear => int4 per-group(32)\nlstm => lut4 per-grouped-channel(16)\n",
            "target iOS18\nlinear => int4 per-group(32)\n",
        ),
    ],
    sources: &["bitmill: README.md and grammar/bitmill.ebnf, on selectors"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let Some((model, plan)) = context.model else {
        return;
    };
    let recipe = context.recipe;
    let mut explainer = Explainer::new(model);
    // The rules of a built-in recipe are for models of many kinds: only all of them together can match nothing.
    let mut presets: HashMap<FileId, bool> = HashMap::new();
    for (rule, share) in recipe.rules.iter().zip(&plan.rules) {
        let file = rule.place.file;
        let is_preset = recipe.sources.get(file.0 as usize).is_some_and(|source| source.preset);
        if is_preset {
            *presets.entry(file).or_default() |= share.matches > 0;
        } else if share.matches == 0 && is_told(&rule.selector) {
            // A recipe that is imported may be for several models.
            let severity = if file == FileId(0) { Severity::Warning } else { Severity::Hint };
            let finding = report.add_as(severity, rule.selector_place, "this rule matches nothing in the model");
            explainer.explain(finding, &rule.selector);
        }
    }
    for extend in &recipe.extends {
        if let Some(false) = extend.expansion.and_then(|file| presets.get(&file)) {
            let message = format!("`{}` matches nothing in the model", extend.name.value);
            report.add(extend.name.place, message).help(explainer.kinds());
        }
    }
}

/// Whether a model of weights could tell: operators without weights, whose activations a rule may be about, are
/// in none.
fn is_told(selector: &Selector) -> bool {
    let is_operator = |kind: &Kind| {
        *kind != Kind::Norm && Kind::ALL.iter().any(|(known, _, owns_weights, _)| known == kind && !owns_weights)
    };
    let leaves = selector.leaves();
    let operators =
        leaves.iter().any(|leaf| matches!(leaf, Selector::Kind(KindWord::One(kind), _) if is_operator(kind)));
    selector.is_readable() && !operators
}

/// Says why a selector matches nothing. Looking through the weights of large models for many rules would take
/// long, so that at some point no more is said than that.
pub(super) struct Explainer<'a> {
    model: &'a Model,
    /// Comparisons of a name or kind with a weight that may still be made.
    budget: usize,
}

impl<'a> Explainer<'a> {
    /// Something to ask about one model.
    pub fn new(model: &'a Model) -> Self {
        Self { model, budget: 2_000_000 }
    }

    /// Adds to a finding which part of a selector matches nothing, and what it may have meant.
    pub fn explain(&mut self, finding: &mut Finding, selector: &Selector) {
        let Some(culprit) = self.culprit(selector) else {
            return;
        };
        match culprit {
            Culprit::Kind(word) => {
                finding.here(format!("the model has no `{}`", word.word()));
                finding.help(self.kinds());
            }
            Culprit::Name(text, place) => self.explain_name(finding, text, place),
            Culprit::Condition(weights) => {
                finding.here(format!("the condition holds for none of {}", count(weights, "weight")));
                finding.help("`bitmill plan` shows the shape of each weight");
            }
            Culprit::Both => {
                finding.here("its parts match weights, but no weight matches all of them");
                finding.help("`and` is for weights that are both; a comma or `or` is for either");
            }
            Culprit::Not => {
                finding.here("what stands behind `not` matches every weight");
            }
        }
    }

    /// The first part of a selector that leaves nothing over; `None` when looking further would take too long.
    fn culprit<'s>(&mut self, selector: &'s Selector) -> Option<Culprit<'s>> {
        Some(match selector {
            Selector::Kind(word, _) => Culprit::Kind(*word),
            Selector::Name(_, text, place) => Culprit::Name(text, *place),
            Selector::Not(_) => Culprit::Not,
            Selector::Or(a, _) => self.culprit(a)?,
            Selector::Where(inner, _) => match self.count(inner)? {
                0 => self.culprit(inner)?,
                matched => Culprit::Condition(matched),
            },
            Selector::And(a, b) => match (self.count(a)?, self.count(b)?) {
                (0, _) => self.culprit(a)?,
                (_, 0) => self.culprit(b)?,
                _ => Culprit::Both,
            },
            Selector::Unreadable => return None,
        })
    }

    fn count(&mut self, selector: &Selector) -> Option<usize> {
        let work = self.model.weights.len() * selector.leaves().len().max(1);
        self.budget = self.budget.checked_sub(work)?;
        Some(self.model.weights.iter().filter(|weight| selector.matches(weight)).count())
    }

    fn explain_name(&mut self, finding: &mut Finding, text: &str, place: Place) {
        finding.here("no module and no weight has such a name");
        let named = |w: &&Weight| w.is_candidate() && w.module().contains('.');
        let example = self.model.weights.iter().find(named);
        let forms = example.map_or(String::new(), |weight| {
            format!("; names are those of modules (`{}`) and of weights (`{}`)", weight.module(), weight.name)
        });
        let mut offered = self.wider(text);
        let nearest = match self.budget.checked_sub(self.model.weights.len()) {
            Some(rest) if offered.is_empty() => {
                self.budget = rest;
                nearest_names(self.model, text, 3)
            }
            _ => Vec::new(),
        };
        finding.help(match nearest.as_slice() {
            [] => format!("a pattern fits the whole name{forms}"),
            names => format!("the nearest names are {}{forms}", list(names, 3)),
        });
        offered.extend(nearest);
        let is_text = |name: &&String| !name.contains(['"', '\\']);
        let is_meant = |name: &&String| !name.contains('*') || name.starts_with('*') || text.ends_with(name.as_str());
        for name in offered.iter().filter(is_text).filter(is_meant) {
            finding.suggest(format!("write `\"{name}\"`"), place, format!("\"{name}\""));
        }
    }

    /// Patterns that are the same name with more before or behind it, or less before it, and do match something.
    fn wider(&mut self, text: &str) -> Vec<String> {
        let is_plain = !text.contains(['*', '?', '[', '{', '\\', '(', '|']);
        let candidates = match text.strip_prefix("*.") {
            // What stands at the beginning of names has nothing before it.
            Some(rest) => vec![rest.to_owned()],
            None if is_plain && !text.is_empty() => {
                vec![format!("*.{text}"), format!("*{text}"), format!("*.{text}.*"), format!("*{text}*")]
            }
            None => return Vec::new(),
        };
        let matches = |explainer: &mut Self, candidate: &String| {
            let pattern = Pattern::glob(candidate).ok()?;
            let selector = Selector::Name(pattern.into(), candidate.clone(), Place::default());
            explainer.count(&selector).filter(|matched| *matched > 0)
        };
        candidates.into_iter().find(|candidate| matches(self, candidate).is_some()).into_iter().collect()
    }

    /// "the model has 12 linear and 1 embedding weights".
    pub fn kinds(&self) -> String {
        let mut kinds: BTreeMap<Kind, usize> = BTreeMap::new();
        let is_candidate = |weight: &&Weight| weight.is_candidate();
        for weight in self.model.weights.iter().filter(is_candidate) {
            *kinds.entry(weight.kind).or_default() += 1;
        }
        let mut counted: Vec<(Kind, usize)> = kinds.into_iter().collect();
        counted.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
        let parts: Vec<String> = counted.iter().map(|(kind, n)| format!("{n} `{kind}`")).collect();
        match parts.as_slice() {
            [] => "the model has no weights that could be quantized".to_string(),
            [one] => format!("its weights that can be quantized are {one}"),
            [head @ .., last] => format!("its weights that can be quantized are {} and {last}", head.join(", ")),
        }
    }
}

/// The part of a selector that leaves nothing over.
enum Culprit<'s> {
    Kind(KindWord),
    Name(&'s str, Place),
    /// So many weights match without it.
    Condition(usize),
    Both,
    Not,
}
