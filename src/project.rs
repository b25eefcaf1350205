//! A recipe on disk with everything that belongs to it: the files it imports, the model it is for, what the
//! checker says. Every face that has files opens them here.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use thiserror::Error;

use crate::check::expectation::{self, Verdict};
use crate::check::{self, Analysis, Edit, Facts, Finding, Fix, Known, Severity, analyze_recipe, fix};
use crate::model::{Model, ModelError};
use crate::nearest::nearest_beside;
use crate::plan::Plan;
use crate::recipe::{FileId, Loader, Place, Placed, Recipe, resolve};
use crate::scheme::Arithmetic;

/// Most bytes of a recipe: more is a mistaken file, not a recipe.
pub const LARGEST_RECIPE: u64 = 64 << 20;

/// Why a recipe or its model cannot be read.
#[derive(Debug, Error)]
pub enum ProjectError {
    /// There is no such file.
    #[error("{}: there is no such file", path.display())]
    Missing {
        /// As given.
        path: PathBuf,
        /// A file beside it with nearly the same name.
        nearest: Option<PathBuf>,
    },
    /// A directory is where a recipe should be.
    #[error("{}: is a directory, not a recipe", .0.display())]
    Directory(PathBuf),
    /// Bytes that are no text.
    #[error("{}:{line}:{column}: is not UTF-8 text: byte {offset} is {byte:#04x}", path.display())]
    NotUtf8 {
        /// As given.
        path: PathBuf,
        /// Where, in bytes from the start.
        offset: usize,
        /// The byte there.
        byte: u8,
        /// Its line, counted from 1.
        line: usize,
        /// Its column in characters, counted from 1.
        column: usize,
    },
    /// More bytes than a recipe has.
    #[error("{}: is larger than the {} MB that a recipe may have", .0.display(), LARGEST_RECIPE >> 20)]
    TooLarge(PathBuf),
    /// Whatever else the system says.
    #[error("{}: cannot be read: {source}", path.display())]
    Io {
        /// As given.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The model that was asked for cannot be read.
    #[error(transparent)]
    Model(#[from] ModelError),
}

impl ProjectError {
    /// What to do about it, where something can be said.
    pub fn help(&self) -> Option<String> {
        match self {
            ProjectError::Missing { nearest: Some(near), .. } => {
                Some(format!("there is {}, with nearly that name", near.display()))
            }
            ProjectError::Directory(path) => Some(match recipes_in(path).as_slice() {
                [] => "name a recipe, a file that ends in .bitmill".to_string(),
                [first, ..] => format!("name a recipe in it, such as {}", first.display()),
            }),
            ProjectError::NotUtf8 { byte, .. } => Some(match byte {
                0xfe | 0xff => "save it as UTF-8; it looks like UTF-16".to_string(),
                _ => "save it as UTF-8, or name the recipe and not the model".to_string(),
            }),
            _ => None,
        }
    }
}

/// The recipes directly in a directory, sorted by name.
pub fn recipes_in(directory: &Path) -> Vec<PathBuf> {
    let directory = if directory == Path::new("") { Path::new(".") } else { directory };
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let paths = entries.flatten().map(|entry| entry.path());
    let is_recipe = |path: &PathBuf| path.extension().is_some_and(|e| e == "bitmill") && path.is_file();
    let mut recipes: Vec<PathBuf> = paths.filter(is_recipe).collect();
    recipes.sort();
    recipes.into_iter().map(|path| path.strip_prefix(".").map(Path::to_path_buf).unwrap_or(path)).collect()
}

/// Reads the text of a recipe.
///
/// # Errors
/// See [`ProjectError`].
pub fn read_text(path: &Path) -> Result<String, ProjectError> {
    let io = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => ProjectError::Missing {
            path: path.to_path_buf(),
            nearest: nearest_beside(path).map(|name| path.with_file_name(name)),
        },
        io::ErrorKind::IsADirectory => ProjectError::Directory(path.to_path_buf()),
        _ => ProjectError::Io { path: path.to_path_buf(), source },
    };
    let file = File::open(path).map_err(io)?;
    if file.metadata().map_err(io)?.is_dir() {
        return Err(ProjectError::Directory(path.to_path_buf()));
    }
    read_from(path, file)
}

/// Reads the text of a recipe from a stream, such as standard input; `path` is what messages call it.
///
/// # Errors
/// See [`ProjectError`].
pub fn read_from(path: &Path, stream: impl Read) -> Result<String, ProjectError> {
    let mut bytes = Vec::new();
    let read = stream.take(LARGEST_RECIPE + 1).read_to_end(&mut bytes);
    read.map_err(|source| ProjectError::Io { path: path.to_path_buf(), source })?;
    if bytes.len() as u64 > LARGEST_RECIPE {
        return Err(ProjectError::TooLarge(path.to_path_buf()));
    }
    String::from_utf8(bytes).map_err(|error| {
        let offset = error.utf8_error().valid_up_to();
        let bytes = error.as_bytes();
        let before = String::from_utf8_lossy(&bytes[..offset]);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        ProjectError::NotUtf8 {
            path: path.to_path_buf(),
            offset,
            byte: bytes.get(offset).copied().unwrap_or(0),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    })
}

/// Recipes on disk.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

impl Loader for Disk {
    fn load(&self, path: &Path) -> io::Result<String> {
        read_text(path).map_err(|error| match error {
            ProjectError::Missing { .. } => io::Error::new(io::ErrorKind::NotFound, "there is no such file"),
            ProjectError::Directory(_) => io::Error::new(io::ErrorKind::IsADirectory, "it is a directory"),
            ProjectError::NotUtf8 { offset, byte, .. } => io::Error::new(
                io::ErrorKind::InvalidData,
                format!("it is not UTF-8 text: byte {offset} is {byte:#04x}"),
            ),
            ProjectError::TooLarge(_) => io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than any recipe"),
            ProjectError::Io { source, .. } => source,
            ProjectError::Model(error) => io::Error::other(error.to_string()),
        })
    }

    fn canonical(&self, path: &Path) -> PathBuf {
        path.canonicalize().unwrap_or_else(|_| path.to_path_buf())
    }
}

/// Recipes on disk, some of them with a text that is still to be written there.
#[derive(Debug, Clone, Default)]
struct Pending {
    texts: HashMap<PathBuf, String>,
}

impl Pending {
    /// Lets a path stand for a text.
    fn put(&mut self, path: &Path, text: String) {
        self.texts.insert(Disk.canonical(path), text);
    }

    fn text(&self, path: &Path) -> Option<&str> {
        self.texts.get(&Disk.canonical(path)).map(String::as_str)
    }
}

impl Loader for Pending {
    fn load(&self, path: &Path) -> io::Result<String> {
        self.text(path).map_or_else(|| Disk.load(path), |text| Ok(text.to_owned()))
    }

    fn canonical(&self, path: &Path) -> PathBuf {
        Disk.canonical(path)
    }
}

/// The order in which recipes, given with their texts, are to be mended: each behind those that it imports, since what
/// is wrong with it may be their mistake. Indices into `recipes`.
fn imports_first(recipes: &[(PathBuf, String)], loader: &dyn Loader) -> Vec<usize> {
    let mut order: Vec<usize> = (0..recipes.len()).collect();
    // The texts of what a recipe imports are all among its own.
    order.sort_by_cached_key(|&index| {
        let (path, text) = &recipes[index];
        resolve(path, text, loader).sources.len()
    });
    order
}

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

/// A text after its fixes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mended {
    /// The text.
    pub text: String,
    /// What was done, in order.
    pub applied: Vec<String>,
    /// Whether it was given up with fixes left: they bring each other back.
    pub is_unfinished: bool,
}

/// Rounds of fixing after which it is given up: a fix whose finding comes back would go on for ever.
const MOST_ROUNDS: usize = 20;

/// Applies the fixes of a recipe's findings, again and again until none is left. Only the recipe itself is
/// changed, not what it imports.
///
/// # Errors
/// As [`Project::with_text`].
pub fn mend(
    path: &Path,
    text: &str,
    loader: &dyn Loader,
    given: &Given,
    unsafe_too: bool,
) -> Result<Mended, ProjectError> {
    mend_with(text, unsafe_too, |text| Ok(Project::with_text(path, text, loader, given)?.analysis.findings))
}

/// Mends recipes, given with their texts: each behind those that it imports, and with them as they are by then. `keep`
/// is given the index of a recipe, its text before, and what came of it, and says whether it holds for those that
/// follow.
///
/// # Errors
/// As [`mend`], and those of `keep`.
pub fn mend_all<E: From<ProjectError>>(
    recipes: &[(PathBuf, String)],
    given: &Given,
    unsafe_too: bool,
    mut keep: impl FnMut(usize, &str, Mended) -> Result<bool, E>,
) -> Result<(), E> {
    let mut pending = Pending::default();
    for index in imports_first(recipes, &Disk) {
        let (path, text) = &recipes[index];
        // One that is named twice has been mended since.
        let text = pending.text(path).unwrap_or(text).to_owned();
        let mended = mend(path, &text, &pending, given, unsafe_too)?;
        let after = mended.text.clone();
        if keep(index, &text, mended)? {
            pending.put(path, after);
        }
    }
    Ok(())
}

/// As [`mend`], with whatever tells the findings of a text.
///
/// # Errors
/// Those of `findings_of`.
pub fn mend_with<E>(
    text: &str,
    unsafe_too: bool,
    mut findings_of: impl FnMut(&str) -> Result<Vec<Finding>, E>,
) -> Result<Mended, E> {
    let mut mended = Mended { text: text.to_string(), applied: Vec::new(), is_unfinished: false };
    for round in 0.. {
        let findings = findings_of(&mended.text)?;
        let fixes = chosen(&findings, unsafe_too);
        let edits: Vec<&Edit> = fixes.iter().flat_map(|fix| &fix.edits).collect();
        let (text, applied) = fix::apply(&mended.text, FileId(0), &edits);
        if applied == 0 || text == mended.text {
            break;
        }
        if round == MOST_ROUNDS {
            mended.is_unfinished = true;
            break;
        }
        mended.text = text;
        mended.applied.extend(fixes.iter().map(|fix| fix.title.clone()));
    }
    Ok(mended)
}

/// The fix that mending would apply to a finding, if any.
pub fn fix_of(finding: &Finding, unsafe_too: bool) -> Option<&Fix> {
    let here = |fix: &&Fix| !fix.edits.is_empty() && fix.edits.iter().all(|edit| edit.place.file == FileId(0));
    let safe = finding.fixes.iter().filter(here).find(|fix| fix.safe);
    safe.or_else(|| finding.fixes.iter().filter(here).find(|_| unsafe_too))
}

/// The imported file that a fix of a finding changes, where mending the recipe itself would change nothing: the
/// first fix, and the file.
pub fn fix_elsewhere(finding: &Finding) -> Option<(&Fix, FileId)> {
    let fix = finding.fixes.first().filter(|_| fix_of(finding, true).is_none())?;
    let file = fix.edits.first()?.place.file;
    (file != FileId(0) && fix.edits.iter().all(|edit| edit.place.file == file)).then_some((fix, file))
}

/// One fix for each finding that has one, leaving out those that clash with an earlier one, and those that have to wait
/// until what is broken is mended.
fn chosen(findings: &[Finding], unsafe_too: bool) -> Vec<&Fix> {
    // What a broken line or a missing file defines or uses is not known before it is mended: a name that seems to be
    // unknown may be defined there, a scheme that seems to be unused may be used.
    let breaks = |finding: &&Finding| matches!(finding.code, "syntax" | "import-missing");
    let is_about_names = |finding: &&Finding| matches!(finding.code, "unknown-part" | "scheme-unused");
    let can_mend = |finding: &&Finding| fix_of(finding, unsafe_too).is_some();
    let is_broken = findings.iter().any(|finding| breaks(&finding));
    let is_first = findings.iter().filter(breaks).any(|finding| can_mend(&finding));
    let findings = findings.iter().filter(|finding| match is_first {
        true => breaks(finding),
        false => !(is_broken && is_about_names(finding)),
    });
    let mut fixes: Vec<&Fix> = Vec::new();
    let mut taken: BTreeSet<(u32, u32)> = BTreeSet::new();
    for fix in findings.filter_map(|finding| fix_of(finding, unsafe_too)) {
        let spans = || fix.edits.iter().map(|edit| (edit.place.span.start, edit.place.span.end));
        if !spans().any(|span| clashes(&taken, span)) {
            taken.extend(spans());
            fixes.push(fix);
        }
    }
    fixes
}

/// Whether a span is or overlaps one of several that do not overlap each other.
fn clashes(taken: &BTreeSet<(u32, u32)>, (start, end): (u32, u32)) -> bool {
    let before = taken.range(..(start, 0)).next_back().is_some_and(|old| start < old.1);
    let mut behind = taken.range((start, 0)..).take_while(|old| old.0 < end || **old == (start, end));
    before || behind.any(|old| *old == (start, end) || start < old.1)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::NoImports;

    fn mended(text: &str, unsafe_too: bool) -> Mended {
        mend(Path::new("a.bitmill"), text, &NoImports, &Given::default(), unsafe_too).unwrap()
    }

    /// `w4` is no misspelt `w8`: a line that does not parse yet defines it.
    #[test]
    fn names_wait_for_lines_that_define_them() {
        let text =
            "target iOS18\nscheme w8 = int8 per-channel\nshceme w4 = int4 per-group(32)\nlinear => w4\nconv => w8\n";
        let done = mended(text, true);
        assert_eq!(done.text, text.replace("shceme", "scheme"), "{:?}", done.applied);
        // The only use of a scheme is in a line that nothing mends.
        let text = "target iOS18\nscheme w8 = int8 per-channel\nlinear w8 =\nall => keep\n";
        assert!(mended(text, true).text.contains("scheme w8"));
    }

    #[test]
    fn fixes_that_bring_each_other_back_are_told() {
        let recipe = resolve(Path::new("a.bitmill"), "target iOS18\n", &NoImports);
        let rule = check::rules::RULES[0];
        let finding = |text: &str| {
            let mut report = check::Report::new(rule, &recipe);
            let whole = Place::new(FileId(0), crate::syntax::Span::new(0, text.len() as u32));
            let other = if text == "one" { "other" } else { "one" };
            report.add(whole, "it should be the other").fix("change it", whole, other);
            Ok::<_, ()>(report.into_findings())
        };
        let done = mend_with("one", false, finding).unwrap();
        assert!(done.is_unfinished && done.applied.len() == MOST_ROUNDS, "{done:?}");
        let done = mend_with("one", false, |_| Ok::<_, ()>(Vec::new())).unwrap();
        assert!(!done.is_unfinished && done.applied.is_empty());
    }
}
