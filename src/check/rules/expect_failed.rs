//! Expectations that do not hold.

use std::collections::{HashMap, HashSet};

use crate::check::expectation::{Unmeasured, Verdict, claim};
use crate::check::words::{count, list};
use crate::check::{Binds, Context, Example, Finding, Measured, Needs, Report, Rule, Severity};
use crate::model::{Model, Weight};
use crate::plan::{self, Decision, Outcome, Plan, Reason};
use crate::recipe::selector::Selector;
use crate::recipe::{Bound, Claim, Expect, Metric, Recipe};
use crate::scheme::{Scheme, Sparsity, WeightScheme};
use crate::syntax::tree::Comparison;
use crate::words::{percent, size};

/// The rule.
pub const RULE: Rule = Rule {
    code: "expect-failed",
    severity: Severity::Error,
    title: "an expectation does not hold",
    binds: Binds::Model,
    needs: Needs::Model,
    page: "
`expect` states what a recipe is meant to reach, so that a change of the recipe or of the model that breaks it is
noticed. What the headers of the model tell is checked in the editor: `expect size <= 30%`, `expect bits <= 4.5`,
`expect linear matches 112`, `expect \"lm_head\" => keep`, `expect every linear quantized`. `sqnr` is checked after a
run, `accuracy drop` and `perplexity rise` by `bitmill eval`, which runs the model on test data.

Sizes are those of all tensors as the output stores them: codes, scales, zero points, tables and masks. How many
values `sparse-below` leaves only a run tells: before one, a size that could still fall is not judged.

`matches` counts every tensor that the selector matches. The others are about weights that can be quantized, as far
as the selector matches any: biases that a name happens to fit are passed over.
",
    examples: &[
        Example::with_model(
            "embed.weight  embedding  512x64  fp16\nlayers.{0..3}.q_proj.weight  linear  64x64  fp16\n",
            "target iOS18\nlinear => int4 per-group(32)\nexpect size <= 30%\n",
            "target iOS18\nall => int4 per-group(32)\nexpect size <= 30%\n",
        ),
        Example::with_model(
            "layers.{0..3}.q_proj.weight  linear  64x64  fp16\n",
            "target iOS18\nlinear => int4 per-group(32)\nexpect linear matches 5\n",
            "target iOS18\nlinear => int4 per-group(32)\nexpect linear matches 4\n",
        ),
        Example::with_model(
            "lm_head.weight  linear  64x64  fp16\nlayers.{0..3}.q_proj.weight  linear  64x64  fp16\n",
            "target iOS18\nlinear => int4 per-group(32)\nexpect \"lm_head\" => keep\n",
            "target iOS18\nlinear => int4 per-group(32)\n\"lm_head\" => keep\nexpect \"lm_head\" => keep\n",
        ),
    ],
    sources: &["bitmill: README.md and grammar/bitmill.ebnf, on expectations"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    judge(context, report);
}

/// What is known of each expectation, in the order of the recipe.
pub(in crate::check) fn verdicts(context: &Context) -> Vec<Verdict> {
    judge(context, &mut Report::new(&RULE, context.recipe))
}

fn judge<'a>(context: &'a Context, report: &mut Report) -> Vec<Verdict> {
    let expects = context.recipe.expects.iter();
    let Some((model, plan)) = context.model else {
        return expects.map(|_| Verdict::NotMeasured(Unmeasured::NoModel)).collect();
    };
    // A run that wrote something knows the size of each weight that it changed.
    let written = context.run.filter(|run| run.size.is_some());
    let by_name = |sizes: &'a [(String, u64)]| sizes.iter().map(|(name, bytes)| (name.as_str(), *bytes)).collect();
    let written = written.map(|run| Written { changed: by_name(&run.sizes), unchanged: by_name(&run.unchanged) });
    let checker = Checker { context, recipe: context.recipe, model, plan, written };
    expects.map(|expect| checker.judge(report, expect)).collect()
}

struct Checker<'a> {
    context: &'a Context<'a>,
    recipe: &'a Recipe,
    model: &'a Model,
    plan: &'a Plan,
    /// What a run wrote, where there was one.
    written: Option<Written<'a>>,
}

