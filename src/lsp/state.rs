//! Documents, folders and settings as the client has told them, and snapshots of them for its requests.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::sync::Notify;

use super::convert::{View, path_of};
use super::protocol::{
    ClientCapabilities, Error, InitializeParams, PositionEncodingKind, ProgressToken, Result, SemanticToken,
    TextDocumentContentChangeEvent, Uri,
};
use super::settings;
use crate::ide::{Cancel, Unavailable, Workspace, World};
use crate::syntax::{LineColumn, LineIndex, Unit};

/// All that a connection knows.
#[derive(Default)]
pub struct State {
    inner: Mutex<Inner>,
    /// Told whenever findings may have changed.
    pub changed: Notify,
}

/// What the client can take.
#[derive(Debug, Clone, Default)]
pub struct Abilities {
    /// It asks for diagnostics itself.
    pub pulls: bool,
    /// It asks again when told to: diagnostics, inlay hints, code lenses, semantic tokens.
    pub refreshes: [bool; 4],
    /// It can be asked for its settings.
    pub configuration: bool,
    /// It watches files for the server.
    pub watches: bool,
    /// It shows the progress of work that the server began.
    pub progress: bool,
    /// Completions with places to fill in.
    pub snippets: bool,
    /// Edits that say for which version of a document they are.
    pub versioned_edits: bool,
    /// Folds of whole lines only.
    pub folds_lines: bool,
}

#[derive(Default)]
struct Inner {
    workspace: Workspace,
    documents: HashMap<PathBuf, Document>,
    /// The addresses of open documents as the client writes them.
    uris: Arc<HashMap<PathBuf, (Uri, i32)>>,
    unit: Option<Unit>,
    abilities: Abilities,
    folders: Vec<PathBuf>,
    section: Value,
    /// Models that the user has picked, by recipe.
    picks: HashMap<PathBuf, PathBuf>,
    /// Requests under way, by document.
    running: HashMap<PathBuf, Vec<Cancel>>,
    tokens: HashMap<PathBuf, (u64, Arc<Vec<SemanticToken>>)>,
    results: u64,
    jobs: HashMap<ProgressToken, Arc<AtomicBool>>,
}

struct Document {
    uri: Uri,
    version: i32,
    text: Arc<str>,
}

/// Sets a flag when it is dropped.
pub struct Guard(pub Cancel);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Nobody waits for the answer, or it is about a text that is no longer there.
pub fn moved_on() -> Error {
    Error::content_modified()
}

impl State {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what the client says of itself, and chooses the unit of columns: the first of its list that is known.
    pub fn initialize(&self, params: &InitializeParams) -> Unit {
        let mut inner = self.lock();
        let unit = unit(&params.capabilities);
        inner.unit = Some(unit);
        inner.abilities = abilities(&params.capabilities);
        let folders = params.workspace_folders.iter().flatten().filter_map(|folder| path_of(&folder.uri));
        inner.folders = folders.collect();
        #[allow(deprecated)]
        if let (true, Some(root)) = (inner.folders.is_empty(), params.root_uri.as_ref().and_then(path_of)) {
            inner.folders.push(root);
        }
        inner.section = params.initialization_options.clone().unwrap_or_default();
        let folders = inner.folders.clone();
        inner.workspace.set_folders(folders);
        inner.configure();
        unit
    }

    /// What the client can take.
    pub fn abilities(&self) -> Abilities {
        self.lock().abilities.clone()
    }

    /// Takes the settings, and gives what is wrong with them.
    pub fn configure(&self, section: Value) -> Vec<String> {
        let mut inner = self.lock();
        inner.section = section;
        let complaints = inner.configure();
        self.changed.notify_one();
        complaints
    }

    /// Takes the model that the user has picked for a recipe.
    pub fn pick(&self, recipe: &Path, model: PathBuf) {
        let mut inner = self.lock();
        inner.picks.insert(recipe.to_owned(), model);
        inner.configure();
        self.changed.notify_one();
    }

    /// Folders that come and go.
    pub fn change_folders(&self, added: &[PathBuf], removed: &[PathBuf]) {
        let mut inner = self.lock();
        inner.folders.retain(|folder| !removed.contains(folder));
        inner.folders.extend(added.iter().cloned());
        let folders = inner.folders.clone();
        inner.workspace.set_folders(folders);
        inner.configure();
        self.changed.notify_one();
    }

    /// Opens a document.
    pub fn open(&self, uri: Uri, version: i32, text: String) {
        let Some(path) = path_of(&uri) else { return };
        let mut inner = self.lock();
        let text: Arc<str> = text.into();
        inner.workspace.open(&path, Arc::clone(&text));
        inner.documents.insert(path, Document { uri, version, text });
        inner.documents_changed();
        self.changed.notify_one();
    }

