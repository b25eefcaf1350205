//! Answers as JSON: one object for each line that has an answer. `answer` says which kind it is. The shapes are promises
//! as those of the commands are: fields are added, never renamed or removed. Sizes are bytes, shares go from 0 to 1.

use serde_json::{Map, Value, json};

use crate::check::report::Texts;
use crate::check::report::json::{FindingShape, VERSION};
use crate::check::{Finding, Severity};
use crate::experiment::{Attempt, Left, Tried};
use crate::inspect::Values;
use crate::json::{EvalShape, PlanShape, RunShape, TargetsShape};
use crate::plan::Totals;
use crate::plan::lock::Change as LockChange;
use crate::quant::power::Power;
use crate::session::command::COMMANDS;
use crate::session::{Cause, Change, Display, Judged, ModelSummary, Outcome};

/// An answer; nothing where there is none.
pub fn value(outcome: &Outcome, display: Display) -> Option<Value> {
    let (answer, fields) = fields(outcome, display)?;
    let mut all = Map::new();
    all.insert("version".into(), VERSION.into());
    all.insert("answer".into(), answer.into());
    if let Value::Object(fields) = fields {
        all.extend(fields);
    }
    Some(Value::Object(all))
}

fn fields(outcome: &Outcome, display: Display) -> Option<(&'static str, Value)> {
    Some(match outcome {
        Outcome::Nothing | Outcome::Quit => return None,
        Outcome::Changed(changed) => ("changed", change(changed)),
        Outcome::Refused(judged) => ("refused", json!({ "findings": findings(judged) })),
        Outcome::Findings(judged) => ("findings", json!({ "findings": findings(judged) })),
        Outcome::Matches(found) => {
            let (model, plan) = found.analysis.planned()?;
            let weight = |index: &usize| {
                let (weight, decision) = (&model.weights[*index], &plan.decisions[*index]);
                json!({
                    "name": weight.name, "kind": weight.kind.word(), "shape": weight.shape, "dtype": weight.dtype.name(),
                    "bytes": weight.bytes, "becomes": crate::plan::words::becomes(found.analysis.recipe(), decision),
                    "bytes_after": decision.after,
                })
            };
            let weights: Vec<Value> = found.weights.iter().map(weight).collect();
            ("matches", json!({ "selector": found.selector, "bytes": found.bytes, "weights": weights }))
        }
        Outcome::Scheme(facts, judged) => {
            let translations: Vec<Value> = facts
                .translations
                .iter()
                .map(|one| json!({ "tool": one.tool, "code": one.code.as_ref().ok(), "why_not": one.code.as_ref().err() }))
                .collect();
            let (bytes, bytes_after) = facts.sizes.map(|(before, after, _)| (before, after)).unzip();
            let fits = facts.fits.as_ref();
            (
                "scheme",
                json!({
                    "scheme": facts.scheme.to_string(), "bits": facts.sizes.map(|(.., bits)| bits).or(facts.bits),
                    "bytes": bytes, "bytes_after": bytes_after, "weights": fits.map(|fits| fits.weights),
                    "weights_left": fits.map(|fits| fits.others), "unfit": facts.unfit, "operators": facts.operators,
                    "set": facts.set.name, "systems": facts.set.systems(), "translations": translations,
                    "findings": findings(judged),
                }),
            )
        }
        Outcome::Tried(made, judged) => {
            let mut fields = attempt(made, usize::MAX, display);
            fields["findings"] = findings(judged);
            ("tried", fields)
        }
        Outcome::Worst(made, many) => ("worst", attempt(made, *many, display)),
        Outcome::Swept(sweep, judged) => {
            let point = |point: &crate::experiment::Point| {
                let mut fields = json!({
                    "scheme": point.scheme, "weights": point.measured, "bytes_after": point.after, "bits": point.bits,
                    "best": point.is_best,
                });
                if point.measured > 0 {
                    error(&mut fields, &point.error);
                }
                if let Some((many, why)) = &point.left {
                    fields["left"] = json!({ "weights": many, "why": why });
                }
                fields
            };
            let points: Vec<Value> = sweep.points.iter().map(point).collect();
            let fields = json!({
                "weights": sweep.weights, "bytes": sweep.before, "points": points, "findings": findings(judged),
            });
            ("swept", fields)
        }
        Outcome::Histogram(histogram) => {
            let mut fields = values(&histogram.values);
            fields["name"] = json!(histogram.name);
            fields["histogram"] = json!(histogram.bars);
            match &histogram.levels {
                None => {}
                Some(Err(why)) => fields["left"] = json!(why),
                Some(Ok(levels)) => {
                    let mut of = json!({
                        "scheme": levels.scheme, "distinct": levels.distinct, "histogram": levels.bars,
                        "bytes_after": levels.bytes,
                    });
                    error(&mut of, &levels.error);
                    fields["levels"] = of;
                }
            }
            ("histogram", fields)
        }
        Outcome::Sensitivity(found, made) => {
            let share = |share: &crate::experiment::Share| {
                let mut fields = json!({
                    "name": share.name, "weights": share.weights, "schemes": share.schemes, "bytes": share.before,
                    "bytes_after": share.after, "noise_share": found.part(share),
                });
                ratio(&mut fields, "alone", found.alone(share));
                error(&mut fields, &share.error);
                fields
            };
            let shares: Vec<Value> = found.shares.iter().map(share).collect();
            ("sensitivity", json!({ "shares": shares, "left": left(&made.left) }))
        }
        Outcome::Weights(analysis, weights) => {
            let (model, plan) = analysis.planned()?;
            let one = |(index, summary): &(usize, Option<Values>)| {
                let (weight, decision) = (&model.weights[*index], &plan.decisions[*index]);
                let becomes = crate::plan::words::becomes(analysis.recipe(), decision);
                let mut fields = json!({
                    "name": weight.name, "kind": weight.kind.word(), "shape": weight.shape, "dtype": weight.dtype.name(),
                    "bytes": weight.bytes, "bytes_after": decision.after, "becomes": becomes,
                });
                if let Some(summary) = summary {
                    fields["values"] = values(summary);
                }
                fields
            };
            ("weights", json!({ "weights": weights.iter().map(one).collect::<Vec<Value>>() }))
        }
        Outcome::Plan(analysis, _) => {
            let (model, plan) = analysis.planned()?;
            let errors = analysis.findings().iter().filter(|finding| finding.severity == Severity::Error).count();
            ("plan", shape(&PlanShape::new(analysis.path(), analysis.recipe(), model, plan, errors)))
        }
        Outcome::Targets(analysis, targets) => ("targets", shape(&TargetsShape::new(analysis.recipe(), targets))),
        Outcome::Ran(analysis, report, after) => ("ran", shape(&RunShape::new(analysis.recipe(), report, after))),
        Outcome::Evaluated(analysis, evaluation, after, data) => {
            ("evaluated", shape(&EvalShape::new(analysis.recipe(), data, evaluation, after)))
        }
        Outcome::Calibrated(ranges) => {
            let place = |place: &crate::run::statics::Place| {
                let (range, parameters) = place.observed.unzip();
                json!({
                    "value": &*place.value, "module": place.module.as_deref(), "range": place.group,
                    "users": place.users.as_ref().map(|users| users.iter().map(|user| &**user).collect::<Vec<&str>>()),
                    "min": range.map(|range| range.min), "max": range.map(|range| range.max),
                    "scale": parameters.map(|parameters| parameters.scale),
                    "zero_point": parameters.map(|parameters| parameters.zero_point),
                    "signed": parameters.map(|parameters| parameters.spec.signed),
                    "symmetric": parameters.map(|parameters| parameters.spec.symmetric),
                })
            };
            let places: Vec<Value> = ranges.places.iter().map(place).collect();
            ("calibrated", json!({ "places": places, "samples": ranges.samples, "batches": ranges.batches }))
        }
        Outcome::Recipe(text) => ("recipe", json!({ "text": text })),
        Outcome::Difference(since) => {
            let weights: Vec<Value> = since
                .weights
                .iter()
                .map(|one| {
                    let (was, now) = match &one.change {
                        LockChange::Decision { was, now } | LockChange::Tensor { was, now } => (Some(was), Some(now)),
                        LockChange::Gone { was } => (Some(was), None),
                        LockChange::New { now } => (None, Some(now)),
                        LockChange::Renamed { from, to } => (Some(from), Some(to)),
                    };
                    json!({ "name": one.name, "weights": one.count, "was": was, "now": now })
                })
                .collect();
            ("difference", json!({ "old": since.old, "new": since.new, "weights": weights }))
        }
        Outcome::Model(summary) => ("model", model(summary)),
        Outcome::Page(page) => ("page", json!({ "markdown": page })),
        Outcome::Help => {
            let commands: Vec<Value> = COMMANDS
                .iter()
                .map(|entry| json!({ "name": entry.name, "form": entry.form, "meaning": entry.meaning, "examples": entry.examples }))
                .collect();
            ("help", json!({ "commands": commands }))
        }
        Outcome::Said(text) => ("said", json!({ "text": text })),
        Outcome::Failed(failure) => ("failed", json!({ "message": failure.message, "help": failure.help })),
        Outcome::Stopped => ("stopped", json!({})),
    })
}

