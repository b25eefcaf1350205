//! What a session is: a recipe that is being written, anchored at a directory, with its model and its past.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::Failure;
use crate::ide::{Analysis, Cancel, Cancelled, ModelState, OpenModel, Settings, Workspace, World};
use crate::project::{ProjectError, read_text};

/// How answers are shown: what a session remembers for its face.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Display {
    /// With the time that things took.
    pub time: bool,
    /// As JSON, one object a line.
    pub json: bool,
}

/// A state of a session. Nothing changes it: a line makes another one of it, so that what is given up halfway has done
/// nothing.
#[derive(Debug, Clone)]
pub struct State {
    workspace: Workspace,
    path: PathBuf,
    /// What its file held when it was last read or written; `None` for a recipe that has no file.
    on_disk: Option<Arc<str>>,
    analysis: Arc<Analysis>,
    /// As it was loaded, saved or begun.
    base: Arc<Analysis>,
    past: Vec<Version>,
    future: Vec<Version>,
    stamps: Vec<Stamp>,
    /// The model that stands in for the recipe's own.
    model: Option<PathBuf>,
    /// How answers are shown.
    pub display: Display,
}

/// The recipe as it was at some time.
#[derive(Debug, Clone)]
struct Version {
    path: PathBuf,
    on_disk: Option<Arc<str>>,
    text: Arc<str>,
}

/// A file by what changes when it is written.
type Stamp = (PathBuf, Option<(u64, Option<SystemTime>)>);

/// What messages call a recipe that has no file.
pub const UNNAMED: &str = "<prompt>";

/// Texts that `:undo` brings back.
const MOST_PAST: usize = 1000;

impl State {
    /// Begins a session: with the recipe of a file, or an empty one, and perhaps a model in place of the recipe's own.
    ///
    /// # Errors
    /// When the recipe or that model cannot be read.
    pub fn begin(recipe: Option<&Path>, model: Option<&Path>, display: Display) -> Result<State, Failure> {
        let (path, text) = match recipe {
            Some(path) => (path.to_path_buf(), Some(Arc::<str>::from(read_text(path)?))),
            None => (PathBuf::from(UNNAMED), None),
        };
        let workspace = workspace(&path, model);
        let written = text.clone().unwrap_or_default();
        let analysis =
            workspace.world().analyse(&path, &written, &Cancel::default()).map_err(|_| Failure::stopped())?;
        if let (Some(_), ModelState::Unreadable { why, .. }) = (model, analysis.model_state()) {
            return Err(Failure::new(why.to_string()));
        }
        Ok(State {
            workspace,
            path,
            on_disk: text,
            base: Arc::clone(&analysis),
            stamps: stamps(&analysis),
            analysis,
            past: Vec::new(),
            future: Vec::new(),
            model: model.map(Path::to_path_buf),
            display,
        })
    }

    /// The recipe with everything that is known of it.
    pub fn analysis(&self) -> &Arc<Analysis> {
        &self.analysis
    }

    /// The recipe as it was loaded, saved or begun.
    pub fn base(&self) -> &Arc<Analysis> {
        &self.base
    }

    /// The text of the recipe.
    pub fn text(&self) -> &str {
        self.analysis.text()
    }

    /// What messages call the recipe: its file, or [`UNNAMED`].
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its file, where it has one.
    pub fn file(&self) -> Option<&Path> {
        self.on_disk.as_ref().map(|_| self.path.as_path())
    }

    /// What its file held when it was last read or written.
    pub fn on_disk(&self) -> Option<&str> {
        self.on_disk.as_deref()
    }

    /// Whether there is something that no file holds.
    pub fn is_unsaved(&self) -> bool {
        self.text() != self.on_disk.as_deref().unwrap_or("")
    }

    /// The model that stands in for the recipe's own.
    pub fn given_model(&self) -> Option<&Path> {
        self.model.as_deref()
    }

    /// The world in which texts are analysed.
    pub fn world(&self) -> World {
        self.workspace.world()
    }

    /// Analyses a text as if it were the recipe.
    ///
    /// # Errors
    /// When the answer is no longer wanted.
    pub fn analyse(&self, text: &str, cancel: &Cancel) -> Result<Arc<Analysis>, Cancelled> {
        self.world().analyse(&self.path, text, cancel)
    }

