//! The commands of the server: running and planning a recipe, pages, new recipes, the model of a recipe.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;

use super::answers::REQUEST_FAILED;
use super::convert::path_of;
use super::diagnose::{PATIENCE, refresh};
use super::protocol::*;
use super::state::{State, fault};
use crate::formats::output::OutputError;
use crate::glossary;
use crate::ide::{Analysis, commands};
use crate::run::{Progress, RunError};

/// Runs a recipe: `[recipe]`.
pub const RUN: &str = "bitmill.run";
/// The plan of a recipe as text: `[recipe]`.
pub const PLAN: &str = "bitmill.plan";
/// The page of a code or word in Markdown: `[recipe or null, word]`.
pub const EXPLAIN: &str = "bitmill.explain";
/// The text of a recipe for a preset: `[recipe or null, preset, model or null]`.
pub const NEW: &str = "bitmill.newRecipe";
/// Chooses the model of a recipe: `[recipe, model]`.
pub const PICK: &str = "bitmill.pickModel";

/// All of them.
pub const ALL: [&str; 5] = [RUN, PLAN, EXPLAIN, NEW, PICK];

/// How often the progress of a run is told.
const TELL: Duration = Duration::from_millis(100);

/// How long a question to the user stays open.
const THOUGHT: Duration = Duration::from_secs(600);

fn failed(message: String) -> Error {
    Error { code: ErrorCode::ServerError(REQUEST_FAILED), message: message.into(), data: None }
}

/// Does what a command says.
pub async fn execute(state: &Arc<State>, client: &Client, params: ExecuteCommandParams) -> Result<Option<LSPAny>> {
    let text = |at: usize| params.arguments.get(at).and_then(Value::as_str);
    let needed = |at: usize, what: &str| {
        text(at).ok_or_else(|| Error::invalid_params(format!("{}: argument {} is {what}", params.command, at + 1)))
    };
    let recipe = || -> Result<Uri> {
        needed(0, "the address of a recipe")?.parse().map_err(|_| Error::invalid_params("no address"))
    };
    match params.command.as_str() {
        RUN => {
            let token = params.work_done_progress_params.work_done_token;
            run(state, client, &recipe()?, token).await.map(|summary| summary.map(Value::String))
        }
        PLAN => {
            let plan = state.ask(&recipe()?, |view| {
                let why = "there is no plan without a model: name one in the recipe (`model \"PATH\"`), or pick one";
                commands::plan_text(&view.analysis).ok_or_else(|| failed(why.to_string()))
            });
            Ok(Some(Value::String(plan.await?)))
        }
        EXPLAIN => {
            let word = needed(1, "a code or a word")?;
            let page = glossary::page(word).ok_or_else(|| failed(format!("`{word}` has no page")))?;
            Ok(Some(Value::String(page)))
        }
        NEW => {
            let preset = needed(1, "the name of a preset")?;
            let recipe = commands::new_recipe(preset, text(2), false).map_err(|near| {
                let near = near.map(|near| format!("; the nearest is `{near}`")).unwrap_or_default();
                failed(format!("there is no preset `{preset}`{near}"))
            })?;
            Ok(Some(Value::String(recipe)))
        }
        PICK => {
            let path = path_of(&recipe()?).ok_or_else(|| Error::invalid_params("no recipe"))?;
            let model = path.parent().unwrap_or(Path::new("")).join(needed(1, "the path of a model")?);
            if !model.exists() {
                return Err(failed(format!("{}: there is no such file", model.display())));
            }
            state.pick(&path, model);
            let (state, client) = (Arc::clone(state), client.clone());
            tokio::spawn(async move { refresh(&state, &client).await });
            Ok(None)
        }
        unknown => Err(Error::invalid_params(format!("there is no command `{unknown}`"))),
    }
}

/// Counts the bytes that are done.
#[derive(Default)]
struct Counter {
    done: AtomicU64,
    all: AtomicU64,
}

impl Progress for Counter {
    fn begin(&self, bytes: u64) {
        self.done.store(0, Ordering::Relaxed);
        self.all.store(bytes, Ordering::Relaxed);
    }

