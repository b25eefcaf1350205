//! What the rules find: data, rendered by the faces.

use crate::recipe::{Place, Recipe};

use super::rule::{Binds, Rule};

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// It works; another choice is probably better.
    Hint,
    /// It goes through, but does something other than what was written, or is reported broken.
    Warning,
    /// It is refused, or the result would certainly be wrong.
    Error,
}

impl Severity {
    /// As findings show it.
    pub const fn word(self) -> &'static str {
        match self {
            Severity::Hint => "hint",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// Something found in a recipe.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The rule's code.
    pub code: &'static str,
    /// How much it matters here.
    pub severity: Severity,
    /// What is wrong, in the user's words and names; no full stop.
    pub message: String,
    /// Where.
    pub place: Place,
    /// What to say at [`Finding::place`] itself, if more than the message.
    pub here: Option<String>,
    /// Other places that make it so.
    pub labels: Vec<Label>,
    /// What to do.
    pub help: Option<String>,
    /// What would have happened in torchao, coremltools or ExecuTorch.
    pub upstream: Option<String>,
    /// Edits that mend it, best first.
    pub fixes: Vec<Fix>,
    /// The weights concerned, by full name.
    pub weights: Vec<String>,
}

/// Another place and what it has to do with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub place: Place,
    /// What.
    pub text: String,
}

/// A way to mend a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// What it does, in the imperative: "raise the target to iOS18".
    pub title: String,
    /// The edits; none overlaps another.
    pub edits: Vec<Edit>,
    /// Whether it surely does what the author meant, so that `check --fix` applies it unasked.
    pub safe: bool,
    /// What it changes.
    pub kind: FixKind,
}

/// What a fix changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FixKind {
    /// What the recipe does.
    Recipe,
    /// The target: no answer to what a recipe for a given target must do.
    Target,
}

/// A replacement of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// What is replaced; an empty span inserts.
    pub place: Place,
    /// By what.
    pub text: String,
}

impl Finding {
    /// Says something at the place itself, beside the message.
    pub fn here(&mut self, text: impl Into<String>) -> &mut Self {
        self.here = Some(text.into());
        self
    }

    /// Names another place that makes it so.
    pub fn label(&mut self, place: Place, text: impl Into<String>) -> &mut Self {
        self.labels.push(Label { place, text: text.into() });
        self
    }

    /// As [`Finding::label`], where there is such a place.
    pub fn label_if(&mut self, place: Option<Place>, text: impl Into<String>) -> &mut Self {
        if let Some(place) = place {
            self.label(place, text);
        }
        self
    }

    /// Says what to do.
    pub fn help(&mut self, text: impl Into<String>) -> &mut Self {
        self.help = Some(text.into());
        self
    }

    /// Says what would have happened upstream.
    pub fn upstream(&mut self, text: impl Into<String>) -> &mut Self {
        self.upstream = Some(text.into());
        self
    }

    /// Offers an edit that surely does what the author meant.
    pub fn fix(&mut self, title: impl Into<String>, place: Place, text: impl Into<String>) -> &mut Self {
        self.fix_with(title, true, vec![Edit { place, text: text.into() }])
    }

    /// Offers an edit that is one of several sensible choices.
    pub fn suggest(&mut self, title: impl Into<String>, place: Place, text: impl Into<String>) -> &mut Self {
        self.fix_with(title, false, vec![Edit { place, text: text.into() }])
    }

    /// Offers several edits that belong together.
    pub fn fix_with(&mut self, title: impl Into<String>, safe: bool, edits: Vec<Edit>) -> &mut Self {
        self.fixes.push(Fix { title: title.into(), edits, safe, kind: FixKind::Recipe });
        self
    }

    /// Offers to move the target, which is one of several sensible choices.
    pub fn fix_target(&mut self, title: impl Into<String>, edits: Vec<Edit>) -> &mut Self {
        self.fixes.push(Fix { title: title.into(), edits, safe: false, kind: FixKind::Target });
        self
    }

    /// Names the weights concerned.
    pub fn weights(&mut self, names: impl IntoIterator<Item = impl Into<String>>) -> &mut Self {
        self.weights.extend(names.into_iter().map(Into::into));
        self
    }
}