/// A document of one of the commands. Every shape can be written.
fn shape(document: &impl serde::Serialize) -> Value {
    serde_json::to_value(document).unwrap_or_default()
}

fn findings(judged: &Judged) -> Value {
    let texts = Texts::new(&judged.texts);
    let one = |finding: &Finding| shape(&FindingShape::new(finding, &texts));
    Value::Array(judged.findings.iter().map(one).collect())
}

fn change(change: &Change) -> Value {
    let (cause, details) = match &change.cause {
        Cause::Typed { replaced } => ("typed", json!(replaced)),
        Cause::Undone => ("undone", json!([])),
        Cause::Redone => ("redone", json!([])),
        Cause::Reset => ("reset", json!([])),
        Cause::Loaded(path) => ("loaded", json!([path.to_string_lossy()])),
        Cause::TakenOver(path) => ("taken-over", json!([path.to_string_lossy()])),
        Cause::Fixed(titles, _) => ("fixed", json!(titles)),
        Cause::Model => ("model", json!([])),
    };
    let moves: Vec<Value> = change
        .moves
        .iter()
        .map(|one| {
            json!({ "was": one.was, "now": one.now, "weights": one.weights, "bytes": one.before, "bytes_after": one.after })
        })
        .collect();
    let expectations: Vec<Value> =
        change.expectations.iter().map(|(claim, verdict)| json!({ "claim": claim, "verdict": verdict })).collect();
    let lacks: Vec<Value> =
        change.lacks.iter().map(|(code, message)| json!({ "code": code, "message": message })).collect();
    let mut fields = json!({
        "cause": cause, "details": details, "moves": moves, "model": change.model.as_ref().map(model),
        "totals": change.totals.as_ref().map(|(now, _)| totals(now)),
        "totals_before": change.totals.as_ref().and_then(|(_, was)| was.as_ref()).map(totals),
        "expectations": expectations, "findings": findings(&change.findings), "mended": change.mended, "lacks": lacks,
    });
    if let Cause::Fixed(_, Some(why)) = &change.cause {
        fields["unfinished"] = json!(why.words());
    }
    fields
}

