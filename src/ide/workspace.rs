//! Open documents over the files of a disk, and the analyses made of them.
//!
//! A [`Workspace`] is what notifications change; a [`World`] is one state of it, which requests hold while it moves
//! on. An analysis that a change does not concern is handed on to the next world.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use thiserror::Error;

use super::models::Models;
use super::{Analysis, Cancel, Cancelled, ModelState, Settings};
use crate::check::{self, Known};
use crate::model::Model;
use crate::project::{Disk, ProjectError, model_path, read_text};
use crate::recipe::{Loader, Recipe, resolve};

/// Recipes that are found in the folders of a workspace, and directories that are looked through for them.
const MOST_RECIPES: usize = 5_000;
const MOST_DIRECTORIES: usize = 20_000;

/// Why there is no analysis.
#[derive(Debug, Error)]
pub enum Unavailable {
    /// Nobody waits for it any longer.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// The recipe is not open and cannot be read.
    #[error(transparent)]
    Unreadable(#[from] ProjectError),
}

/// Open documents, folders and settings, as they change. Cheap to clone: clones go their own ways.
#[derive(Debug, Clone, Default)]
pub struct Workspace {
    world: World,
}

/// One state of a workspace. Cheap to clone; nothing changes it.
#[derive(Debug, Clone, Default)]
pub struct World(Arc<State>);

/// The analysis of a recipe, once it is made. Whoever asks first makes it, the others wait.
type Slot = Arc<Mutex<Option<Arc<Analysis>>>>;

#[derive(Debug, Default)]
struct State {
    revision: u64,
    /// By the form of the path in which two names of one file are equal.
    documents: HashMap<Arc<Path>, Arc<Document>>,
    folders: Arc<[PathBuf]>,
    settings: Arc<Settings>,
    models: Arc<Models>,
    slots: Mutex<HashMap<PathBuf, Slot>>,
}

#[derive(Debug)]
struct Document {
    /// As the editor names it.
    path: PathBuf,
    text: Arc<str>,
}

impl Workspace {
    /// An empty workspace.
    pub fn new() -> Workspace {
        Workspace::default()
    }

    /// The state as it is now.
    pub fn world(&self) -> World {
        self.world.clone()
    }

    /// Opens a document, or changes its text: what the editor has counts, not the file.
    pub fn open(&mut self, path: &Path, text: impl Into<Arc<str>>) {
        let key = canonical(path);
        let mut documents = self.world.0.documents.clone();
        documents.insert(Arc::from(key.as_path()), Arc::new(Document { path: path.to_owned(), text: text.into() }));
        self.next(|state| state.documents = documents, |analysis| !analysis.depends_on(&key));
    }

    /// Closes a document: from now on its file counts.
    pub fn close(&mut self, path: &Path) {
        let key = canonical(path);
        let mut documents = self.world.0.documents.clone();
        documents.remove(key.as_path());
        self.next(|state| state.documents = documents, |analysis| !analysis.depends_on(&key));
    }

    /// Sets the folders in which recipes are looked for.
    pub fn set_folders(&mut self, folders: Vec<PathBuf>) {
        self.next(|state| state.folders = folders.into(), |_| true);
    }

    /// Sets what the user has chosen.
    pub fn configure(&mut self, settings: Settings) {
        self.next(|state| state.settings = Arc::new(settings), |_| false);
    }

    /// Says that files have changed outside of the editor; what depends on them is analysed anew.
    pub fn changed_on_disk(&mut self, paths: &[PathBuf]) {
        let keys: Vec<PathBuf> = paths.iter().map(|path| canonical(path)).collect();
        self.next(|_| {}, |analysis| !keys.iter().any(|key| analysis.depends_on(key)));
    }

    /// Forgets every analysis: for clients that do not say what has changed on the disk.
    pub fn refresh(&mut self) {
        self.next(|_| {}, |_| false);
    }

    /// Lets a model stand for a path, whatever lies there.
    pub fn give_model(&mut self, path: &Path, model: Model) {
        self.world.0.models.give(path, model);
        self.refresh();
    }

    /// Makes the next world, with the analyses that `stays` keeps.
    fn next(&mut self, change: impl FnOnce(&mut State), stays: impl Fn(&Analysis) -> bool) {
        let old = &self.world.0;
        let done = |slot: &Slot| slot.try_lock().ok().and_then(|done| done.clone()).filter(|done| stays(done));
        let slots = lock(&old.slots);
        let kept =
            slots.iter().filter_map(|(path, slot)| Some((path.clone(), Arc::new(Mutex::new(Some(done(slot)?))))));
        let mut state = State {
            revision: old.revision + 1,
            documents: old.documents.clone(),
            folders: Arc::clone(&old.folders),
            settings: Arc::clone(&old.settings),
            models: Arc::clone(&old.models),
            slots: Mutex::new(kept.collect()),
        };
        drop(slots);
        change(&mut state);
        self.world = World(Arc::new(state));
    }
}

impl World {
    /// A number that grows with every change.
    pub fn revision(&self) -> u64 {
        self.0.revision
    }

    /// What the user has chosen.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// The text of an open document.
    pub fn text(&self, path: &Path) -> Option<Arc<str>> {
        self.0.documents.get(canonical(path).as_path()).map(|document| Arc::clone(&document.text))
    }

    /// The paths of the open documents, as they were given, in order.
    pub fn open_documents(&self) -> Vec<&Path> {
        let mut paths: Vec<&Path> = self.0.documents.values().map(|document| document.path.as_path()).collect();
        paths.sort();
        paths
    }

