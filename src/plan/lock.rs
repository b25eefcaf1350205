//! Decisions written down, so that a renamed module or a changed recipe shows in review: one line a weight.
//!
//! ```text
//! layers.0.up.weight: linear 384x128 fp16 => int4 per-group(32) symmetric scale fp16 arithmetic torchao
//! layers.0.norm.weight: norm 128 fp16 => keep (never)
//! ```
//!
//! Nothing is aligned, so that a change of one line is a difference of one line. Names with blanks, colons,
//! quotes or control characters stand as JSON strings.

use std::collections::HashMap;
use std::fmt;

use thiserror::Error;

use super::words::shape;
use super::{Fitted, Outcome, Plan, Reason};
use crate::model::{Model, layers};
use crate::recipe::Recipe;
use crate::scheme::{Mapping, Scheme, WeightScheme};
use crate::words::{percent, size};

/// How every lock file begins, before a colon or the end of the line.
pub const HEAD: &str = "# bitmill lock 1";

/// Whether a file is a lock file of this version. What is not must not be overwritten.
pub fn is_lock(text: &[u8]) -> bool {
    text.strip_prefix(HEAD.as_bytes()).is_some_and(|rest| matches!(rest.first(), None | Some(b':' | b'\n' | b'\r')))
}

/// The decisions of a plan, or of a file that was written from one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lock {
    /// One for each tensor, in the order of the model.
    pub entries: Vec<Entry>,
}

/// What is decided for one tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its full name.
    pub name: String,
    /// Kind, shape and type: `linear 384x128 fp16`.
    pub is: String,
    /// What becomes of it, defaults filled in.
    pub becomes: String,
}

/// A line of a lock file that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LockError {
    /// It does not begin as lock files do.
    #[error("it is no lock file of this version: those begin with `{HEAD}`")]
    Head,
    /// A line is not as they are written.
    #[error("line {line} is not `NAME: KIND SHAPE TYPE => DECISION`")]
    Line {
        /// Counted from 1.
        line: usize,
    },
}

/// The decisions of a plan.
pub fn lock(recipe: &Recipe, model: &Model, plan: &Plan) -> Lock {
    let entry = |(weight, decision): (&crate::model::Weight, &super::Decision)| {
        let scheme = decision.rule.and_then(|rule| recipe.rules.get(rule)?.scheme.as_ref());
        Entry {
            name: weight.name.clone(),
            is: format!("{} {} {}", weight.kind, shape(&weight.shape), weight.dtype),
            becomes: becomes(scheme, &decision.outcome),
        }
    };
    Lock { entries: model.weights.iter().zip(&plan.decisions).map(entry).collect() }
}

/// The whole text of a lock file.
pub fn text(recipe: &Recipe, model: &Model, plan: &Plan) -> String {
    let totals = plan.totals(model, |_| true);
    let bits = totals.bits().map_or(String::new(), |bits| format!(", {bits:.2} bits per weight"));
    format!(
        "{HEAD}: what is decided for every weight; `bitmill plan --check` compares\n\
         # {} of {} tensors change{bits}, {} -> {} ({})\n\n{}",
        totals.changed,
        totals.tensors,
        size(totals.before),
        size(totals.after),
        percent(totals.share()),
        lock(recipe, model, plan),
    )
}

/// What becomes of a weight, with every default that the outcome depends on.
fn becomes(scheme: Option<&Scheme>, outcome: &Outcome) -> String {
    match outcome {
        Outcome::Keep(reason) => format!("keep ({})", reason_word(reason)),
        Outcome::Misfit(misfit) => format!("misfit: {misfit}"),
        Outcome::Change(fitted) => {
            let Some(scheme) = scheme else { return "change".to_string() };
            match (fitted, &scheme.weights) {
                (Fitted::Affine { scale, arithmetic, mapping, .. }, WeightScheme::Affine(affine)) => {
                    let mut affine = affine.clone();
                    affine.scale = Some(*scale);
                    let scheme = Scheme { weights: WeightScheme::Affine(affine), ..scheme.clone() };
                    match mapping {
                        Mapping::Asymmetric => scheme.to_string(),
                        _ => format!("{scheme} arithmetic {arithmetic}"),
                    }
                }
                _ => scheme.to_string(),
            }
        }
    }
}

fn reason_word(reason: &Reason) -> &'static str {
    match reason {
        Reason::NoRule => "no rule",
        Reason::Kept => "rule",
        Reason::BelowThreshold => "below threshold",
        Reason::Never(_) => "never",
        Reason::Unreadable => "unreadable rule",
    }
}

