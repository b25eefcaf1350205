//! From text to recipe: imports followed, presets expanded, settings collected.

use std::collections::{HashMap, HashSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::draft::Draft;
use super::preset::Preset;
use super::problem::{Problem, ProblemKind};
use super::source::{FileId, Loader, Place, Placed, Source};
use super::statement::Reader;
use super::{NamedScheme, Overridden, Recipe};
use crate::syntax;
use crate::syntax::tree::{StatementKind, Word};

/// More imports, or deeper ones, than anyone writes: a limit against files that breed.
const MOST_SOURCES: usize = 1000;
const DEEPEST: usize = 64;
/// Most bytes of all texts together, for which it is enough to import one large file again and again.
const MOST_TEXT: usize = 256 << 20;

/// Resolves a recipe. Whatever is wrong with it is in [`Recipe::problems`]; the rest stands.
pub fn resolve(path: &Path, text: &str, loader: &dyn Loader) -> Recipe {
    let mut resolver = Resolver {
        loader,
        recipe: Recipe::default(),
        drafts: Vec::new(),
        names: HashMap::new(),
        definitions: HashMap::new(),
        settings: HashMap::new(),
        made: Vec::new(),
        depth: 0,
        bytes: 0,
        has_too_many: false,
        stack: vec![(loader.canonical(path), path.to_path_buf())],
    };
    resolver.source(path.to_path_buf(), text.to_string(), None, false);
    resolver.recipe.overridden = resolver.overridden();
    resolver.recipe.problems.sort_by_key(|problem| problem.place);
    resolver.recipe
}

/// What a setting means, word by word: equal for two statements that say the same in different words.
pub(super) type Meaning = Vec<String>;

/// A setting that a file makes.
struct Made {
    name: &'static str,
    place: Place,
    means: Meaning,
}

pub(super) struct Resolver<'a> {
    loader: &'a dyn Loader,
    pub recipe: Recipe,
    /// The parts of each named scheme, for schemes that extend it; parallel to `recipe.schemes`.
    drafts: Vec<Draft>,
    /// The latest scheme of each name.
    names: HashMap<String, usize>,
    /// Where each file defines each scheme, those further down too.
    definitions: HashMap<(FileId, String), Place>,
    /// Where each setting was made, and how deep in imports.
    settings: HashMap<&'static str, (Place, usize)>,
    /// Every setting that was made and what it means, whether it holds or not.
    made: Vec<Made>,
    depth: usize,
    /// Bytes of all texts so far.
    bytes: usize,
    /// Whether it has been told that there are too many imports.
    has_too_many: bool,
    /// The files being read, canonical and as written, outermost first.
    stack: Vec<(PathBuf, PathBuf)>,
}