    /// The model.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn open_model(&self) -> Result<&Arc<OpenModel>, Failure> {
        match self.analysis.model_state() {
            ModelState::Open(model) => Ok(model),
            ModelState::Unreadable { why, .. } => {
                Err(Failure::new(why.to_string()).help("`model \"PATH\"` names another one, `:model PATH` tries one"))
            }
            ModelState::None => Err(Failure::new("there is no model")
                .help("`model \"PATH\"` names one in the recipe, `:model PATH` tries one without writing it down")),
        }
    }

    /// With another text, which can be taken back.
    pub(super) fn with(&self, analysis: Arc<Analysis>) -> State {
        let mut next = self.clone();
        if analysis.text() != self.text() {
            next.past.push(self.version());
            if next.past.len() > MOST_PAST {
                next.past.remove(0);
            }
            next.future.clear();
        }
        next.replace(analysis);
        next
    }

    /// With what is now known of the same text.
    pub(super) fn seen_again(&self, analysis: Arc<Analysis>) -> State {
        let mut next = self.clone();
        next.replace(analysis);
        next
    }

    fn replace(&mut self, analysis: Arc<Analysis>) {
        self.stamps = stamps(&analysis);
        self.analysis = analysis;
    }

    fn version(&self) -> Version {
        Version { path: self.path.clone(), on_disk: self.on_disk.clone(), text: Arc::from(self.text()) }
    }

    /// With the last change taken back; `None` where there is none.
    ///
    /// # Errors
    /// When the answer is no longer wanted.
    pub(super) fn undone(&self, cancel: &Cancel) -> Result<Option<State>, Cancelled> {
        let mut next = self.clone();
        let Some(version) = next.past.pop() else { return Ok(None) };
        next.future.push(self.version());
        next.become_again(version, cancel)?;
        Ok(Some(next))
    }

    /// With the change made again that was taken back last; `None` where there is none.
    ///
    /// # Errors
    /// When the answer is no longer wanted.
    pub(super) fn redone(&self, cancel: &Cancel) -> Result<Option<State>, Cancelled> {
        let mut next = self.clone();
        let Some(version) = next.future.pop() else { return Ok(None) };
        next.past.push(self.version());
        next.become_again(version, cancel)?;
        Ok(Some(next))
    }

    fn become_again(&mut self, version: Version, cancel: &Cancel) -> Result<(), Cancelled> {
        let Version { path, on_disk, text } = version;
        // A new world would open the model again, and every weight of it would be another one.
        if path != self.path {
            self.workspace = workspace(&path, self.model.as_deref());
        }
        (self.path, self.on_disk) = (path, on_disk);
        let analysis = self.analyse(&text, cancel)?;
        self.replace(analysis);
        Ok(())
    }

    /// With the recipe of another file.
    ///
    /// # Errors
    /// When the answer is no longer wanted.
    pub(super) fn loaded(&self, path: &Path, text: &str, cancel: &Cancel) -> Result<State, Cancelled> {
        let workspace = workspace(path, self.model.as_deref());
        let analysis = workspace.world().analyse(path, text, cancel)?;
        let mut next = self.with(Arc::clone(&analysis));
        (next.workspace, next.path, next.on_disk) = (workspace, path.to_path_buf(), Some(Arc::from(text)));
        next.base = analysis;
        Ok(next)
    }

    /// With what its file holds now, and perhaps more behind it.
    pub(super) fn taken_over(&self, on_disk: &str, analysis: Arc<Analysis>) -> State {
        let mut next = self.with(Arc::clone(&analysis));
        if on_disk == analysis.text() {
            next.base = analysis;
        }
        next.on_disk = Some(Arc::from(on_disk));
        next
    }

    /// Once the text has been written to a file. What it was before stays, with the paths that `moved` gives it.
    ///
    /// # Errors
    /// When the answer is no longer wanted.
    pub(super) fn saved(
        &self,
        path: &Path,
        text: &str,
        moved: impl Fn(&str) -> String,
        cancel: &Cancel,
    ) -> Result<State, Cancelled> {
        let mut next = self.clone();
        next.workspace = workspace(path, self.model.as_deref());
        let analysis = next.workspace.world().analyse(path, text, cancel)?;
        let on_disk: Arc<str> = Arc::from(text);
        for version in next.past.iter_mut().chain(&mut next.future).filter(|version| version.path == self.path) {
            *version = Version {
                path: path.to_path_buf(),
                on_disk: Some(Arc::clone(&on_disk)),
                text: Arc::from(moved(&version.text)),
            };
        }
        (next.path, next.on_disk, next.base) = (path.to_path_buf(), Some(on_disk), Arc::clone(&analysis));
        next.replace(analysis);
        Ok(next)
    }

    /// With a model in place of the recipe's own, or with that again.
    ///
    /// # Errors
    /// When the answer is no longer wanted.
    pub(super) fn with_model(&self, model: Option<&Path>, cancel: &Cancel) -> Result<State, Cancelled> {
        let mut next = self.clone();
        next.model = model.map(Path::to_path_buf);
        next.workspace = workspace(&self.path, model);
        let analysis = next.workspace.world().analyse(&self.path, self.text(), cancel)?;
        next.replace(analysis);
        Ok(next)
    }

    /// Whether one of the files that the answers depend on is no longer as it was.
    pub fn is_outdated(&self) -> bool {
        self.stamps.iter().any(|(path, was)| stamp(path) != *was)
    }
}

/// A world in which a recipe has a model.
fn workspace(path: &Path, model: Option<&Path>) -> Workspace {
    let mut workspace = Workspace::new();
    if let Some(model) = model {
        let models = [(path.to_path_buf(), model.to_path_buf())].into();
        workspace.configure(Settings { models, ..Settings::default() });
    }
    workspace
}

fn stamps(analysis: &Analysis) -> Vec<Stamp> {
    analysis
        .files()
        .into_iter()
        .filter(|path| path != Path::new(UNNAMED))
        .map(|path| (stamp(&path), path))
        .map(|(s, p)| (p, s))
        .collect()
}

fn stamp(path: &Path) -> Option<(u64, Option<SystemTime>)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.len(), metadata.modified().ok()))
}

impl From<ProjectError> for Failure {
    fn from(error: ProjectError) -> Failure {
        let help = error.help();
        Failure { message: error.to_string(), help }
    }
}
