//! What a user of an editor may choose.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::check::Severity;

/// Everything that can be chosen. The default is what most want.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// Directories in which a model is looked for that is not where the recipe says: the first that has it counts.
    pub model_paths: Vec<PathBuf>,
    /// The model of recipes that name none.
    pub default_model: Option<PathBuf>,
    /// Models chosen for single recipes, whatever these say; by the recipe's path.
    pub models: BTreeMap<PathBuf, PathBuf>,
    /// How findings of a code are shown. Errors stay errors: what forbids a run does so in every face.
    pub levels: BTreeMap<String, Level>,
    /// Which inlay hints are shown.
    pub hints: Hints,
}

/// How findings of a code are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Level {
    /// Not at all.
    Off,
    /// As a hint.
    Hint,
    /// As a warning.
    Warning,
    /// As an error.
    Error,
}

/// Which inlay hints are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hints {
    /// Behind each rule: weights decided, sizes before and after.
    pub rules: bool,
    /// Behind the last statement: sizes of the whole model.
    pub total: bool,
}

impl Default for Hints {
    fn default() -> Self {
        Hints { rules: true, total: true }
    }
}

impl Level {
    /// Every level with the word that settings use.
    pub const ALL: &'static [(Level, &'static str)] =
        &[(Level::Off, "off"), (Level::Hint, "hint"), (Level::Warning, "warning"), (Level::Error, "error")];

    /// The level that a word of the settings names.
    pub fn from_word(word: &str) -> Option<Level> {
        Self::ALL.iter().find(|(_, known)| *known == word).map(|(level, _)| *level)
    }
}

impl Settings {
    /// How a finding is shown; `None` for not at all.
    pub fn severity(&self, code: &str, severity: Severity) -> Option<Severity> {
        match self.levels.get(code) {
            _ if severity == Severity::Error => Some(severity),
            None => Some(severity),
            Some(Level::Off) => None,
            Some(Level::Hint) => Some(Severity::Hint),
            Some(Level::Warning) => Some(Severity::Warning),
            Some(Level::Error) => Some(Severity::Error),
        }
    }
}
