//! Fixes applied to recipes, again and again until none is left.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};

use super::{Disk, Given, Project, ProjectError};
use crate::check::{Edit, Finding, Fix, fix};
use crate::recipe::{FileId, Loader, resolve};

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

/// A text after its fixes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mended {
    /// The text.
    pub text: String,
    /// What was done, in order.
    pub applied: Vec<String>,
    /// Why it was given up with fixes left, where it was.
    pub unfinished: Option<Unfinished>,
}

/// Why mending was given up with fixes left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfinished {
    /// Fixes bring each other back. Those are left out: the text is as it was before the first of them.
    Circle,
    /// There is no end of them.
    Rounds,
}

impl Unfinished {
    /// It in words, to stand behind the name of a recipe.
    pub const fn words(self) -> &'static str {
        match self {
            Unfinished::Circle => {
                "some fixes bring each other back and were left out; apply one of those that are left by hand"
            }
            Unfinished::Rounds => {
                "every fix brought another one, so mending was given up; apply those that are left by hand"
            }
        }
    }
}

/// Rounds of fixing after which it is given up: fixes that always bring new ones would go on for ever.
const MOST_ROUNDS: usize = 100;

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
    let mut mended = Mended { text: text.to_string(), applied: Vec::new(), unfinished: None };
    let hasher = RandomState::new();
    // The texts so far, by their sums, each with how many fixes had been applied.
    let mut seen: HashMap<u64, usize> = HashMap::new();
    for round in 0.. {
        if let Some(&before) = seen.get(&hasher.hash_one(&mended.text)) {
            mended.applied.truncate(before);
            mended.unfinished = Some(Unfinished::Circle);
            break;
        }
        let findings = findings_of(&mended.text)?;
        let fixes = chosen(&findings, unsafe_too);
        let edits: Vec<&Edit> = fixes.iter().flat_map(|fix| &fix.edits).collect();
        let (text, applied) = fix::apply(&mended.text, FileId(0), &edits);
        if applied == 0 || text == mended.text {
            break;
        }
        if round == MOST_ROUNDS {
            mended.unfinished = Some(Unfinished::Rounds);
            break;
        }
        seen.insert(hasher.hash_one(&mended.text), mended.applied.len());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;
    use crate::recipe::{NoImports, Place};
    use crate::syntax::Span;

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

    /// A finding with a fix that makes another text of one.
    fn change(text: &str, into: &str) -> Vec<Finding> {
        let recipe = resolve(Path::new("a.bitmill"), "target iOS18\n", &NoImports);
        let mut report = check::Report::new(check::rules::RULES[0], &recipe);
        let whole = Place::new(FileId(0), Span::new(0, text.len() as u32));
        report.add(whole, "it should be another").fix(format!("make it {into}"), whole, into);
        report.into_findings()
    }

    #[test]
    fn fixes_that_bring_each_other_back_are_told_and_left_out() {
        let next = |text: &str| {
            let into = match text {
                "start" => "one",
                "one" => "two",
                _ => "one",
            };
            Ok::<_, ()>(change(text, into))
        };
        let done = mend_with("start", false, next).unwrap();
        assert_eq!((done.text.as_str(), done.applied.len()), ("one", 1), "{done:?}");
        assert_eq!(done.unfinished, Some(Unfinished::Circle));
    }

    #[test]
    fn fixes_without_end_are_told() {
        let done = mend_with("1", false, |text| Ok::<_, ()>(change(text, &format!("{text}1")))).unwrap();
        assert_eq!((done.text.len(), done.applied.len()), (MOST_ROUNDS + 1, MOST_ROUNDS));
        assert_eq!(done.unfinished, Some(Unfinished::Rounds));
        // As many as that are no reason to give up.
        let finite = |text: &str| match text.len() <= MOST_ROUNDS {
            true => Ok::<_, ()>(change(text, &format!("{text}1"))),
            false => Ok(Vec::new()),
        };
        let done = mend_with("1", false, finite).unwrap();
        assert_eq!((done.applied.len(), done.unfinished), (MOST_ROUNDS, None));
        let done = mend_with("one", false, |_| Ok::<_, ()>(Vec::new())).unwrap();
        assert_eq!((done.applied.len(), done.unfinished), (0, None));
    }
}