fn totals(totals: &Totals) -> Value {
    json!({
        "tensors": totals.tensors, "candidates": totals.candidates, "changed": totals.changed, "bits": totals.bits(),
        "bytes": totals.before, "bytes_after": totals.after, "share": totals.share(),
    })
}

fn model(summary: &ModelSummary) -> Value {
    let kinds: Vec<Value> = summary
        .kinds
        .iter()
        .map(|(kind, weights, bytes)| json!({ "kind": kind, "weights": weights, "bytes": bytes }))
        .collect();
    json!({
        "path": summary.path.to_string_lossy(), "format": summary.format, "architecture": summary.architecture,
        "tensors": summary.tensors, "bytes": summary.bytes, "kinds": kinds,
    })
}

fn attempt(attempt: &Attempt, many: usize, display: Display) -> Value {
    let one = |tried: &Tried| {
        let mut fields = json!({
            "name": tried.name, "scheme": tried.scheme, "elements": tried.elements, "bits": tried.bits(),
            "bytes": tried.before, "bytes_after": tried.after,
        });
        error(&mut fields, &tried.error);
        if display.time {
            fields["seconds"] = json!(tried.elapsed.as_secs_f64());
        }
        fields
    };
    let mut fields = json!({
        "weights": attempt.tried.iter().take(many).map(one).collect::<Vec<Value>>(), "left": left(&attempt.left),
        "bytes": attempt.before(), "bytes_after": attempt.after(), "bits": attempt.bits(),
    });
    error(&mut fields, &attempt.error());
    fields
}

fn left(left: &[Left]) -> Value {
    left.iter().map(|one| json!({ "name": one.name, "why": one.why })).collect()
}

fn values(values: &Values) -> Value {
    json!({
        "min": values.min, "max": values.max, "mean": values.mean, "std": values.std, "zeros": values.zeros,
        "nan": values.nan, "infinite": values.infinite, "histogram": values.histogram,
    })
}

/// Errors: absent where nothing is lost, null where they are no number.
fn error(fields: &mut Value, power: &Power) {
    ratio(fields, "sqnr", power.sqnr());
    fields["max_error"] = json!(power.largest.is_finite().then_some(power.largest));
    fields["mean_error"] = json!(power.mean().is_finite().then_some(power.mean()));
}

fn ratio(fields: &mut Value, name: &str, sqnr: f64) {
    if sqnr != f64::INFINITY {
        fields[name] = json!(sqnr.is_finite().then_some(sqnr));
    }
}
