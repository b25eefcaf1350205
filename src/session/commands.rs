//! What the commands do.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::change::is_unfinished;
use super::command::{self, Call, Command};
use super::language::{self, Piece, matching, nothing_matched, read};
use super::{Answer, Cause, Change, Failure, Halt, Judged, ModelSummary, Outcome, Since, State, Work, file, help};
use crate::check::targets::for_every_target;
use crate::check::why::named;
use crate::check::{Finding, Severity, words};
use crate::eval;
use crate::experiment::{attempt, histogram, rehearse, sensitivity, sweep};
use crate::glossary;
use crate::inspect::summarize;
use crate::model::{Model, ModelData, nearest_names};
use crate::plan::Plan;
use crate::plan::lock::{compare, lock};
use crate::project::{AfterRun, mend_with};
use crate::recipe::Recipe;
use crate::recipe::fragment::pieces;
use crate::run::measure::Subject;
use crate::run::{self, Job, outcome, statics};
use crate::scheme::Scheme;
use crate::syntax::token::{Token, TokenKind};
use crate::syntax::tree::StatementKind;
use crate::syntax::{format, lex, parse};

/// Weights that `:worst` lists when nobody says how many.
const WORST: usize = 10;

/// Parts of the range that a histogram is drawn in.
pub const PARTS: usize = 60;

/// Carries a command out.
pub(super) fn call(state: &State, line: &str, work: Work) -> Result<Answer, Halt> {
    let call = command::parse(line).map_err(|unknown| {
        let failure = Failure::new(format!("there is no command `:{}`", unknown.name));
        match unknown.nearest {
            Some(near) => failure.help(format!("did you mean `:{near}`?")),
            None => failure.help("`:help` lists the commands"),
        }
    })?;
    let argument = call.argument;
    let given = (!argument.is_empty()).then_some(argument);
    let is_bare = matches!(call.entry.argument, command::Argument::None);
    if is_bare && given.is_some() {
        return Err(usage(&call).into());
    }
    match call.entry.command {
        Command::Try => try_scheme(state, line, &call, work),
        Command::Sweep => sweep_schemes(state, line, &call, work),
        Command::Hist => hist(state, line, &call, work),
        Command::Show => show(state, &call),
        Command::Worst => worst(state, &call, work),
        Command::Sensitivity => sensitive(state, line, &call, work),
        Command::Diff => Ok(diff(state)),
        Command::Plan => plan(state, &call),
        Command::Run => run_recipe(state, &call, work),
        Command::Eval => evaluated(state, given, work),
        Command::Calibrate => calibrated(state, given, work),
        Command::Check => {
            let findings = state.analysis().findings().to_vec();
            Ok(Answer::told(Outcome::Findings(Judged::new(state.analysis().recipe(), findings))))
        }
        Command::Fix => fix(state, &call, work),
        Command::Explain => explain(argument, &call),
        Command::List => Ok(Answer::told(Outcome::Recipe(format(state.text())))),
        Command::Undo => undo(state, work),
        Command::Redo => redo(state, work),
        Command::Reset => reset(state, work),
        Command::Load => match given {
            Some(path) => file::load(state, Path::new(&unquoted(path)), work),
            None => Err(usage(&call).into()),
        },
        Command::Save => {
            let path = given.map(|path| PathBuf::from(unquoted(path)));
            file::save(state, path.as_deref(), call.force, work)
        }
        Command::Model => model(state, given, work),
        Command::Target => target(state, given, work),
        Command::Time => switch(state, &call, |display, on| display.time = on),
        Command::Json => switch(state, &call, |display, on| display.json = on),
        Command::Help => help::help(given),
        Command::Quit => Ok(Answer::told(Outcome::Quit)),
    }
}

fn usage(call: &Call) -> Failure {
    Failure::new(format!("`:{}` is written {}", call.entry.name, call.entry.form))
        .help(format!("for example {}", call.entry.examples.first().copied().unwrap_or(call.entry.form)))
}

/// A path without the quotes that it may stand in.
fn unquoted(text: &str) -> String {
    let inner = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    // Without quotes, a blank may be escaped, as completion writes it.
    let path = inner.map_or_else(|| text.replace("\\ ", " "), str::to_string);
    match (path.strip_prefix("~/"), dirs::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest).to_string_lossy().into_owned(),
        _ => path,
    }
}

