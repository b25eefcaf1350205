//! One recipe in one state of the world, with everything that is known of it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::Settings;
use super::models::OpenModel;
use super::workspace::canonical;
use crate::check::{self, Finding};
use crate::model::Model;
use crate::plan::{Plan, Totals};
use crate::recipe::{FileId, NoImports, Place, Recipe, Source, resolve};
use crate::syntax::token::{Token, TokenKind};
use crate::syntax::tree::Statement;
use crate::syntax::{LineIndex, Span, lex};

/// The model of an analysis.
#[derive(Debug, Clone)]
pub enum ModelState {
    /// The recipe names none.
    None,
    /// Its headers.
    Open(Arc<OpenModel>),
    /// It cannot be read.
    Unreadable {
        /// Where it was looked for.
        path: PathBuf,
        /// Why, in words.
        why: Arc<str>,
    },
}

impl ModelState {
    /// The model, where it could be read.
    pub fn open(&self) -> Option<&Arc<OpenModel>> {
        match self {
            ModelState::Open(model) => Some(model),
            _ => None,
        }
    }
}

/// Everything that is known of a recipe. Nothing of it ever changes, so that any number of threads may ask.
#[derive(Debug)]
pub struct Analysis {
    path: PathBuf,
    checked: check::Analysis,
    model: ModelState,
    settings: Arc<Settings>,
    /// Canonical paths of everything that was read or looked for.
    depends_on: Vec<PathBuf>,
    tokens: OnceLock<Vec<Token>>,
    totals: OnceLock<Option<Totals>>,
    /// The lines of each source, found when they are first asked for.
    lines: Vec<OnceLock<LineIndex>>,
}

impl Analysis {
    pub(super) fn new(
        path: PathBuf,
        checked: check::Analysis,
        model: ModelState,
        looked_for: Vec<PathBuf>,
        settings: Arc<Settings>,
    ) -> Analysis {
        let lines = checked.recipe.sources.iter().map(|_| OnceLock::new()).collect();
        let mut analysis = Analysis {
            path,
            checked,
            model,
            settings,
            depends_on: Vec::new(),
            tokens: OnceLock::new(),
            totals: OnceLock::new(),
            lines,
        };
        let files = analysis.files().into_iter().chain(looked_for);
        analysis.depends_on = files.map(|path| canonical(&path)).collect();
        analysis
    }

    /// Of a text alone, without imports, model and findings: enough to tell what its words are.
    pub fn of_text(text: &str) -> Analysis {
        let path = PathBuf::new();
        let recipe = resolve(&path, text, &NoImports);
        let checked = check::Analysis { recipe, plan: None, findings: Vec::new() };
        Analysis::new(path, checked, ModelState::None, Vec::new(), Arc::default())
    }

    /// The recipe's path, as the editor names it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The text.
    pub fn text(&self) -> &str {
        self.recipe().sources.first().map_or("", |source| &source.text)
    }

    /// Lines and columns of the text.
    pub fn lines(&self) -> &LineIndex {
        self.lines_of(FileId(0))
    }

    /// The recipe, resolved.
    pub fn recipe(&self) -> &Recipe {
        &self.checked.recipe
    }

    /// What the checker found, in the recipe and in what it imports.
    pub fn findings(&self) -> &[Finding] {
        &self.checked.findings
    }

    /// The model.
    pub fn model_state(&self) -> &ModelState {
        &self.model
    }

    /// The model and what becomes of it, where there is one.
    pub fn planned(&self) -> Option<(&Model, &Plan)> {
        Some((&self.model.open()?.model, self.checked.plan.as_ref()?))
    }

    /// What becomes of the whole model, where there is one.
    pub fn totals(&self) -> Option<&Totals> {
        let sum = || self.planned().map(|(model, plan)| plan.totals(model, |_| true));
        self.totals.get_or_init(sum).as_ref()
    }

    /// The statement of the recipe itself that brings in what stands at a place, or holds it.
    pub fn own_place(&self, mut place: Place) -> Option<Place> {
        while place.file != FileId(0) {
            place = self.source(place.file)?.included_at?;
        }
        Some(place)
    }

    /// What the user has chosen.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The statements of the text.
    pub fn statements(&self) -> &[Statement] {
        self.recipe().sources.first().map_or(&[], |source| &source.tree.statements)
    }