/// Where a rule puts what it finds.
#[derive(Debug)]
pub struct Report<'a> {
    rule: &'static Rule,
    recipe: &'a Recipe,
    findings: Vec<Finding>,
    /// Findings beyond [`MOST_FINDINGS`]: how many, the place of the first, and the last of them while it is written.
    more: usize,
    beyond: Option<Place>,
    spare: Option<Finding>,
}

/// Findings of one rule that are listed; one more says how many are not.
pub const MOST_FINDINGS: usize = 1000;

impl<'a> Report<'a> {
    /// An empty report of a rule.
    pub fn new(rule: &'static Rule, recipe: &'a Recipe) -> Self {
        Self { rule, recipe, findings: Vec::new(), more: 0, beyond: None, spare: None }
    }

    /// Whether further findings are only counted, so that their explanations are in vain.
    pub fn is_full(&self) -> bool {
        self.findings.len() >= MOST_FINDINGS
    }

    /// Reports a finding with the rule's own severity.
    pub fn add(&mut self, place: Place, message: impl Into<String>) -> &mut Finding {
        self.add_as(self.rule.severity, place, message)
    }

    /// Reports a finding with another severity. What Core ML and the tools around it demand is a hint in an
    /// experiment that will not be deployed (`target none`).
    pub fn add_as(&mut self, severity: Severity, place: Place, message: impl Into<String>) -> &mut Finding {
        let deployment = !matches!(self.rule.binds, Binds::Language | Binds::Model);
        let severity = if deployment && self.recipe.is_experiment() { Severity::Hint } else { severity };
        let finding = Finding {
            code: self.rule.code,
            severity,
            message: message.into(),
            place,
            here: None,
            labels: Vec::new(),
            help: None,
            upstream: None,
            fixes: Vec::new(),
            weights: Vec::new(),
        };
        if self.is_full() {
            self.more += 1;
            self.beyond.get_or_insert(place);
            return self.spare.insert(finding);
        }
        let index = self.findings.len();
        self.findings.push(finding);
        &mut self.findings[index]
    }

    /// The findings, seen as a reader of the recipe sees them: what is found inside an expanded preset is shown
    /// at its `extend` statement, and edits of text that nobody can see are dropped.
    pub fn into_findings(mut self) -> Vec<Finding> {
        if let (Some(place), more) = (self.beyond, self.more) {
            let severity = self.findings.iter().map(|finding| finding.severity).max().unwrap_or(self.rule.severity);
            let message = format!("the same is found {more} times more from here on; those are not shown");
            let rest = Finding { severity, message, place, ..self.findings[0].clone() };
            self.findings.push(Finding {
                here: None,
                labels: Vec::new(),
                fixes: Vec::new(),
                weights: Vec::new(),
                ..rest
            });
        }
        let recipe = self.recipe;
        let visible = |mut finding: Finding| {
            finding.fixes.retain(|fix| fix.edits.iter().all(|edit| recipe.visible(edit.place) == edit.place));
            finding.place = recipe.visible(finding.place);
            for label in &mut finding.labels {
                label.place = recipe.visible(label.place);
            }
            let place = finding.place;
            finding.labels.retain(|label| label.place != place);
            finding.make_readable();
            finding
        };
        self.findings.into_iter().map(visible).collect()
    }
}

impl Finding {
    /// Cuts sentences that quote megabytes, and escapes what is no character to read: recipes hold words and models
    /// names of any length, with line ends in them too.
    fn make_readable(&mut self) {
        let labels = self.labels.iter_mut().map(|label| &mut label.text);
        let titles = self.fixes.iter_mut().map(|fix| &mut fix.title);
        let more = [&mut self.here, &mut self.help, &mut self.upstream].into_iter().flatten();
        for text in labels.chain(titles).chain(more).chain([&mut self.message]) {
            if text.contains(char::is_control) {
                let escaped = |c: char| if c.is_control() { c.escape_default().collect() } else { String::from(c) };
                *text = text.chars().map(escaped).collect();
            }
            if text.len() > LONGEST_SENTENCE {
                let boundary = |at: usize| (at..text.len()).find(|&at| text.is_char_boundary(at)).unwrap_or(text.len());
                let (head, tail) = (boundary(LONGEST_SENTENCE / 2), boundary(text.len() - LONGEST_SENTENCE / 4));
                *text = format!("{} … {}", &text[..head], &text[tail..]);
            }
        }
    }
}

/// Bytes of a sentence; longer ones are cut in the middle.
const LONGEST_SENTENCE: usize = 1200;