impl fmt::Display for Lock {
    /// The lines for the tensors, without the head.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for entry in &self.entries {
            let plain = |c: char| !(c.is_whitespace() || c.is_control() || matches!(c, ':' | '"' | '#'));
            if !entry.name.is_empty() && entry.name.chars().all(plain) {
                f.write_str(&entry.name)?;
            } else {
                // Strings always serialize.
                f.write_str(&serde_json::to_string(&entry.name).unwrap_or_default())?;
            }
            writeln!(f, ": {} => {}", entry.is, entry.becomes)?;
        }
        Ok(())
    }
}

impl Lock {
    /// Reads a lock file.
    ///
    /// # Errors
    /// The first line that is not as they are written.
    pub fn parse(text: &str) -> Result<Lock, LockError> {
        if !is_lock(text.as_bytes()) {
            return Err(LockError::Head);
        }
        let mut entries = Vec::new();
        for (index, line) in text.lines().enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            entries.push(Entry::parse(line).ok_or(LockError::Line { line: index + 1 })?);
        }
        Ok(Lock { entries })
    }
}

impl Entry {
    fn parse(line: &str) -> Option<Entry> {
        let (name, rest) = if line.starts_with('"') {
            let mut stream = serde_json::Deserializer::from_str(line).into_iter::<String>();
            let name = stream.next()?.ok()?;
            (name, line.get(stream.byte_offset()..)?.strip_prefix(": ")?)
        } else {
            let (name, rest) = line.split_once(": ")?;
            (name.to_string(), rest)
        };
        let (is, becomes) = rest.split_once(" => ")?;
        Some(Entry { name, is: is.to_string(), becomes: becomes.to_string() })
    }
}

/// How one tensor differs between two locks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Change {
    /// Something else is decided.
    Decision {
        /// Before.
        was: String,
        /// Now.
        now: String,
    },
    /// Kind, shape or type differ, and perhaps what is decided.
    Tensor {
        /// Before.
        was: String,
        /// Now.
        now: String,
    },
    /// It is not in the model any more.
    Gone {
        /// What was decided.
        was: String,
    },
    /// It was not in the model before.
    New {
        /// What is decided.
        now: String,
    },
    /// It has another name: the part of it that changed.
    Renamed {
        /// Before.
        from: String,
        /// Now.
        to: String,
    },
}

/// Tensors that differ alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Their names as one glob, by the old name when they are gone or renamed.
    pub name: String,
    /// How many they are.
    pub count: usize,
    /// How they differ.
    pub change: Change,
}

/// Compares a lock with an earlier one. Nothing when both say the same of the same tensors, in any order.
pub fn compare(was: &Lock, now: &Lock) -> Vec<Difference> {
    let by_name = |lock: &Lock| -> HashMap<String, usize> {
        lock.entries.iter().enumerate().map(|(index, entry)| (entry.name.clone(), index)).collect()
    };
    let (old_names, new_names) = (by_name(was), by_name(now));
    let mut changes: Vec<(&str, Change)> = Vec::new();
    let mut fresh: Vec<&Entry> = Vec::new();
    for entry in &now.entries {
        match old_names.get(&entry.name).map(|&index| &was.entries[index]) {
            None => fresh.push(entry),
            Some(old) if old.is != entry.is => {
                let says = |e: &Entry| format!("{} => {}", e.is, e.becomes);
                changes.push((&entry.name, Change::Tensor { was: says(old), now: says(entry) }));
            }
            Some(old) if old.becomes != entry.becomes => {
                let change = Change::Decision { was: old.becomes.clone(), now: entry.becomes.clone() };
                changes.push((&entry.name, change));
            }
            Some(_) => {}
        }
    }
    let gone: Vec<&Entry> = was.entries.iter().filter(|entry| !new_names.contains_key(&entry.name)).collect();
    let renamed = renames(&gone, &fresh);
    for entry in gone {
        let change = match renamed.get(entry.name.as_str()) {
            Some(new) => {
                let (from, to) = differing_parts(&entry.name, new);
                Change::Renamed { from, to }
            }
            None => Change::Gone { was: format!("{} => {}", entry.is, entry.becomes) },
        };
        changes.push((&entry.name, change));
    }
    let taken: std::collections::HashSet<&str> = renamed.values().copied().collect();
    for entry in fresh.iter().filter(|entry| !taken.contains(entry.name.as_str())) {
        changes.push((&entry.name, Change::New { now: format!("{} => {}", entry.is, entry.becomes) }));
    }
    let rows = layers::collapse(changes.iter().map(|(name, change)| (*name, change)));
    let difference = |row: layers::Row| Difference {
        change: changes[row.members[0]].1.clone(),
        count: row.members.len(),
        name: row.name,
    };
    rows.into_iter().map(difference).collect()
}

