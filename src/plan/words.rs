//! What plans say in sentences: sizes, reasons, misfits. Every face shows these words.

use std::fmt;

use super::{Decision, Misfit, Outcome, Plan, Reason, RuleShare, Totals};
use crate::recipe::Recipe;
use crate::words::{count, counted, percent, size, thousands};

/// A shape: `256x128`; `scalar` for rank 0.
pub fn shape(dimensions: &[usize]) -> String {
    if dimensions.is_empty() {
        return "scalar".to_string();
    }
    let all: Vec<String> = dimensions.iter().map(usize::to_string).collect();
    all.join("x")
}

/// A change of size: `85.1 MB to 12.3 MB`; one size where it stays.
pub fn change(before: u64, after: u64) -> String {
    if before == after { size(before) } else { format!("{} to {}", size(before), size(after)) }
}

/// What becomes of a weight: its scheme, or why it stays.
pub fn becomes(recipe: &Recipe, decision: &Decision) -> String {
    let scheme = decision.rule.and_then(|rule| recipe.rules.get(rule)?.scheme.as_ref());
    match (&decision.outcome, scheme) {
        (Outcome::Change(_), Some(scheme)) => scheme.to_string(),
        (Outcome::Change(_), None) => "changed".to_string(),
        (Outcome::Misfit(misfit), Some(scheme)) => format!("{scheme} does not fit: {misfit}"),
        (Outcome::Misfit(misfit), None) => format!("does not fit: {misfit}"),
        (Outcome::Keep(Reason::Kept), _) => "keep".to_string(),
        (Outcome::Keep(reason), _) => format!("keep: {reason}"),
    }
}

/// How much of what could be quantized is: `12 of 18 weights that can be quantized are (52.9 % of their bytes), 5.75
/// bits per weight`.
pub fn coverage(totals: &Totals) -> String {
    let bits = totals.bits().map_or(String::new(), |bits| format!(", {bits:.2} bits per weight"));
    let (changed, candidates) = (totals.changed as u64, totals.candidates as u64);
    format!(
        "{} of {} weights that can be quantized are ({} of their bytes){bits}",
        thousands(changed),
        thousands(candidates.max(changed)),
        percent(totals.coverage()),
    )
}

/// How many weights do not fit their schemes, where some do not.
pub fn misfits(plan: &Plan) -> Option<String> {
    let misfits = plan.decisions.iter().filter(|decision| matches!(decision.outcome, Outcome::Misfit(_))).count();
    let told = || format!("{} not fit: there is no run until they do", counted(misfits, "weight does", "weights do"));
    (misfits > 0).then(told)
}

/// Whose formulas hold, and whether the recipe says so.
pub fn arithmetic(recipe: &Recipe) -> String {
    let default = match recipe.arithmetic {
        Some(_) => String::new(),
        None => format!(", the default for {}", recipe.defaults.models),
    };
    format!("arithmetic: {}{default}", recipe.arithmetic_or_default())
}

/// What a rule does, in few words: `24 weights, 85.1 MB to 12.3 MB`.
impl fmt::Display for RuleShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (decides, changes, misfits) = (self.decides, self.changes, self.misfits);
        let sizes = change(self.before, self.after);
        match changes {
            _ if decides == 0 => return f.write_str("no weights"),
            0 if misfits == decides => write!(f, "{}", count(decides, "weight"))?,
            0 => write!(f, "{} kept, {sizes}", count(decides, "weight"))?,
            _ if changes == decides => write!(f, "{}, {sizes}", count(decides, "weight"))?,
            _ => write!(f, "{}, {} of them changed, {sizes}", count(decides, "weight"), thousands(changes as u64))?,
        }
        match misfits {
            0 => Ok(()),
            _ if misfits == decides => {
                f.write_str(if decides == 1 { " that does not fit" } else { " that do not fit" })
            }
            _ => write!(f, "; {} do not fit", thousands(misfits as u64)),
        }
    }
}

/// What a plan does to a whole model, in few words: `120 MB to 34.2 MB (28.5 %), 4.25 bits per weight`.
impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", change(self.before, self.after), percent(self.share()))?;
        match self.bits() {
            Some(bits) => write!(f, ", {bits:.2} bits per weight"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Misfit {
    /// Why a scheme does not fit, to stand behind "because": "input channels: 48 is not a multiple of 32".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Misfit::Rank { given, rank } => {
                write!(f, "a block of {} for a weight of {rank}", count(*given, "extent"))
            }
            Misfit::Axis { axis, rank } => write!(f, "there is no axis {axis}: the weight has {rank}"),
            Misfit::NoChannels => f.write_str("it has no axis of channels"),
            Misfit::Divides { axis, length, extent } => {
                write!(f, "axis {axis}: {length} is not a multiple of {extent}")
            }
            Misfit::Vector { length, vector } => {
                write!(f, "{} cannot be split into vectors of {vector}", count(*length, "channel"))
            }
            Misfit::Ratio { n, m } => {
                write!(f, "a group of {m} has no room for {}", count(*n, "zero"))
            }
        }
    }
}

impl fmt::Display for Reason {
    /// Why a weight stays as it is, to stand behind "because".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::NoRule => "no rule matches it",
            Reason::Kept => "its rule says `keep`",
            Reason::BelowThreshold => "it has no more elements than the threshold",
            Reason::Never(why) => why,
            Reason::Unreadable => "its rule's scheme cannot be read",
        })
    }
}

impl Outcome {
    /// The outcome in one word, the same in every output: `change`, `keep` or `misfit`.
    pub const fn word(&self) -> &'static str {
        match self {
            Outcome::Change(_) => "change",
            Outcome::Keep(_) => "keep",
            Outcome::Misfit(_) => "misfit",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_short() {
        assert_eq!((shape(&[256, 128]), shape(&[])), ("256x128".into(), "scalar".into()));
    }
}