/// Bytes of weights in the output of a run.
struct Written<'a> {
    changed: HashMap<&'a str, u64>,
    unchanged: HashMap<&'a str, u64>,
}

struct MetricClaim<'a> {
    expect: &'a Expect,
    /// Whether it is about the whole model.
    is_whole: bool,
    operator: Comparison,
    bound: Bound,
}

impl MetricClaim<'_> {
    fn bound(&self) -> f64 {
        match self.bound {
            Bound::Share(value) | Bound::Value(value) => value,
        }
    }

    fn holds(&self, actual: f64) -> bool {
        self.operator.holds(&actual, &self.bound())
    }

    /// A number with as many decimals as show that it is on the wrong side of the bound.
    fn show(&self, actual: f64, factor: f64) -> String {
        let wrong = |text: &String| text.parse().is_ok_and(|shown: f64| !self.holds(shown / factor));
        let mut texts = (1..=6).map(|decimals| format!("{:.decimals$}", actual * factor));
        texts.find(wrong).unwrap_or_else(|| (actual * factor).to_string())
    }
}

/// Sizes of the weights that a claim is about.
#[derive(Debug, Clone, Copy, Default)]
struct Sizes {
    before: u64,
    after: u64,
    /// Of those that change.
    changed_elements: u64,
    /// Of those that change, after.
    changed_bytes: u64,
    /// Whether only a run tells how much less it is: how many values `sparse-below` leaves.
    is_most: bool,
}

impl Sizes {
    /// What these sizes tell of a claim about a number that is made of them.
    fn verdict(&self, claim: &MetricClaim, actual: f64) -> Verdict {
        let holds = claim.holds(actual);
        match (self.is_most, claim.operator) {
            (false, _) => Verdict::of(holds),
            (true, Comparison::Less | Comparison::LessOrEqual) if holds => Verdict::Met,
            (true, Comparison::Greater | Comparison::GreaterOrEqual) if !holds => Verdict::Failed,
            (true, _) => Verdict::NotMeasured(Unmeasured::Run),
        }
    }
}