    /// Every recipe: the open documents, and the files of the folders. Hidden directories are passed over.
    pub fn recipes(&self) -> Vec<PathBuf> {
        let mut recipes: Vec<PathBuf> = self.open_documents().into_iter().map(Path::to_owned).collect();
        let mut directories: Vec<PathBuf> = self.0.folders.to_vec();
        let mut looked_at = 0;
        while let Some(directory) = directories.pop() {
            looked_at += 1;
            if looked_at > MOST_DIRECTORIES || recipes.len() >= MOST_RECIPES {
                break;
            }
            for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
                let path = entry.path();
                let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
                // Links to directories are not followed: they may lead back.
                let is_recipe = || path.extension() == Some(OsStr::new("bitmill"));
                let is_open = || self.0.documents.contains_key(canonical(&path).as_path());
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() && !hidden => directories.push(path),
                    Ok(kind) if !kind.is_dir() && is_recipe() && !is_open() => recipes.push(path),
                    _ => {}
                }
            }
        }
        recipes.sort();
        recipes
    }

    /// The analysis of a recipe, open or on the disk: made once for a world, and kept by the next one where nothing
    /// that it depends on has changed.
    ///
    /// # Errors
    /// When the recipe cannot be read, or the answer is no longer wanted.
    pub fn analysis(&self, path: &Path, cancel: &Cancel) -> Result<Arc<Analysis>, Unavailable> {
        let key = canonical(path);
        let slot = Arc::clone(lock(&self.0.slots).entry(key.clone()).or_default());
        let mut done = lock(&slot);
        let text = match self.0.documents.get(key.as_path()) {
            Some(document) => Arc::clone(&document.text),
            None => Arc::from(read_text(path)?),
        };
        if let Some(analysis) = done.as_ref().filter(|analysis| analysis.text() == &*text) {
            return Ok(Arc::clone(analysis));
        }
        cancel.check()?;
        let analysis = self.analyse(path, &text, cancel)?;
        *done = Some(Arc::clone(&analysis));
        Ok(analysis)
    }

    /// Analyses a text as if it were the document of that path. The answer depends on nothing but the arguments and
    /// this world with its files.
    ///
    /// # Errors
    /// When the answer is no longer wanted.
    pub fn analyse(&self, path: &Path, text: &str, cancel: &Cancel) -> Result<Arc<Analysis>, Cancelled> {
        let recipe = resolve(path, text, self);
        cancel.check()?;
        let (model, looked_for) = self.model_of(path, &recipe);
        cancel.check()?;
        let known = match &model {
            ModelState::None => Known::Nothing,
            ModelState::Open(open) => Known::Model(&open.model),
            ModelState::Unreadable { why, .. } => Known::Unreadable(why),
        };
        let recipe = check::with_defaults(recipe, known);
        let plan = match model.open() {
            Some(open) => Some(open.plan(&recipe, cancel).ok_or(Cancelled)?),
            None => None,
        };
        cancel.check()?;
        let context = check::context(&recipe, known, plan.as_ref(), None);
        let findings = check::check_until(&context, &|| cancel.is_cancelled()).ok_or(Cancelled)?;
        let checked = check::Analysis { recipe, plan, findings };
        let settings = Arc::clone(&self.0.settings);
        Ok(Arc::new(Analysis::new(path.to_owned(), checked, model, looked_for, settings)))
    }

    /// The model that a recipe is for, and the paths that decide which it is.
    fn model_of(&self, path: &Path, recipe: &Recipe) -> (ModelState, Vec<PathBuf>) {
        let settings = &self.0.settings;
        let chosen = settings.models.get(path).cloned();
        let named = chosen.or_else(|| model_path(recipe)).or_else(|| settings.default_model.clone());
        let Some(named) = named else { return (ModelState::None, Vec::new()) };
        let mut places = vec![named];
        if let Some(written) = recipe.model.as_ref().filter(|_| !settings.models.contains_key(path)) {
            places.extend(settings.model_paths.iter().map(|directory| directory.join(&written.value)));
        }
        let found = places.iter().position(|place| self.0.models.has(place)).unwrap_or(0);
        let place = places[found].clone();
        places.truncate(found + 1);
        let state = match self.0.models.open(&place) {
            Ok(model) => ModelState::Open(model),
            Err(why) => ModelState::Unreadable { path: place, why },
        };
        (state, places)
    }
}

impl Loader for World {
    fn load(&self, path: &Path) -> io::Result<String> {
        match self.text(path) {
            Some(text) => Ok(text.to_string()),
            None => Disk.load(path),
        }
    }

    fn canonical(&self, path: &Path) -> PathBuf {
        canonical(path)
    }
}

/// What a thread that panicked has left is whole: entries are put in one step.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A path in the form in which two names of one file are equal; of a file that is not there yet, as far as its
/// directory goes.
pub(super) fn canonical(path: &Path) -> PathBuf {
    if let Ok(found) = path.canonicalize() {
        return found;
    }
    match (path.parent().and_then(|parent| parent.canonicalize().ok()), path.file_name()) {
        (Some(parent), Some(name)) => parent.join(name),
        _ => lexical(path),
    }
}

/// A path without `.` and `..`, as far as its text tells.
fn lexical(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if plain.file_name().is_some() => _ = plain.pop(),
            other => plain.push(other),
        }
    }
    plain
}
