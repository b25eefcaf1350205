//! A recipe on disk with everything that belongs to it: the files it imports, the model it is for, what the
//! checker says. Every face that has files opens them here.

mod mend;
mod read;

use std::path::{Component, Path, PathBuf};

use crate::check::expectation::{self, Verdict};
use crate::check::{self, Analysis, Facts, Finding, Known, Severity, analyze_recipe};
use crate::model::Model;
use crate::plan::Plan;
use crate::recipe::{Loader, Place, Placed, Recipe, resolve};
use crate::scheme::Arithmetic;

pub use mend::{Mended, Unfinished, fix_elsewhere, fix_of, mend, mend_all, mend_with};
pub use read::{Disk, LARGEST_RECIPE, ProjectError, read_from, read_text, recipes_in};

/// The model of a project.
#[derive(Debug, Clone, Default)]
pub enum ProjectModel {
    /// The recipe names none, and none was given.
    #[default]
    None,
    /// Its headers.
    Open(Box<Model>),
    /// The one that the recipe names cannot be read; a finding says so too.
    Unreadable {
        /// Where it was looked for.
        path: PathBuf,
        /// Why, in words.
        why: String,
    },
}

/// A recipe with its model and everything that can be told about both.
#[derive(Debug, Clone)]
pub struct Project {
    /// The recipe's path as given.
    pub path: PathBuf,
    /// Its model.
    pub model: ProjectModel,
    /// The recipe, what it imports, its plan and its findings.
    pub analysis: Analysis,
}

/// What is known after a run and was not before.
#[derive(Debug, Clone, Default)]
pub struct AfterRun {
    /// What only the run could find.
    pub findings: Vec<Finding>,
    /// What is known now of each of `Recipe::expects`, in their order.
    pub verdicts: Vec<Verdict>,
}

impl AfterRun {
    /// What a run of a recipe on a model has added to what was `known`, from what it measured.
    pub fn new(recipe: &Recipe, model: &Model, known: &[Finding], facts: &Facts) -> AfterRun {
        let after = analyze_recipe(recipe.clone(), Known::Model(model), Some(facts));
        let context = check::context(&after.recipe, Known::Model(model), after.plan.as_ref(), Some(facts));
        let verdicts = expectation::verdicts(&context);
        let is_new = |finding: &Finding| !known.contains(finding);
        AfterRun { findings: after.findings.into_iter().filter(is_new).collect(), verdicts }
    }
}

/// What is given in place of what a recipe says.
#[derive(Debug, Clone, Copy, Default)]
pub struct Given<'a> {
    /// The model.
    pub model: Option<&'a Path>,
    /// Whose formulas hold.
    pub arithmetic: Option<Arithmetic>,
}

impl Project {
    /// Opens a recipe, with the model that it names or another one.
    ///
    /// # Errors
    /// When the recipe, or the model given here, cannot be read. That the recipe's own model cannot be read is a
    /// finding.
    pub fn open(path: &Path, given: &Given) -> Result<Project, ProjectError> {
        Project::with_text(path, &read_text(path)?, &Disk, given)
    }

    /// As [`Project::open`], for a text that is at hand: from standard input, or as an editor has it.
    ///
    /// # Errors
    /// When the model given here cannot be read.
    pub fn with_text(path: &Path, text: &str, loader: &dyn Loader, given: &Given) -> Result<Project, ProjectError> {
        let mut recipe = resolve(path, text, loader);
        if let Some(arithmetic) = given.arithmetic {
            recipe.arithmetic = Some(Placed::new(arithmetic, Place::default()));
        }
        let model = match given.model {
            Some(path) => ProjectModel::Open(Box::new(Model::open(path)?)),
            None => model_of(&recipe),
        };
        let known = match &model {
            ProjectModel::None => Known::Nothing,
            ProjectModel::Open(model) => Known::Model(model),
            ProjectModel::Unreadable { why, .. } => Known::Unreadable(why),
        };
        let analysis = analyze_recipe(recipe, known, None);
        Ok(Project { path: path.to_path_buf(), model, analysis })
    }