/// Names that are gone and names that are new, by what the tensors are and become.
type Alike<'a> = HashMap<(&'a str, &'a str), (Vec<&'a str>, Vec<&'a str>)>;

/// Old names and the new ones that probably stand for them: where as many tensors of one kind, shape, type and
/// decision are gone as are new, in their order.
fn renames<'a>(gone: &[&'a Entry], fresh: &[&'a Entry]) -> HashMap<&'a str, &'a str> {
    let mut groups = Alike::new();
    for entry in gone {
        groups.entry((&entry.is, &entry.becomes)).or_default().0.push(&entry.name);
    }
    for entry in fresh {
        groups.entry((&entry.is, &entry.becomes)).or_default().1.push(&entry.name);
    }
    let pairs = groups.into_values().filter(|(old, new)| old.len() == new.len());
    pairs.flat_map(|(old, new)| old.into_iter().zip(new)).collect()
}

/// What is left of two dotted names without the components that they begin and end with in common.
fn differing_parts(from: &str, to: &str) -> (String, String) {
    let (a, b): (Vec<&str>, Vec<&str>) = (from.split('.').collect(), to.split('.').collect());
    let head = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let most = a.len().min(b.len()) - head;
    let tail = a.iter().rev().zip(b.iter().rev()).take(most).take_while(|(x, y)| x == y).count();
    (a[head..a.len() - tail].join("."), b[head..b.len() - tail].join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(lines: &str) -> Lock {
        Lock::parse(&format!("{HEAD}: x\n\n{lines}")).unwrap()
    }

    #[test]
    fn what_is_written_reads_back() {
        let entry =
            |name: &str| Entry { name: name.into(), is: "linear 2x2 fp16".into(), becomes: "keep (rule)".into() };
        let names = ["a.b", "with blank", "with: colon", "\"quoted\"", "new\nline", "", "#", "ünï"];
        let lock = Lock { entries: names.map(entry).to_vec() };
        assert_eq!(Lock::parse(&format!("{HEAD}\n{lock}")), Ok(lock));
    }

    #[test]
    fn other_files_are_refused() {
        assert_eq!(Lock::parse("model \"x\""), Err(LockError::Head));
        // A later version is none of ours.
        assert_eq!(Lock::parse(&format!("{HEAD}0: x\n")), Err(LockError::Head));
        assert_eq!(Lock::parse(&format!("{HEAD}\r\n")), Ok(Lock::default()));
        assert_eq!(Lock::parse(&format!("{HEAD}\n\nnonsense\n")), Err(LockError::Line { line: 3 }));
        assert_eq!(Lock::parse(&format!("{HEAD}\n\"a\n")), Err(LockError::Line { line: 2 }));
    }

    #[test]
    fn differences_are_told_once_for_layers_that_are_alike() {
        let old: String = (0..4).map(|n| format!("layers.{n}.up: linear 4x4 fp16 => int4 per-channel\n")).collect();
        let new = old.replace("int4", "int8");
        let all = compare(&lock(&old), &lock(&new));
        assert_eq!(all.len(), 1);
        assert_eq!((all[0].name.as_str(), all[0].count), ("layers.{0..3}.up", 4));
        let change = Change::Decision { was: "int4 per-channel".into(), now: "int8 per-channel".into() };
        assert_eq!(all[0].change, change);
        assert_eq!(compare(&lock(&old), &lock(&old)), []);
    }

    #[test]
    fn renamed_gone_and_new_are_told_apart() {
        let old: String = (0..2).map(|n| format!("layers.{n}.up: linear 4x4 fp16 => keep (rule)\n")).collect();
        let new = old.replace("layers", "blocks") + "head: linear 9x9 fp32 => keep (no rule)\n";
        let all = compare(&lock(&(old + "tail: linear 7x7 fp32 => keep (rule)\n")), &lock(&new));
        let told: Vec<_> = all.iter().map(|d| (d.name.as_str(), d.count, d.change.clone())).collect();
        let renamed = Change::Renamed { from: "layers".into(), to: "blocks".into() };
        assert_eq!(told[0], ("layers.{0,1}.up", 2, renamed));
        assert_eq!(told[1].2, Change::Gone { was: "linear 7x7 fp32 => keep (rule)".into() });
        assert_eq!(told[2].2, Change::New { now: "linear 9x9 fp32 => keep (no rule)".into() });
    }

    #[test]
    fn the_renamed_part_is_what_differs() {
        assert_eq!(differing_parts("a.b.c", "a.x.y.c"), ("b".into(), "x.y".into()));
        assert_eq!(differing_parts("a.a", "a.a.a"), (String::new(), "a".into()));
    }
}
