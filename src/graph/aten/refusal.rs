//! What of a program cannot be converted.

use std::fmt;

use crate::words::shown;

/// An operation, an input or an output of an export that cannot be converted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What it is: `aten.sort.default`, or words for an input or an output.
    pub what: String,
    /// Its name.
    pub name: String,
    /// The module that ran it.
    pub module: Option<String>,
    /// The line of code that it comes from.
    pub line: Option<String>,
    /// Why not.
    pub why: String,
}

impl Refusal {
    /// Which one it is: its name, its module, its line of code.
    pub fn place(&self) -> String {
        let module = self.module.as_ref().filter(|module| !module.is_empty());
        let module = module.map(|module| format!(" of `{}`", shown(module))).unwrap_or_default();
        let line = self.line.as_ref().map(|line| format!(" ({})", shown(line))).unwrap_or_default();
        format!("`{}`{module}{line}", shown(&self.name))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", shown(&self.what), self.place(), self.why)
    }
}

/// Refusals of one operator for one reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefusedKind<'r> {
    /// The first of them.
    pub first: &'r Refusal,
    /// How many there are.
    pub count: usize,
}

impl<'r> RefusedKind<'r> {
    /// Refusals by operator and reason, in the order in which each occurs first.
    pub fn group(refusals: &'r [Refusal]) -> Vec<RefusedKind<'r>> {
        let mut kinds: Vec<RefusedKind<'r>> = Vec::new();
        let mut places = std::collections::HashMap::new();
        for refusal in refusals {
            let place = *places.entry((&*refusal.what, &*refusal.why)).or_insert(kinds.len());
            match kinds.get_mut(place) {
                Some(kind) => kind.count += 1,
                None => kinds.push(RefusedKind { first: refusal, count: 1 }),
            }
        }
        kinds
    }
}