/// The model, its plan and its data, for what reads values.
fn data(state: &State) -> Result<(&Model, &Plan, ModelData), Halt> {
    let open = state.open_model()?;
    let (_, plan) = state.analysis().planned().ok_or_else(|| Failure::new("there is no plan"))?;
    Ok((&open.model, plan, open.model.open_data()?))
}

/// The tokens that say something, of a part of a line.
fn seen(text: &str) -> Vec<Token> {
    lex(text).into_iter().filter(|token| !token.kind.is_blank()).collect()
}

/// The weights that a selector matches and that a scheme could change.
fn chosen(
    state: &State,
    selector: &crate::recipe::selector::Selector,
    text: &str,
    work: Work,
) -> Result<Vec<usize>, Halt> {
    let weights = matching(state, selector)?;
    if weights.is_empty() {
        return Err(nothing_matched(state, text, work)?);
    }
    Ok(weights)
}

fn try_scheme(state: &State, line: &str, call: &Call, work: Work) -> Result<Answer, Halt> {
    let arrow = seen(call.argument).into_iter().find(|token| token.kind == TokenKind::Arrow);
    let Some(arrow) = arrow else { return Err(usage(call).into()) };
    let (left, right) = (arrow.span.start as usize, arrow.span.end as usize);
    let selector = Piece { text: &call.argument[..left], offset: call.offset }.trimmed();
    let scheme = Piece { text: &call.argument[right..], offset: call.offset + right }.trimmed();
    let (matched, scheme, judged) = read(state, line, Some(selector), Some(scheme))?;
    let (model, _, data) = data(state)?;
    let weights = chosen(state, &matched, selector.text, work)?;
    let subject = Subject { recipe: state.analysis().recipe(), model, data: &data };
    let made = attempt(subject, &weights, &scheme, work.progress, work.cancel.flag())?;
    Ok(Answer::told(Outcome::Tried(made, judged)))
}

fn sweep_schemes(state: &State, line: &str, call: &Call, work: Work) -> Result<Answer, Halt> {
    let tokens = seen(call.argument);
    let is_over = |token: &&Token| token.kind == TokenKind::Word && &call.argument[token.span.range()] == "over";
    let Some(over) = tokens.iter().find(is_over) else { return Err(usage(call).into()) };
    let selector = Piece { text: &call.argument[..over.span.start as usize], offset: call.offset }.trimmed();
    let behind = over.span.end as usize;
    let mut schemes: Vec<Scheme> = Vec::new();
    let mut findings = Judged::default();
    let mut matched = None;
    for (from, to) in pieces(call.argument, behind) {
        let piece = Piece { text: &call.argument[from..to], offset: call.offset + from }.trimmed();
        let (selector, scheme, judged) = read(state, line, Some(selector), Some(piece))?;
        if findings.findings.is_empty() {
            findings = judged;
        } else {
            let fresh = judged.findings.into_iter().filter(|finding| !findings.findings.contains(finding));
            let fresh: Vec<Finding> = fresh.collect();
            findings.findings.extend(fresh);
        }
        if !schemes.contains(&scheme) {
            schemes.push(scheme);
        }
        matched = Some(selector);
    }
    let Some(matched) = matched else { return Err(usage(call).into()) };
    let (model, _, data) = data(state)?;
    let weights = chosen(state, &matched, selector.text, work)?;
    let subject = Subject { recipe: state.analysis().recipe(), model, data: &data };
    let swept = sweep(subject, &weights, &schemes, work.progress, work.cancel.flag())?;
    Ok(Answer::told(Outcome::Swept(swept, findings)))
}

/// The weight that a name means, and what stands behind the name.
fn weight<'a>(state: &State, call: &Call<'a>) -> Result<(Vec<usize>, Piece<'a>), Halt> {
    let argument = call.argument;
    let (name, rest) = match argument.strip_prefix('"').and_then(|rest| rest.split_once('"')) {
        Some((name, rest)) => (name, rest),
        None => argument.split_at(argument.find(char::is_whitespace).unwrap_or(argument.len())),
    };
    if name.is_empty() {
        return Err(usage(call).into());
    }
    let model = &state.open_model()?.model;
    let found = named(model, name);
    if found.is_empty() {
        let near = nearest_names(model, name, 3);
        let help = words::nearest_help(&near, "`all` lists the weights".to_string());
        return Err(Failure::new(format!("there is no weight and no module `{name}`")).help(help).into());
    }
    let offset = call.offset + (argument.len() - rest.len());
    Ok((found, Piece { text: rest, offset }.trimmed()))
}