impl Checker<'_> {
    fn judge(&self, report: &mut Report, expect: &Expect) -> Verdict {
        let readable = |selector: &Selector| selector.is_readable();
        match &expect.claim {
            Claim::Matches { selector, operator, count } if readable(selector) => {
                self.matches(report, expect, selector, *operator, *count)
            }
            Claim::Decides { selector, scheme } if readable(selector) => self.decides(report, expect, selector, scheme),
            Claim::Quantified { every, selector, quantized } if readable(selector) => {
                self.quantified(report, expect, selector, *every, *quantized)
            }
            // A recipe with mistakes does not do what it will do.
            Claim::Metric { selector, metric, operator, bound }
                if self.recipe.problems.is_empty() && selector.as_ref().is_none_or(readable) =>
            {
                let matches = |weight: &Weight| selector.as_ref().is_none_or(|s| s.matches(weight));
                let claim = MetricClaim { expect, is_whole: selector.is_none(), operator: *operator, bound: *bound };
                self.metric(report, &claim, *metric, &matches)
            }
            _ => Verdict::NotMeasured(Unmeasured::Mistakes),
        }
    }

    fn fails<'r>(&self, report: &'r mut Report, expect: &Expect, why: &str) -> &'r mut Finding {
        report.add(expect.place, format!("`{}` does not hold: {why}", claim(self.recipe, expect)))
    }

    /// The weights for which `matches` holds, as planned or as a run has written them.
    fn sizes(&self, matches: &dyn Fn(&Weight) -> bool) -> Sizes {
        let mut sizes = Sizes::default();
        let add = |sum: &mut u64, more: u64| *sum = sum.saturating_add(more);
        for (weight, decision) in self.model.weights.iter().zip(&self.plan.decisions).filter(|(w, _)| matches(w)) {
            // Some weights stay because of their values.
            let changed = match (&self.written, &decision.outcome) {
                (Some(written), Outcome::Change(_)) => written.changed.get(weight.name.as_str()).copied(),
                (None, Outcome::Change(fitted)) => {
                    sizes.is_most |= matches!(fitted.sparse(), Some(Sparsity::Below(_)));
                    Some(decision.after)
                }
                _ => None,
            };
            add(&mut sizes.before, weight.bytes);
            let unchanged = || self.written.as_ref().and_then(|written| written.unchanged.get(weight.name.as_str()));
            let planned = || plan::in_precision(self.recipe, weight).bytes;
            add(&mut sizes.after, changed.or_else(|| unchanged().copied()).unwrap_or_else(planned));
            if let Some(bytes) = changed {
                add(&mut sizes.changed_elements, weight.elements());
                add(&mut sizes.changed_bytes, bytes);
            }
        }
        sizes
    }

    fn matches(
        &self,
        report: &mut Report,
        expect: &Expect,
        selector: &Selector,
        operator: Comparison,
        wanted: u64,
    ) -> Verdict {
        let matched = self.model.weights.iter().filter(|weight| selector.matches(weight));
        let names: Vec<&str> = matched.map(|weight| weight.name.as_str()).collect();
        if operator.holds(&(names.len() as u64), &wanted) {
            return Verdict::Met;
        }
        let finding = self.fails(report, expect, &format!("it matches {}", count(names.len(), "weight")));
        if !names.is_empty() {
            finding.help(format!("it matches {}", list(&names, 5)));
        }
        finding.weights(names);
        Verdict::Failed
    }

    /// The weights a claim is about: those that can be quantized, where it matches any.
    fn candidates(&self, selector: &Selector) -> Vec<(&Weight, &Decision)> {
        let all = self.model.weights.iter().zip(&self.plan.decisions);
        let matched: Vec<_> = all.filter(|(weight, _)| selector.matches(weight)).collect();
        let can = |(weight, _): &(&Weight, &Decision)| weight.never_quantized().is_none();
        if matched.iter().any(can) { matched.into_iter().filter(can).collect() } else { matched }
    }

    fn decides(&self, report: &mut Report, expect: &Expect, selector: &Selector, wanted: &Scheme) -> Verdict {
        let is_so = |decision: &Decision| match (&decision.outcome, decision.rule) {
            (Outcome::Keep(Reason::Unreadable), _) => true,
            (Outcome::Keep(_), _) => wanted.weights == WeightScheme::Keep && wanted.activations.is_none(),
            (_, rule) => rule.and_then(|index| self.recipe.rules[index].scheme.as_ref()) == Some(wanted),
        };
        self.offenders(report, expect, selector, |decision| !is_so(decision))
    }

    fn quantified(
        &self,
        report: &mut Report,
        expect: &Expect,
        selector: &Selector,
        every: bool,
        quantized: bool,
    ) -> Verdict {
        self.offenders(report, expect, selector, |decision| {
            let is_quantized = match decision.outcome {
                Outcome::Keep(Reason::Unreadable) => return false,
                Outcome::Keep(_) => false,
                Outcome::Change(_) | Outcome::Misfit(_) => true,
            };
            (is_quantized == quantized) != every
        })
    }

    /// Reports a claim about each weight, with those for which it does not hold.
    fn offenders(
        &self,
        report: &mut Report,
        expect: &Expect,
        selector: &Selector,
        offends: impl Fn(&Decision) -> bool,
    ) -> Verdict {
        let candidates = self.candidates(selector);
        let offenders: Vec<_> = candidates.iter().filter(|(_, decision)| offends(decision)).collect();
        let Some((first, decision)) = offenders.first() else {
            return Verdict::Met;
        };
        let becomes = self.becomes(decision);
        let why = match (offenders.len(), candidates.len()) {
            (1, _) => format!("`{}` {becomes}", first.name),
            (n, all) if n == all => format!("all {}, first `{}`, which {becomes}", count(n, "weight"), first.name),
            (n, all) => format!("{n} of {}, first `{}`, which {becomes}", count(all, "weight"), first.name),
        };
        let finding = self.fails(report, expect, &why);
        if let Some(rule) = decision.rule {
            finding.label(self.recipe.rules[rule].selector_place, format!("decides `{}`", first.name));
        }
        finding.help("add a rule behind the one that decides, or correct the expectation");
        finding.weights(offenders.iter().map(|(weight, _)| weight.name.as_str()));
        Verdict::Failed
    }

    /// What happens to a weight, as the end of a sentence.
    fn becomes(&self, decision: &Decision) -> String {
        match &decision.outcome {
            Outcome::Keep(Reason::NoRule) => "is matched by no rule".into(),
            Outcome::Keep(Reason::Kept | Reason::Unreadable) => "is kept".into(),
            Outcome::Keep(Reason::BelowThreshold) => "is no larger than the threshold and is kept".into(),
            Outcome::Keep(Reason::Never(why)) => format!("is kept: {why}"),
            Outcome::Change(_) | Outcome::Misfit(_) => {
                let scheme = decision.rule.and_then(|index| self.recipe.rules[index].scheme.as_ref());
                scheme.map_or("is changed".into(), |scheme| format!("becomes `{scheme}`"))
            }
        }
    }

    fn metric(
        &self,
        report: &mut Report,
        claim: &MetricClaim,
        metric: Metric,
        matches: &dyn Fn(&Weight) -> bool,
    ) -> Verdict {
        match metric {
            Metric::Size => self.size(report, claim, matches),
            Metric::Bits => self.bits(report, claim, matches),
            Metric::Sqnr => self.sqnr(report, claim, matches),
            Metric::AccuracyDrop | Metric::PerplexityRise => self.evaluated(report, claim, metric),
        }
    }

    /// What an evaluation tells, if there was one.
    fn evaluated(&self, report: &mut Report, claim: &MetricClaim, metric: Metric) -> Verdict {
        let Some(evaluated) = self.context.run.and_then(|run| run.evaluated) else {
            return Verdict::NotMeasured(Unmeasured::Evaluation);
        };
        let is_accuracy = metric == Metric::AccuracyDrop;
        let measured = if is_accuracy { evaluated.accuracy } else { evaluated.perplexity };
        let Some(measured) = measured else { return Verdict::NotMeasured(Unmeasured::Labels) };
        let actual = if is_accuracy { measured.drop() } else { measured.rise() };
        // A drop by exactly the bound is not one beyond it because 0.99 - 0.985 is not quite 0.005.
        let is_bound = (actual - claim.bound()).abs() < 1e-12;
        let actual = if is_bound { claim.bound() } else { actual };
        if claim.holds(actual) {
            return Verdict::Met;
        }
        let why = match is_accuracy {
            true => {
                let (before, after) = (percent(measured.float), percent(measured.quantized));
                format!("it is {}%, from {before} to {after}", claim.show(actual, 100.0))
            }
            false => {
                let Measured { float, quantized } = measured;
                format!("it is {}%, from {float:.3} to {quantized:.3}", claim.show(actual, 100.0))
            }
        };
        let finding = self.fails(report, claim.expect, &why);
        finding.help(
            "`bitmill eval` with `--layers` shows where the error enters: keep those weights, or give them more bits",
        );
        Verdict::Failed
    }

    fn bits(&self, report: &mut Report, claim: &MetricClaim, matches: &dyn Fn(&Weight) -> bool) -> Verdict {
        let sizes = self.sizes(matches);
        if sizes.changed_elements == 0 {
            return Verdict::NotMeasured(Unmeasured::Nothing);
        }
        let bits = sizes.changed_bytes as f64 * 8.0 / sizes.changed_elements as f64;
        let verdict = sizes.verdict(claim, bits);
        if verdict == Verdict::Failed {
            let why = format!("it is {} bits per quantized weight", claim.show(bits, 1.0));
            self.fails(report, claim.expect, &why).help("scales and tables count too: larger groups have fewer");
        }
        verdict
    }

    fn size(&self, report: &mut Report, claim: &MetricClaim, matches: &dyn Fn(&Weight) -> bool) -> Verdict {
        let sizes = self.sizes(matches);
        if sizes.before == 0 {
            return Verdict::NotMeasured(Unmeasured::Nothing);
        }
        let written = self.context.run.and_then(|run| run.size).filter(|_| claim.is_whole);
        let after = written.unwrap_or(sizes.after);
        let share = after as f64 / sizes.before as f64;
        let (actual, why) = match claim.bound {
            Bound::Share(_) => {
                let both = format!("{} of {}", size(after), size(sizes.before));
                (share, format!("it is {}%, {both}", claim.show(share, 100.0)))
            }
            Bound::Value(_) => (after as f64, format!("it is {}", claim.show_bytes(after))),
        };
        let verdict = sizes.verdict(claim, actual);
        if verdict != Verdict::Failed {
            return verdict;
        }
        let finding = self.fails(report, claim.expect, &why);
        let all = self.model.weights.iter().zip(&self.plan.decisions);
        let stays = |(weight, decision): &(&Weight, &Decision)| matches(weight) && !decision.outcome.is_change();
        // Trifles would not help.
        let matters = |(_, decision): &(&Weight, &Decision)| decision.after >= after / 100;
        let mut staying: Vec<(&Weight, &Decision)> = all.filter(stays).filter(matters).collect();
        staying.sort_by_key(|(_, decision)| std::cmp::Reverse(decision.after));
        let largest: Vec<String> =
            staying.iter().take(3).map(|(w, d)| format!("`{}` ({})", w.name, size(d.after))).collect();
        if !largest.is_empty() {
            finding.help(format!("the largest that stay as they are: {}", largest.join(", ")));
        }
        if let Some(rule) = staying.first().and_then(|(_, decision)| decision.rule) {
            finding.label(self.recipe.rules[rule].selector_place, "keeps the largest");
        }
        verdict
    }

    fn sqnr(&self, report: &mut Report, claim: &MetricClaim, matches: &dyn Fn(&Weight) -> bool) -> Verdict {
        let Some(run) = self.context.run else {
            return Verdict::NotMeasured(Unmeasured::Run);
        };
        let meant: Option<HashSet<&str>> = (!claim.is_whole).then(|| {
            let weights = self.model.weights.iter().filter(|weight| matches(weight));
            weights.map(|weight| weight.name.as_str()).collect()
        });
        let mut errors: Vec<_> = run
            .errors
            .iter()
            .filter(|(name, _)| meant.as_ref().is_none_or(|meant| meant.contains(name.as_str())))
            .collect();
        let mut sum = crate::check::rule::WeightError::default();
        for (_, error) in &errors {
            sum.noise += error.noise;
            sum.signal += error.signal;
        }
        let sqnr = sum.sqnr();
        if errors.is_empty() {
            return Verdict::NotMeasured(Unmeasured::Nothing);
        }
        if claim.holds(sqnr) {
            return Verdict::Met;
        }
        let finding = self.fails(report, claim.expect, &format!("it is {} dB", claim.show(sqnr, 1.0)));
        errors.sort_by(|(_, a), (_, b)| a.sqnr().total_cmp(&b.sqnr()));
        let worst: Vec<String> =
            errors.iter().take(3).map(|(name, error)| format!("`{name}` ({:.1} dB)", error.sqnr())).collect();
        finding.help(format!("the worst are {}", worst.join(", ")));
        finding.weights(errors.iter().take(3).map(|(name, _)| name.as_str()));
        let worst = errors.first().map(|(name, _)| name.as_str());
        let at = self.model.weights.iter().position(|weight| Some(weight.name.as_str()) == worst);
        if let Some(rule) = at.and_then(|at| self.plan.decisions[at].rule) {
            finding.label(self.recipe.rules[rule].scheme_place, "decides the worst");
        }
        Verdict::Failed
    }
}

impl MetricClaim<'_> {
    /// Bytes for a reader, exactly where the short form would seem to hold.
    fn show_bytes(&self, actual: u64) -> String {
        let exact = format!("{actual} bytes");
        if actual < 1000 { exact } else { format!("{} ({exact})", size(actual)) }
    }
}
