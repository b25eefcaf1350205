//! `bitmill tune`

use std::path::{Path, PathBuf};

use super::args::TuneArgs;
use super::failure::Failure;
use super::plan::planned;
use super::run::refused;
use super::{Exit, STOP, edit, is_stdin, open};
use crate::check::Severity;
use crate::draw;
use crate::draw::progress::watched;
use crate::draw::terminal::Terminal;
use crate::eval::EvalError;
use crate::formats::output::{Destination, PartialFile};
use crate::json;
use crate::project::{AfterRun, Disk, Given, Project};
use crate::recipe::{Recipe, fragment};
use crate::run::RunError;
use crate::scheme::Scheme;
use crate::syntax::token::quote;
use crate::tune::{Budget, Results, Task, TuneError, tune};

pub fn run(args: &TuneArgs, terminal: &mut Terminal) -> Result<Exit, Failure> {
    let budgets = [args.budget, args.size, args.min_sqnr];
    let Some(budget) = budgets.into_iter().flatten().next() else {
        return Err(Failure::usage("no budget is given", "say --budget, --size or --min-sqnr"));
    };
    let destination = destination(args)?;
    let to_stdout = is_stdin(&destination);
    let project = open(&args.recipe, &args.project)?;
    let (model, plan) = planned(&project)?;
    // Expectations that fail are what one tunes for.
    let is_in_the_way =
        |finding: &&crate::check::Finding| finding.severity == Severity::Error && finding.code != "expect-failed";
    if project.findings().iter().any(|finding| is_in_the_way(&finding)) && refused(&project, args.json, terminal)? {
        return Ok(Exit::Findings);
    }
    let over = args.over.as_deref().map(|text| schemes(text, project.recipe())).transpose()?;
    let inputs = inputs(args, &project);
    if !to_stdout {
        // Told before anything is measured.
        drop(PartialFile::create(&Destination { path: &destination, overwrite: args.force, inputs: &inputs })?);
    }
    let directory = dirs::cache_dir().map(|caches| caches.join("bitmill").join("tune"));
    // Where there is no home, results are kept where they are asked for only.
    let directory = directory.filter(|directory| args.resume.is_some() || std::fs::create_dir_all(directory).is_ok());
    let results = match (&args.resume, &directory) {
        (Some(file), _) => Results::File(file),
        (None, Some(directory)) => Results::In(directory),
        (None, None) => Results::Nowhere,
    };
    if let Results::File(path) = results {
        drop(PartialFile::create(&Destination { path, overwrite: true, inputs: &inputs })?);
    }
    let command = command(args, budget);
    let task = Task {
        recipe: project.recipe(),
        model,
        plan,
        budget,
        over: over.as_deref(),
        data: args.data.as_deref(),
        label: args.label.as_deref(),
        next_token: args.next_token,
        output: None,
        samples: args.samples,
        results,
        fresh: args.fresh,
        destination: &destination,
        command: &command,
    };
    let tuned = watched(terminal, args.json, |progress| tune(&task, progress, &STOP))?;
    for note in &tuned.notes {
        terminal.note(draw::terminal::clean(&format!("note: {note}")));
    }
    if !to_stdout {
        edit::create(&destination, &tuned.text, args.force, &inputs)?;
    }
    let made =
        Project::with_text(&destination, &tuned.text, &Disk, &Given { model: Some(&model.path), arithmetic: None })?;
    let after = match &tuned.evaluation {
        Some(evaluation) => made.after_run(&evaluation.facts()),
        None => AfterRun::default(),
    };
    if args.json {
        terminal.text(&json::text(&json::TuneShape::new(&destination, made.recipe(), &tuned, &after)))?;
    } else if to_stdout {
        terminal.text(&tuned.text)?;
    } else {
        draw::tune::show(made.recipe(), &tuned, &after, terminal)?;
        terminal.prose(draw::terminal::clean(&format!("wrote {}", destination.display())))?;
    }
    let failed = after.findings.iter().any(|finding| finding.severity == Severity::Error);
    Ok(if failed { Exit::Findings } else { Exit::Fine })
}

/// Where the recipe is written.
fn destination(args: &TuneArgs) -> Result<PathBuf, Failure> {
    match &args.output {
        Some(path) => Ok(path.clone()),
        None if is_stdin(&args.recipe) => {
            Err(Failure::usage("a recipe from standard input has no name", "say where to write with --output"))
        }
        None => {
            let stem =
                args.recipe.file_stem().map_or_else(Default::default, |stem| stem.to_string_lossy().into_owned());
            Ok(args.recipe.with_file_name(format!("{stem}.tuned.bitmill")))
        }
    }
}

/// What must not be written over.
fn inputs(args: &TuneArgs, project: &Project) -> Vec<PathBuf> {
    let mut inputs = project.files();
    inputs.extend(args.data.clone());
    inputs
}

fn schemes(text: &str, recipe: &Recipe) -> Result<Vec<Scheme>, Failure> {
    fragment::schemes(text, &recipe.schemes).map_err(|part| {
        let part = draw::terminal::clean(&part).into_owned();
        Failure::usage(
            format!("--over: `{part}` is no scheme"),
            "schemes stand between commas: `int8 per-channel, int4 per-group(32)`; named ones of the recipe may be among them",
        )
    })
}

/// What was asked for, as a comment of the recipe has it: all that decides what comes out.
fn command(args: &TuneArgs, budget: Budget) -> String {
    let word = |text: &str| {
        let is_plain = !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "-_./+,:%".contains(c));
        if is_plain { text.to_owned() } else { quote(text) }
    };
    let path = |path: &Path| word(&path.to_string_lossy());
    let mut text = format!("bitmill tune {}", path(&args.recipe));
    text += &match budget {
        Budget::Bits(bits) => format!(" --budget {bits}bpw"),
        Budget::Share(share) => format!(" --size {}", crate::scheme::percent(share)),
        Budget::Bytes(bytes) => format!(" --size {bytes}"),
        Budget::Sqnr(decibels) => format!(" --min-sqnr {decibels}"),
    };
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            text += &format!(" --{name} {value}");
        }
    };
    add("data", args.data.as_deref().map(path));
    add("samples", args.samples.map(|samples| samples.to_string()));
    add("over", args.over.as_deref().map(word));
    add("model", args.project.model.as_deref().map(path));
    add("arithmetic", args.project.arithmetic.map(|arithmetic| arithmetic.word().to_owned()));
    text
}

impl From<TuneError> for Failure {
    fn from(error: TuneError) -> Failure {
        let help = error.help();
        match error {
            TuneError::Cancelled { .. } => Failure::Stopped(error.to_string()),
            TuneError::TooSmall { .. } | TuneError::TooNoisy { .. } => {
                Failure::Unmet { message: error.to_string(), help }
            }
            TuneError::Nothing(_) | TuneError::NoFloats | TuneError::Foreign(_) => {
                Failure::Usage { message: error.to_string(), help }
            }
            TuneError::Model(error) => error.into(),
            TuneError::Run(RunError::Cancelled) => Failure::Stopped(error.to_string()),
            TuneError::Run(error) => error.into(),
            TuneError::Eval(EvalError::NoProgram) => Failure::usage(
                EvalError::NoProgram.to_string(),
                "or leave --data out: the error of the weights counts then",
            ),
            TuneError::Eval(error) => error.into(),
            TuneError::Keep(error) => error.into(),
            TuneError::Unreadable { .. } | TuneError::Written(_) => {
                Failure::Broken { message: error.to_string(), help }
            }
        }
    }
}