fn hist(state: &State, line: &str, call: &Call, work: Work) -> Result<Answer, Halt> {
    let (found, behind) = weight(state, call)?;
    let (model, plan, data) = data(state)?;
    let recipe = state.analysis().recipe();
    let index = found[0];
    let scheme = match behind.text {
        "" => {
            let decision = &plan.decisions[index];
            let changes = decision.outcome.is_change();
            decision.rule.filter(|_| changes).and_then(|rule| recipe.rules.get(rule)?.scheme.clone())
        }
        _ => Some(read(state, line, None, Some(behind))?.1),
    };
    if !model.weights[index].dtype.is_quantizable() {
        let name = &model.weights[index].name;
        return Err(Failure::new(format!("the values of `{name}` are not read as numbers")).into());
    }
    let subject = Subject { recipe, model, data: &data };
    let made = histogram(subject, index, scheme.as_ref(), PARTS, work.cancel.flag())?;
    work.cancel.check()?;
    Ok(Answer::told(Outcome::Histogram(Box::new(made))))
}

fn show(state: &State, call: &Call) -> Result<Answer, Halt> {
    let (found, behind) = weight(state, call)?;
    if !behind.text.is_empty() {
        return Err(usage(call).into());
    }
    let (model, _, data) = data(state)?;
    let subject = Subject { recipe: state.analysis().recipe(), model, data: &data };
    let mut weights = Vec::with_capacity(found.len());
    for index in found {
        let values = match model.weights[index].dtype.is_quantizable() {
            true => Some(summarize(&subject.values(index)?)),
            false => None,
        };
        weights.push((index, values));
    }
    Ok(Answer::told(Outcome::Weights(Arc::clone(state.analysis()), weights)))
}

fn worst(state: &State, call: &Call, work: Work) -> Result<Answer, Halt> {
    let many = match call.argument {
        "" => WORST,
        number => number.parse().map_err(|_| usage(call))?,
    };
    Ok(Answer::told(Outcome::Worst(rehearsed(state, work)?, many)))
}

/// Everything quantized as the recipe says.
fn rehearsed(state: &State, work: Work) -> Result<crate::experiment::Attempt, Halt> {
    let (model, plan, data) = data(state)?;
    let subject = Subject { recipe: state.analysis().recipe(), model, data: &data };
    let made = rehearse(subject, plan, work.progress, work.cancel.flag())?;
    if made.tried.is_empty() && made.left.is_empty() {
        let failure = Failure::new("the recipe changes no weight");
        return Err(failure.help("a rule says what becomes of which weights: `linear => int8 per-channel`").into());
    }
    Ok(made)
}

fn sensitive(state: &State, line: &str, call: &Call, work: Work) -> Result<Answer, Halt> {
    let shortened = call.argument.strip_suffix("by layer").map(str::trim_end);
    let text = shortened.unwrap_or(call.argument);
    let made = match text {
        "" => rehearsed(state, work)?,
        _ => {
            let scheme = read(state, line, None, Some(Piece { text, offset: call.offset }))?.1;
            let (model, _, data) = data(state)?;
            let subject = Subject { recipe: state.analysis().recipe(), model, data: &data };
            let could = |index: &usize| model.weights[*index].never_quantized().is_none();
            let weights: Vec<usize> = (0..model.weights.len()).filter(could).collect();
            attempt(subject, &weights, &scheme, work.progress, work.cancel.flag())?
        }
    };
    Ok(Answer::told(Outcome::Sensitivity(sensitivity(&made, shortened.is_some()), made)))
}

fn diff(state: &State) -> Answer {
    let (base, now) = (state.base(), state.analysis());
    let (old, new) = (base.planned(), now.planned());
    let locks = old.zip(new).map(|((old_model, old_plan), (model, plan))| {
        compare(&lock(base.recipe(), old_model, old_plan), &lock(now.recipe(), model, plan))
    });
    Answer::told(Outcome::Difference(Box::new(Since {
        path: state.path().to_path_buf(),
        old: base.text().to_string(),
        new: now.text().to_string(),
        weights: locks.unwrap_or_default(),
        totals: base.totals().copied().zip(now.totals().copied()),
    })))
}

fn plan(state: &State, call: &Call) -> Result<Answer, Halt> {
    let all = match call.argument {
        "" => false,
        "all" => true,
        _ => return Err(usage(call).into()),
    };
    state.open_model()?;
    Ok(Answer::told(Outcome::Plan(Arc::clone(state.analysis()), all)))
}

