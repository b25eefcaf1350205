//! Findings as JSON. The shapes are promises: fields are added, never renamed or removed, within one `version`.

use std::path::Path;

use serde::Serialize;

use super::{Checked, Failed, Texts};
use crate::check::{Edit, Finding, Fix, Severity};
use crate::recipe::Place;

/// The version of all JSON documents that bitmill writes.
pub const VERSION: u32 = 1;

/// What `check --format json` writes: one document for all recipes.
#[derive(Debug, Serialize)]
pub struct Document {
    /// [`VERSION`]
    pub version: u32,
    /// The recipes that were checked, as they were given.
    pub recipes: Vec<String>,
    /// Everything that was found, recipe by recipe, in the order of the text.
    pub findings: Vec<FindingShape>,
    /// Findings that are errors.
    pub errors: usize,
    /// Findings that are warnings.
    pub warnings: usize,
    /// Findings that are hints.
    pub hints: usize,
    /// Recipes that could not be read.
    pub failed: Vec<FailedShape>,
}

/// A recipe that could not be read.
#[derive(Debug, Serialize)]
pub struct FailedShape {
    /// As given.
    pub path: String,
    /// Why.
    pub message: String,
}

/// One finding.
#[derive(Debug, Serialize)]
pub struct FindingShape {
    /// The rule's code, for `explain`.
    pub code: &'static str,
    /// `error`, `warning` or `hint`.
    pub severity: &'static str,
    /// What is wrong.
    pub message: String,
    /// Where.
    #[serde(flatten)]
    pub region: RegionShape,
    /// What to say at the place itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub here: Option<String>,
    /// Other places that make it so.
    pub labels: Vec<LabelShape>,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// What would have happened in torchao, coremltools or ExecuTorch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
    /// The weights concerned, by full name.
    pub weights: Vec<String>,
    /// Edits that mend it, best first.
    pub fixes: Vec<FixShape>,
}

/// A place: a file and two positions in it.
#[derive(Debug, Serialize)]
pub struct RegionShape {
    /// The file.
    pub path: String,
    /// The first character.
    pub start: PositionShape,
    /// Just behind the last character.
    pub end: PositionShape,
}

/// A position.
#[derive(Debug, Serialize)]
pub struct PositionShape {
    /// Counted from 1.
    pub line: usize,
    /// In characters (Unicode scalar values), counted from 1.
    pub column: usize,
    /// In bytes of UTF-8 from the start of the file, counted from 0.
    pub offset: u32,
}

/// Another place and what it has to do with a finding.
#[derive(Debug, Serialize)]
pub struct LabelShape {
    /// Where.
    #[serde(flatten)]
    pub region: RegionShape,
    /// What.
    pub text: String,
}

/// A way to mend a finding.
#[derive(Debug, Serialize)]
pub struct FixShape {
    /// What it does, in the imperative.
    pub title: String,
    /// Whether `check --fix` applies it unasked.
    pub safe: bool,
    /// The edits; none overlaps another.
    pub edits: Vec<EditShape>,
}

/// A replacement of text.
#[derive(Debug, Serialize)]
pub struct EditShape {
    /// What is replaced; start and end are the same for an insertion.
    #[serde(flatten)]
    pub region: RegionShape,
    /// By what.
    pub text: String,
}

/// A path as documents hold it.
pub fn path_text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

impl Document {
    /// The document for some recipes.
    pub fn new(checked: &[Checked], failed: &[Failed]) -> Document {
        let mut findings = Vec::new();
        for one in checked {
            let texts = Texts::new(one.recipe);
            findings.extend(one.findings.iter().map(|finding| FindingShape::new(finding, &texts)));
        }
        let all = || checked.iter().flat_map(|one| &one.findings);
        let count = |severity: Severity| all().filter(|finding| finding.severity == severity).count();
        let failed = failed.iter().map(|one| FailedShape { path: path_text(&one.path), message: one.message.clone() });
        Document {
            version: VERSION,
            recipes: checked.iter().map(|one| path_text(one.path)).collect(),
            findings,
            errors: count(Severity::Error),
            warnings: count(Severity::Warning),
            hints: count(Severity::Hint),
            failed: failed.collect(),
        }
    }
}

impl FindingShape {
    /// The shape of a finding.
    pub fn new(finding: &Finding, texts: &Texts) -> FindingShape {
        let label = |label: &crate::check::Label| LabelShape {
            region: RegionShape::new(label.place, texts),
            text: label.text.clone(),
        };
        FindingShape {
            code: finding.code,
            severity: finding.severity.word(),
            message: finding.message.clone(),
            region: RegionShape::new(finding.place, texts),
            here: finding.here.clone(),
            labels: finding.labels.iter().map(label).collect(),
            help: finding.help.clone(),
            upstream: finding.upstream.clone(),
            weights: finding.weights.clone(),
            fixes: finding.fixes.iter().map(|fix| FixShape::new(fix, texts)).collect(),
        }
    }
}

impl FixShape {
    fn new(fix: &Fix, texts: &Texts) -> FixShape {
        let edit = |edit: &Edit| EditShape { region: RegionShape::new(edit.place, texts), text: edit.text.clone() };
        FixShape { title: fix.title.clone(), safe: fix.safe, edits: fix.edits.iter().map(edit).collect() }
    }
}

impl RegionShape {
    /// The shape of a place.
    pub fn new(place: Place, texts: &Texts) -> RegionShape {
        let place = texts.recipe.visible(place);
        let region = texts.region(place);
        let position = |at: super::Position, offset| PositionShape { line: at.line, column: at.column, offset };
        RegionShape {
            path: path_text(region.path),
            start: position(region.start, place.span.start),
            end: position(region.end, place.span.end),
        }
    }
}