    /// Closes one; whether it was open.
    pub fn close(&self, uri: &Uri) -> bool {
        let Some(path) = path_of(uri) else { return false };
        let mut inner = self.lock();
        let was_open = inner.documents.remove(&path).is_some();
        inner.workspace.close(&path);
        inner.tokens.remove(&path);
        inner.stop(&path);
        inner.documents_changed();
        self.changed.notify_one();
        was_open
    }

    /// Edits one, change by change. Ranges that lie outside count as far as the text goes.
    ///
    /// # Errors
    ///
    /// What is wrong, where the document is not open.
    pub fn change(
        &self,
        uri: &Uri,
        version: i32,
        changes: Vec<TextDocumentContentChangeEvent>,
    ) -> std::result::Result<(), String> {
        let mut inner = self.lock();
        let unit = inner.unit.unwrap_or(Unit::Utf16);
        let path = path_of(uri).filter(|path| inner.documents.contains_key(path));
        let path = path.ok_or_else(|| format!("{}: changed, and is not open", uri.as_str()))?;
        let Some(document) = inner.documents.get_mut(&path) else { return Ok(()) };
        let mut text = String::new();
        let mut is_owned = false;
        for change in changes {
            let Some(range) = change.range else {
                (text, is_owned) = (change.text, true);
                continue;
            };
            if !is_owned {
                (text, is_owned) = (document.text.to_string(), true);
            }
            let lines = LineIndex::new(&text);
            let [start, end] = [range.start, range.end].map(|position| {
                let place = LineColumn { line: position.line, column: position.character };
                lines.offset(&text, place, unit) as usize
            });
            text.replace_range(start.min(end)..start.max(end), &change.text);
        }
        document.version = version;
        if is_owned {
            document.text = text.into();
            let text = Arc::clone(&document.text);
            inner.workspace.open(&path, text);
        }
        inner.stop(&path);
        inner.documents_changed();
        self.changed.notify_one();
        Ok(())
    }

    /// Files that have changed outside.
    pub fn changed_on_disk(&self, paths: &[PathBuf]) {
        self.lock().workspace.changed_on_disk(paths);
        self.changed.notify_one();
    }

    /// The open documents, with what they are called and their versions.
    pub fn documents(&self) -> Arc<HashMap<PathBuf, (Uri, i32)>> {
        Arc::clone(&self.lock().uris)
    }

    /// The state of the world as a request about a document sees it.
    ///
    /// # Errors
    ///
    /// When the address is none of a file.
    fn begin(&self, uri: &Uri) -> Result<(PathBuf, Asked)> {
        let path = path_of(uri).ok_or_else(|| {
            Error::invalid_params(format!("{}: only files and unsaved documents are known", uri.as_str()))
        })?;
        let mut inner = self.lock();
        let asked = inner.asked();
        let running = inner.running.entry(path.clone()).or_default();
        running.retain(|request| !request.is_cancelled());
        running.push(asked.cancel.clone());
        Ok((path, asked))
    }

    /// Computes an answer about a document on another thread, from the state of the moment of the call.
    pub fn ask<T: Send + 'static>(
        self: &Arc<Self>,
        uri: &Uri,
        compute: impl FnOnce(&View) -> Result<T> + Send + 'static,
    ) -> impl Future<Output = Result<T>> + Send + 'static {
        let begun = self.begin(uri);
        let state = Arc::clone(self);
        async move {
            let (path, asked) = begun?;
            let guard = Guard(asked.cancel.clone());
            let version = asked.version(&path);
            let about = path.clone();
            let answer = compute_aside(move || compute(&asked.view(&about)?)).await;
            let is_current = !guard.0.is_cancelled() && state.documents().get(&path).map(|(_, now)| *now) == version;
            if is_current { answer } else { Err(moved_on()) }
        }
    }

    /// As [`State::ask`], about no single document.
    pub fn ask_all<T: Send + 'static>(
        self: &Arc<Self>,
        compute: impl FnOnce(&Asked) -> Result<T> + Send + 'static,
    ) -> impl Future<Output = Result<T>> + Send + 'static {
        let asked = self.lock().asked();
        async move {
            let _guard = Guard(asked.cancel.clone());
            compute_aside(move || compute(&asked)).await
        }
    }

    /// Keeps the tokens that were sent, and gives the name of that result with those that were sent under `previous`.
    pub fn keep_tokens(
        &self,
        path: &Path,
        tokens: &Arc<Vec<SemanticToken>>,
        previous: Option<&str>,
    ) -> (String, Option<Arc<Vec<SemanticToken>>>) {
        let mut inner = self.lock();
        inner.results += 1;
        let id = inner.results;
        let before = inner.tokens.insert(path.to_owned(), (id, Arc::clone(tokens)));
        let before = before.filter(|(id, _)| previous == Some(id.to_string().as_str())).map(|(_, tokens)| tokens);
        (id.to_string(), before)
    }

    /// Keeps the flag that stops a job, under the name of its progress.
    pub fn begin_job(&self, token: ProgressToken, stop: Arc<AtomicBool>) {
        self.lock().jobs.insert(token, stop);
    }

    /// Forgets it, and gives it back.
    pub fn end_job(&self, token: &ProgressToken) -> Option<Arc<AtomicBool>> {
        self.lock().jobs.remove(token)
    }
}