/// The model and its plan, for what a recipe with errors cannot do.
fn flawless(state: &State) -> Result<(&Model, &Plan), Halt> {
    state.open_model()?;
    let analysis = state.analysis();
    let errors = analysis.findings().iter().filter(|finding| finding.severity == Severity::Error);
    let errors: Vec<Finding> = errors.cloned().collect();
    if !errors.is_empty() {
        return Err(Halt::Mistaken(Judged::new(analysis.recipe(), errors)));
    }
    analysis.planned().ok_or_else(|| Failure::new("there is no plan").into())
}

/// The file that a command names, or the samples of the recipe.
fn samples(state: &State, given: Option<&str>) -> Result<PathBuf, Halt> {
    let recipe = state.analysis().recipe();
    let own = || recipe.calibrate.as_ref()?.path.as_ref().map(|path| recipe.path(path));
    given.map(|path| PathBuf::from(unquoted(path))).or_else(own).ok_or_else(|| {
        Failure::new("no data is named, and the recipe names no samples")
            .help("name a safetensors file behind the command, or write `calibrate \"FILE\"`")
            .into()
    })
}

fn evaluated(state: &State, given: Option<&str>, work: Work) -> Result<Answer, Halt> {
    let analysis = state.analysis();
    let (model, plan) = flawless(state)?;
    let data = samples(state, given)?;
    let task = eval::Task {
        recipe: analysis.recipe(),
        model,
        plan,
        data: &data,
        label: None,
        next_token: false,
        output: None,
        samples: None,
        layers: true,
    };
    let evaluation = eval::evaluate(&task, work.progress, work.cancel.flag())?;
    let after = AfterRun::new(analysis.recipe(), model, analysis.findings(), &evaluation.facts());
    Ok(Answer::told(Outcome::Evaluated(Arc::clone(analysis), Box::new(evaluation), after, data)))
}

fn calibrated(state: &State, given: Option<&str>, work: Work) -> Result<Answer, Halt> {
    let recipe = state.analysis().recipe();
    state.open_model()?;
    if !statics::is_static(recipe) {
        let failure = Failure::new("no rule quantizes activations");
        return Err(failure.help("`all => int8 per-channel, activations uint8` does").into());
    }
    let data = samples(state, given)?;
    // That the recipe names no samples is no error where others are given.
    let errors = |finding: &&Finding| {
        let is_about_samples = matches!(finding.code, "calibration-missing" | "calibration-samples");
        finding.severity == Severity::Error && !(given.is_some() && is_about_samples)
    };
    let errors: Vec<Finding> = state.analysis().findings().iter().filter(errors).cloned().collect();
    if !errors.is_empty() {
        return Err(Halt::Mistaken(Judged::new(recipe, errors)));
    }
    let (model, plan) = state.analysis().planned().ok_or_else(|| Failure::new("there is no plan"))?;
    let watched = (work.progress, work.cancel.flag());
    let ranges = statics::ranges((recipe, model, plan), Some(&data), watched)?;
    Ok(Answer::told(Outcome::Calibrated(ranges)))
}

fn run_recipe(state: &State, call: &Call, work: Work) -> Result<Answer, Halt> {
    let analysis = state.analysis();
    let (model, plan) = flawless(state)?;
    let named = (!call.argument.is_empty()).then(|| PathBuf::from(unquoted(call.argument)));
    let (format, output) = outcome::output(analysis.recipe(), model, (named, None));
    let inputs = analysis.files();
    let job =
        Job { recipe: analysis.recipe(), model, plan, format, output: &output, overwrite: call.force, inputs: &inputs };
    let report = run::run(&job, work.progress, work.cancel.flag()).map_err(|error| match error {
        run::RunError::Output(error) => {
            let help = error.help().map(|help| help.replace("--force", "`:run!`"));
            Halt::Failed(Failure { message: error.to_string(), help })
        }
        other => other.into(),
    })?;
    let after = AfterRun::new(analysis.recipe(), model, analysis.findings(), &report.facts());
    Ok(Answer::told(Outcome::Ran(Arc::clone(analysis), Box::new(report), after)))
}