    /// The tokens of the text, which are all of it without gap or overlap.
    pub fn tokens(&self) -> &[Token] {
        self.tokens.get_or_init(|| lex(self.text()))
    }

    /// One of the texts that the recipe is made of: its own, those it imports, those presets stand for.
    pub fn source(&self, file: FileId) -> Option<&Source> {
        self.recipe().sources.get(file.0 as usize)
    }

    /// The path of a text.
    pub fn path_of(&self, file: FileId) -> &Path {
        self.source(file).map_or(&self.path, |source| &source.path)
    }

    /// The path of a text as the recipe's own directory sees it.
    pub fn shown_path(&self, file: FileId) -> String {
        let path = self.path_of(file);
        let own = self.path.parent().unwrap_or(Path::new(""));
        path.strip_prefix(own).unwrap_or(path).display().to_string()
    }

    /// Lines and columns of a text.
    pub fn lines_of(&self, file: FileId) -> &LineIndex {
        static NO_LINES: OnceLock<LineIndex> = OnceLock::new();
        match (self.lines.get(file.0 as usize), self.source(file)) {
            (Some(lines), Some(source)) => lines.get_or_init(|| LineIndex::new(&source.text)),
            _ => NO_LINES.get_or_init(|| LineIndex::new("")),
        }
    }

    /// The files that the answers depend on: the recipe, its imports and its model, those that are missing too.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut files = self.recipe().files();
        match &self.model {
            ModelState::None => {}
            ModelState::Open(open) => files.extend(open.model.all_files()),
            ModelState::Unreadable { path, .. } => files.push(path.clone()),
        }
        files
    }

    /// Whether a change of a file, named by its canonical path, may change the answers: it is read, or lies in a
    /// directory that is.
    pub(super) fn depends_on(&self, changed: &Path) -> bool {
        self.depends_on.iter().any(|file| changed.starts_with(file) || file.starts_with(changed))
    }

    /// The statement that an offset lies in or directly behind, with its index.
    pub fn statement_at(&self, offset: usize) -> Option<(usize, &Statement)> {
        let statements = self.statements();
        let behind = statements.partition_point(|statement| statement.span.start as usize <= offset);
        let index = behind.checked_sub(1)?;
        let statement = &statements[index];
        (offset <= statement.span.end as usize).then_some((index, statement))
    }

    /// The statement that an offset lies in, or that ends before it with nothing but blanks between: the one that is
    /// being written there.
    pub fn statement_before(&self, offset: usize) -> Option<(usize, &Statement)> {
        let statements = self.statements();
        let behind = statements.partition_point(|statement| statement.span.start as usize <= offset);
        let index = behind.checked_sub(1)?;
        let statement = &statements[index];
        let between = self.text().get((statement.span.end as usize).min(offset)..offset)?;
        between.chars().all(|c| c == ' ' || c == '\t').then_some((index, statement))
    }

    /// The token before an offset or around it, blanks included: the one that ends there, where one does.
    pub fn token_at(&self, offset: usize) -> Option<(usize, &Token)> {
        let tokens = self.tokens();
        let index = tokens.partition_point(|token| (token.span.end as usize) < offset);
        tokens.get(index).map(|token| (index, token))
    }

    /// The visible token that a cursor at an offset touches: of two, the one behind it, unless only the one before is
    /// a word.
    pub fn touched(&self, offset: usize) -> Option<&Token> {
        let (index, before) = self.token_at(offset)?;
        let behind = self.tokens().get(index + 1).filter(|token| token.span.start as usize == offset);
        let is_seen = |token: &&Token| !token.kind.is_blank();
        let is_wordy =
            |kind: TokenKind| matches!(kind, TokenKind::Word | TokenKind::Number | TokenKind::Text | TokenKind::Regex);
        let (before, behind) = (Some(before).filter(is_seen), behind.filter(is_seen));
        match (before, behind) {
            (Some(before), Some(behind)) if is_wordy(before.kind) && !is_wordy(behind.kind) => Some(before),
            (before, behind) => behind.or(before),
        }
    }

    /// A part of the text; empty where a span lies outside of it.
    pub fn text_at(&self, span: Span) -> &str {
        self.text().get(span.range()).unwrap_or("")
    }

    /// The place of a span of the recipe's own text.
    pub fn place(&self, span: Span) -> Place {
        Place::new(FileId(0), span)
    }
}