/// Computes on a thread of its own. A fault of ours is an error like others.
async fn compute_aside<T: Send + 'static>(compute: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(compute).await {
        Ok(answer) => answer,
        Err(_) => Err(fault()),
    }
}

/// What the client is told of a fault of ours.
pub fn fault() -> Error {
    Error { message: super::transport::FAULT.into(), ..Error::internal_error() }
}

/// What a request sees.
pub struct Asked {
    /// The state of the world.
    pub world: World,
    /// What columns count.
    pub unit: Unit,
    /// Set when the answer is no longer wanted.
    pub cancel: Cancel,
    /// The open documents.
    pub uris: Arc<HashMap<PathBuf, (Uri, i32)>>,
    /// What the client can take.
    pub abilities: Abilities,
}

impl Asked {
    /// The version of an open document.
    fn version(&self, path: &Path) -> Option<i32> {
        self.uris.get(path).map(|(_, version)| *version)
    }

    /// The analysis of a recipe with what turns places into the client's.
    ///
    /// # Errors
    ///
    /// When it cannot be read or is no longer wanted.
    pub fn view(&self, path: &Path) -> Result<View<'_>> {
        let analysis = self.world.analysis(path, &self.cancel).map_err(|why| match why {
            Unavailable::Cancelled(_) => moved_on(),
            Unavailable::Unreadable(why) => Error::invalid_params(why.to_string()),
        })?;
        Ok(View { asked: self, analysis })
    }
}

impl Inner {
    fn asked(&self) -> Asked {
        Asked {
            world: self.workspace.world(),
            unit: self.unit.unwrap_or(Unit::Utf16),
            cancel: Cancel::default(),
            uris: Arc::clone(&self.uris),
            abilities: self.abilities.clone(),
        }
    }

    fn configure(&mut self) -> Vec<String> {
        let base = self.folders.first().cloned().unwrap_or_default();
        let (mut settings, complaints) = settings::read(&self.section, &base);
        settings.models = self.picks.iter().map(|(recipe, model)| (recipe.clone(), model.clone())).collect();
        self.workspace.configure(settings);
        complaints
    }

    fn documents_changed(&mut self) {
        let documents = self.documents.iter();
        let uris = documents.map(|(path, document)| (path.clone(), (document.uri.clone(), document.version)));
        self.uris = Arc::new(uris.collect());
    }

    /// Stops the requests about a document whose text has changed.
    fn stop(&mut self, path: &Path) {
        for request in self.running.remove(path).into_iter().flatten() {
            request.cancel();
        }
    }
}

fn unit(client: &ClientCapabilities) -> Unit {
    let offered = client.general.iter().flat_map(|general| general.position_encodings.iter().flatten());
    let mut known = offered.filter_map(|kind| match kind {
        kind if *kind == PositionEncodingKind::UTF8 => Some(Unit::Utf8),
        kind if *kind == PositionEncodingKind::UTF16 => Some(Unit::Utf16),
        kind if *kind == PositionEncodingKind::UTF32 => Some(Unit::Utf32),
        _ => None,
    });
    known.next().unwrap_or(Unit::Utf16)
}

fn abilities(client: &ClientCapabilities) -> Abilities {
    // Asked one by one on the JSON form: whatever is missing on the way is a no.
    let told = serde_json::to_value(client).unwrap_or_default();
    let can = |pointer: &str| told.pointer(pointer).is_some_and(|value| value != &Value::Bool(false));
    let on = |pointer: &str| told.pointer(pointer) == Some(&Value::Bool(true));
    Abilities {
        pulls: can("/textDocument/diagnostic"),
        refreshes: [
            on("/workspace/diagnostic/refreshSupport") || on("/workspace/diagnostics/refreshSupport"),
            on("/workspace/inlayHint/refreshSupport"),
            on("/workspace/codeLens/refreshSupport"),
            on("/workspace/semanticTokens/refreshSupport"),
        ],
        configuration: on("/workspace/configuration"),
        watches: on("/workspace/didChangeWatchedFiles/dynamicRegistration"),
        progress: on("/window/workDoneProgress"),
        snippets: on("/textDocument/completion/completionItem/snippetSupport"),
        versioned_edits: on("/workspace/workspaceEdit/documentChanges"),
        folds_lines: on("/textDocument/foldingRange/lineFoldingOnly"),
    }
}