impl Resolver<'_> {
    pub fn problem(&mut self, place: Place, kind: ProblemKind) {
        self.recipe.problems.push(Problem { place, kind });
    }

    fn source(&mut self, path: PathBuf, text: String, included_at: Option<Place>, preset: bool) -> FileId {
        let file = FileId(self.recipe.sources.len() as u32);
        self.bytes += text.len();
        let parsed = syntax::parse(&text);
        let source =
            Source { path, text, tree: Default::default(), allows: parsed.allows.clone(), included_at, preset };
        self.recipe.sources.push(source);
        for error in parsed.errors {
            let place = Place::new(file, error.span);
            self.problem(place, ProblemKind::Syntax(error));
        }
        for statement in &parsed.file.statements {
            if let StatementKind::Scheme { name: Some(name), .. } = &statement.kind {
                self.definitions.insert((file, name.value.clone()), Place::new(file, name.span));
            }
        }
        for statement in &parsed.file.statements {
            Reader { resolver: self, file }.statement(statement);
        }
        self.recipe.sources[file.0 as usize].tree = parsed.file;
        file
    }

    pub fn import(&mut self, written: &Path, path_place: Place, statement: Place) {
        let importing = self.recipe.sources.get(statement.file.0 as usize).map(|s| s.path.clone());
        let base = importing.as_deref().and_then(Path::parent).unwrap_or(Path::new(""));
        let path = base.join(written);
        let canonical = self.loader.canonical(&path);
        if let Some(at) = self.stack.iter().position(|(open, _)| *open == canonical) {
            let mut chain: Vec<PathBuf> = self.stack[at..].iter().map(|(_, shown)| shown.clone()).collect();
            chain.push(path);
            return self.problem(path_place, ProblemKind::ImportCycle { chain });
        }
        if self.stack.len() >= DEEPEST || self.recipe.sources.len() >= MOST_SOURCES || self.bytes >= MOST_TEXT {
            if !std::mem::replace(&mut self.has_too_many, true) {
                self.problem(path_place, ProblemKind::TooManyImports);
            }
            return;
        }
        match self.loader.load(&path) {
            Ok(text) => {
                self.stack.push((canonical, path.clone()));
                self.depth += 1;
                self.source(path, text, Some(statement), false);
                self.depth -= 1;
                self.stack.pop();
            }
            Err(error) => {
                let missing = error.kind() == ErrorKind::NotFound;
                self.problem(path_place, ProblemKind::ImportFailed { path, why: error.to_string(), missing });
            }
        }
    }

    /// The file that a path in a statement means, which counts from the file that names it.
    pub fn named(&self, path: &Placed<String>) -> String {
        self.loader.canonical(&self.recipe.path(path)).to_string_lossy().into_owned()
    }

    /// Reads the expansion of a preset as if it stood at the `extend` statement.
    pub fn expand(&mut self, preset: &Preset, text: String, statement: Place) -> FileId {
        self.depth += 1;
        let file = self.source(PathBuf::from(format!("<{}>", preset.name)), text, Some(statement), true);
        self.depth -= 1;
        file
    }

    /// Whether a setting takes effect. Within a file the first holds and a second is a problem; an importing
    /// file has the last word over what it imports or extends, wherever it says it.
    pub fn setting(&mut self, name: &'static str, place: Place, means: Meaning) -> bool {
        match self.settings.get(name).copied() {
            Some((first, _)) if first.file == place.file => {
                self.problem(place, ProblemKind::Duplicate { what: format!("`{name}`"), first });
                false
            }
            Some((_, depth)) if depth < self.depth => {
                self.made.push(Made { name, place, means });
                false
            }
            _ => {
                self.made.push(Made { name, place, means });
                self.settings.insert(name, (place, self.depth));
                true
            }
        }
    }

    /// Settings of files that are not taken over by the one whose setting holds, and that say something else.
    fn overridden(&self) -> Vec<Overridden> {
        let sources = &self.recipe.sources;
        let outwards = |file: &FileId| Some(sources.get(file.0 as usize)?.included_at?.file);
        let is_inside = |file: FileId, of: FileId| std::iter::successors(Some(file), outwards).any(|outer| outer == of);
        let made: HashSet<(&str, FileId)> = self.made.iter().map(|one| (one.name, one.place.file)).collect();
        // What takes a file over has the last word over it, so that one is told of.
        let has_outer = |setting: &'static str, file: FileId| {
            std::iter::successors(outwards(&file), outwards).any(|outer| made.contains(&(setting, outer)))
        };
        let holds = |one: &&Made| self.settings.get(one.name).is_some_and(|(place, _)| *place == one.place);
        let holding: HashMap<&str, &Made> = self.made.iter().filter(holds).map(|one| (one.name, one)).collect();
        let other = |one: &Made| {
            let (setting, lost) = (one.name, one.place);
            let holds = holding.get(setting)?;
            let is_apart = !is_inside(lost.file, holds.place.file) && !has_outer(setting, lost.file);
            (holds.means != one.means && is_apart).then_some(Overridden { setting, holds: holds.place, lost })
        };
        self.made.iter().filter_map(other).collect()
    }

    pub fn define_scheme(&mut self, named: NamedScheme, draft: Draft) {
        if let Some(&index) = self.names.get(&named.name.value) {
            let first = self.recipe.schemes[index].name.place;
            if first.file == named.name.place.file {
                let what = format!("scheme `{}`", named.name.value);
                self.problem(named.name.place, ProblemKind::Duplicate { what, first });
            }
        }
        self.names.insert(named.name.value.clone(), self.recipe.schemes.len());
        self.recipe.schemes.push(named);
        self.drafts.push(draft);
    }

    /// Whether a scheme of that name is defined so far.
    pub fn is_scheme(&self, name: &str) -> bool {
        self.names.contains_key(name)
    }

    /// The parts of a named scheme, noting that it is used.
    pub fn use_scheme(&mut self, name: &str, place: Place) -> Option<Draft> {
        let index = *self.names.get(name)?;
        self.recipe.schemes[index].uses.push(place);
        Some(self.drafts[index].clone())
    }

    /// What to say of a word in a scheme that nothing knows.
    pub fn unknown_part(&self, file: FileId, word: &Word) -> ProblemKind {
        let later = self.definitions.get(&(file, word.value.clone())).filter(|at| at.span.start > word.span.start);
        let later = later.copied();
        let schemes = self.recipe.schemes.len();
        ProblemKind::UnknownPart { word: word.value.clone(), defined_below: later, schemes }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    struct Files;

    impl Loader for Files {
        fn load(&self, path: &Path) -> io::Result<String> {
            match path.to_str() {
                Some("17") => Ok("target iOS17\n".into()),
                Some("18") => Ok("target  iOS18\n".into()),
                Some("also18") => Ok("target iOS18\n".into()),
                Some("outer16") => Ok("import \"17\"\ntarget iOS16\n".into()),
                Some("18 and 15") => Ok("target iOS18 macOS15\n".into()),
                Some("15 and 18") => Ok("target macOS15 iOS18 # the same\n".into()),
                Some("2k") => Ok("threshold 2k\nmodel \"../m.mlpackage\"\n".into()),
                Some("2048") => Ok("threshold 2048\nmodel \"../m.mlpackage\"\n".into()),
                Some("away/2000") => Ok("threshold 2000\nmodel \"../m.mlpackage\"\n".into()),
                Some("few") => Ok("calibrate \"a\" {\n  samples 1k\n  observer minmax\n}\n".into()),
                Some("thousand") => Ok("calibrate \"a\" { observer minmax samples 1000 }\n".into()),
                Some("more") => Ok("calibrate \"a\" { observer minmax samples 2000 }\n".into()),
                Some("both") => Ok("import \"17\"\nimport \"18\"\n".into()),
                _ => Err(ErrorKind::NotFound.into()),
            }
        }

        fn canonical(&self, path: &Path) -> PathBuf {
            path.to_owned()
        }
    }

    /// The settings that do not hold, each before the one that does.
    fn overridden(imports: &[&str], own: &str) -> Vec<String> {
        let text: String = imports.iter().map(|file| format!("import \"{file}\"\n")).collect();
        let recipe = resolve(Path::new("recipe"), &(text + own), &Files);
        assert!(recipe.problems.is_empty(), "{:?}", recipe.problems);
        let pair = |one: &Overridden| format!("{} < {}", recipe.text(one.lost).trim(), recipe.text(one.holds).trim());
        recipe.overridden.iter().map(pair).collect()
    }

    #[test]
    fn settings_of_files_beside_each_other_are_noticed() {
        assert_eq!(overridden(&["17", "18"], ""), ["target iOS17 < target  iOS18"]);
        assert_eq!(overridden(&["18", "17"], ""), ["target  iOS18 < target iOS17"]);
        assert_eq!(overridden(&["both"], ""), ["target iOS17 < target  iOS18"]);
        assert_eq!(overridden(&["18", "also18"], ""), [""; 0]);
        assert_eq!(overridden(&["17", "18"], "target iOS16\n"), [""; 0]);
        assert_eq!(overridden(&["outer16"], ""), [""; 0]);
        assert_eq!(overridden(&["outer16", "18"], ""), ["target iOS16 < target  iOS18"]);
        assert_eq!(overridden(&["18", "outer16"], ""), ["target  iOS18 < target iOS16"]);
    }
}