    fn done(&self, _: &str, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Counter {
    fn percent(&self) -> u32 {
        let all = self.all.load(Ordering::Relaxed).max(1);
        (self.done.load(Ordering::Relaxed).min(all) as u128 * 100 / u128::from(all)) as u32
    }
}

/// Stops a run when nobody waits for it any longer.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs a recipe as it stands in the editor, with its progress shown; asks before something is replaced. `None` where
/// the user wants nothing replaced.
async fn run(state: &Arc<State>, client: &Client, uri: &Uri, token: Option<ProgressToken>) -> Result<Option<String>> {
    let analysis = state.ask(uri, |view| Ok(Arc::clone(&view.analysis))).await?;
    let token = match token {
        Some(token) => Some(token),
        None if state.abilities().progress => {
            let token = NumberOrString::String(format!("bitmill-{}", client.next_request_id()));
            let made = tokio::time::timeout(PATIENCE, client.create_work_done_progress(token.clone())).await;
            matches!(made, Ok(Ok(()))).then_some(token)
        }
        None => None,
    };
    let stop = Arc::new(AtomicBool::new(false));
    let _guard = StopOnDrop(Arc::clone(&stop));
    if let Some(token) = &token {
        state.begin_job(token.clone(), Arc::clone(&stop));
    }
    let mut outcome = attempt(&analysis, client, token.as_ref(), &stop, false).await;
    if let Ok(Err(RunError::Output(OutputError::Exists(path)))) = &outcome {
        if !may_replace(client, path).await {
            return Ok(None);
        }
        outcome = attempt(&analysis, client, token.as_ref(), &stop, true).await;
    }
    if let Some(token) = &token {
        state.end_job(token);
    }
    match outcome? {
        Ok(summary) => Ok(Some(summary)),
        Err(RunError::Cancelled) => Err(Error::request_cancelled()),
        Err(why) => Err(failed(why.to_string())),
    }
}

/// Whether the user wants an output replaced.
async fn may_replace(client: &Client, path: &Path) -> bool {
    let action = |title: &str| MessageActionItem { title: title.to_string(), properties: Default::default() };
    let question = format!("{} exists already.", path.display());
    let actions = vec![action("Replace"), action("Keep")];
    let asked = client.show_message_request(MessageType::WARNING, question, Some(actions));
    let chosen = tokio::time::timeout(THOUGHT, asked).await;
    matches!(chosen, Ok(Ok(Some(action))) if action.title == "Replace")
}

/// One run, with its progress. The outer error is a fault of ours.
async fn attempt(
    analysis: &Arc<Analysis>,
    client: &Client,
    token: Option<&ProgressToken>,
    stop: &Arc<AtomicBool>,
    overwrite: bool,
) -> Result<std::result::Result<String, RunError>> {
    let counter = Arc::new(Counter::default());
    let work = {
        let (analysis, counter, stop) = (Arc::clone(analysis), Arc::clone(&counter), Arc::clone(stop));
        tokio::task::spawn_blocking(move || commands::run(&analysis, &*counter, &stop, overwrite))
    };
    let shown = async {
        let Some(token) = token else { return std::future::pending().await };
        let name = analysis.path().file_name().unwrap_or_default().to_string_lossy();
        let progress = client.progress(token.clone(), format!("bitmill: {name}"));
        let progress = progress.with_percentage(0).with_cancel_button().begin().await;
        Shown(progress, counter).tell().await
    };
    tokio::select! {
        ended = work => {
            if let Some(token) = token {
                let end = WorkDoneProgress::End(WorkDoneProgressEnd { message: None });
                let value = ProgressParams { token: token.clone(), value: ProgressParamsValue::WorkDone(end) };
                client.send_notification::<notification::Progress>(value).await;
            }
            ended.map_err(|_| fault())
        }
        never = shown => never,
    }
}

/// A progress that the client shows.
struct Shown(OngoingProgress<Bounded, Cancellable>, Arc<Counter>);

impl Shown {
    async fn tell<T>(self) -> T {
        let mut last = 0;
        loop {
            tokio::time::sleep(TELL).await;
            let now = self.1.percent();
            if now != last {
                self.0.report(now, None).await;
                last = now;
            }
        }
    }
}