fn fix(state: &State, call: &Call, work: Work) -> Result<Answer, Halt> {
    let unsafe_too = match call.argument {
        "" => false,
        "all" => true,
        _ => return Err(usage(call).into()),
    };
    let findings = |text: &str| -> Result<Vec<Finding>, Halt> {
        let analysis = state.analyse(text, work.cancel)?;
        Ok(analysis.findings().to_vec())
    };
    let mended = mend_with(state.text(), unsafe_too, findings)?;
    if mended.applied.is_empty() && mended.unfinished.is_none() {
        let more = if unsafe_too { "" } else { "; `:fix all` also applies the first of several choices" };
        return Ok(Answer::told(Outcome::Said(format!("there is nothing to fix{more}"))));
    }
    changed(state, &mended.text, Cause::Fixed(mended.applied, mended.unfinished), work)
}

/// Another text of the recipe, whatever is wrong with it.
fn changed(state: &State, text: &str, cause: Cause, work: Work) -> Result<Answer, Halt> {
    let analysis = state.analyse(text, work.cancel)?;
    let change = Change::between(cause, state.analysis(), &analysis);
    Ok(Answer { state: Some(state.with(analysis)), outcome: Outcome::Changed(Box::new(change)) })
}

fn explain(word: &str, call: &Call) -> Result<Answer, Halt> {
    if word.is_empty() {
        return Err(usage(call).into());
    }
    match help::page(word) {
        Some(page) => Ok(Answer::told(Outcome::Page(page))),
        None => {
            let failure = Failure::new(format!("there is no code and no word `{word}`"));
            Err(match glossary::nearest_word(word) {
                Some(near) => failure.help(format!("did you mean `{near}`?")),
                None => failure.help("findings show their codes; `:help` lists what there is"),
            }
            .into())
        }
    }
}

fn undo(state: &State, work: Work) -> Result<Answer, Halt> {
    match state.undone(work.cancel)? {
        Some(next) => Ok(stepped(state, next, Cause::Undone)),
        None => Err(Failure::new("there is nothing to take back").into()),
    }
}

fn redo(state: &State, work: Work) -> Result<Answer, Halt> {
    match state.redone(work.cancel)? {
        Some(next) => Ok(stepped(state, next, Cause::Redone)),
        None => Err(Failure::new("there is nothing that was taken back").into()),
    }
}

/// What another state of the recipe changes.
fn stepped(state: &State, next: State, cause: Cause) -> Answer {
    let change = Change::between(cause, state.analysis(), next.analysis());
    Answer { state: Some(next), outcome: Outcome::Changed(Box::new(change)) }
}

fn reset(state: &State, work: Work) -> Result<Answer, Halt> {
    let parsed = parse(state.text());
    let model = parsed.file.statements.iter().find(|statement| matches!(statement.kind, StatementKind::Model(_)));
    let text = model.map_or(String::new(), |model| format!("{}\n", &state.text()[model.span.range()]));
    changed(state, &text, Cause::Reset, work)
}

fn model(state: &State, given: Option<&str>, work: Work) -> Result<Answer, Halt> {
    let next = match given {
        None => {
            let open = state.open_model()?;
            return Ok(Answer::told(Outcome::Model(ModelSummary::of(&open.model))));
        }
        Some("-") => state.with_model(None, work.cancel)?,
        Some(path) => state.with_model(Some(Path::new(&unquoted(path))), work.cancel)?,
    };
    // One that cannot be read is not taken; that the recipe's own cannot is no reason to keep another.
    if given != Some("-") {
        next.open_model().map_err(|failure| Failure { help: None, ..failure })?;
    }
    let change = Change::between(Cause::Model, state.analysis(), next.analysis());
    Ok(Answer { state: Some(next), outcome: Outcome::Changed(Box::new(change)) })
}

fn target(state: &State, given: Option<&str>, work: Work) -> Result<Answer, Halt> {
    match given {
        Some(systems) => language::statements(state, &format!("target {systems}"), work),
        None => {
            let analysis = state.analysis();
            let recipe: &Recipe = analysis.recipe();
            let mut targets = for_every_target(recipe, analysis.planned());
            for target in &mut targets {
                target.errors.retain(|finding| !is_unfinished(finding));
            }
            Ok(Answer::told(Outcome::Targets(Arc::clone(analysis), targets)))
        }
    }
}

fn switch(state: &State, call: &Call, set: impl Fn(&mut super::Display, bool)) -> Result<Answer, Halt> {
    let mut next = state.clone();
    match call.argument {
        "on" => set(&mut next.display, true),
        "off" => set(&mut next.display, false),
        _ => return Err(usage(call).into()),
    }
    Ok(Answer { state: Some(next), outcome: Outcome::Nothing })
}