    /// The recipe.
    pub fn recipe(&self) -> &Recipe {
        &self.analysis.recipe
    }

    /// What the checker found.
    pub fn findings(&self) -> &[Finding] {
        &self.analysis.findings
    }

    /// The text of the recipe itself.
    pub fn text(&self) -> &str {
        self.recipe().sources.first().map_or("", |source| &source.text)
    }

    /// The model and what becomes of it, where there is one.
    pub fn planned(&self) -> Option<(&Model, &Plan)> {
        match &self.model {
            ProjectModel::Open(model) => Some((model, self.analysis.plan.as_ref()?)),
            _ => None,
        }
    }

    /// What a run has added to what was known, from what it measured.
    pub fn after_run(&self, facts: &Facts) -> AfterRun {
        let Some((model, _)) = self.planned() else { return AfterRun::default() };
        AfterRun::new(self.recipe(), model, self.findings(), facts)
    }

    /// Every file that the findings depend on: the recipe, its imports, the files of its model. Those that do
    /// not exist yet are named too.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut files = self.recipe().files();
        match &self.model {
            ProjectModel::None => {}
            ProjectModel::Open(model) => files.extend(model.all_files()),
            ProjectModel::Unreadable { path, .. } => files.push(path.clone()),
        }
        files
    }
}

/// Opens the model that a recipe names. Its path counts from the file that names it.
fn model_of(recipe: &Recipe) -> ProjectModel {
    let Some(path) = model_path(recipe) else { return ProjectModel::None };
    match Model::open(&path) {
        Ok(model) => ProjectModel::Open(Box::new(model)),
        Err(error) => ProjectModel::Unreadable { path, why: error.to_string() },
    }
}

/// The path of the model that a recipe names, joined to the directory of the file that names it.
pub fn model_path(recipe: &Recipe) -> Option<PathBuf> {
    recipe.model.as_ref().map(|named| recipe.path(named))
}

/// A path as it is named from a directory, where both lie under one; absolute where they do not. A recipe
/// in that directory can name it so.
pub fn relative(path: &Path, directory: &Path) -> PathBuf {
    let resolved = |path: &Path| {
        let path = if path == Path::new("") { Path::new(".") } else { path };
        path.canonicalize().ok()
    };
    let (Some(to), Some(from)) = (resolved(path), resolved(directory)) else { return path.to_path_buf() };
    let common = to.components().zip(from.components()).take_while(|(a, b)| a == b).count();
    if path.is_absolute() || common <= 1 {
        return to;
    }
    let up = from.components().skip(common).map(|_| Component::ParentDir);
    up.chain(to.components().skip(common)).collect()
}

/// How many findings there are of each severity, and how many have a fix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Errors.
    pub errors: usize,
    /// Warnings.
    pub warnings: usize,
    /// Hints.
    pub hints: usize,
    /// Those that `--fix` mends.
    pub fixable: usize,
    /// Those that it mends only with `--unsafe-fixes`.
    pub unsafely_fixable: usize,
    /// Those that have a fix in an imported file, which is mended as a recipe of its own.
    pub fixable_elsewhere: usize,
}

impl Counts {
    /// The same, for where nothing is said of fixes.
    pub fn without_fixes(self) -> Counts {
        Counts { fixable: 0, unsafely_fixable: 0, fixable_elsewhere: 0, ..self }
    }

    /// Counts findings.
    pub fn of<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Counts {
        let mut counts = Counts::default();
        for finding in findings {
            match finding.severity {
                Severity::Error => counts.errors += 1,
                Severity::Warning => counts.warnings += 1,
                Severity::Hint => counts.hints += 1,
            }
            if fix_of(finding, false).is_some() {
                counts.fixable += 1;
            } else if fix_of(finding, true).is_some() {
                counts.unsafely_fixable += 1;
            } else if fix_elsewhere(finding).is_some() {
                counts.fixable_elsewhere += 1;
            }
        }
        counts
    }
}
