//! What of an exported program Core ML cannot say, for each operator set and what is settled of its sizes: kept with the
//! model once it was found, since the program does not change.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::graph::Name;
use crate::graph::aten::Refusal;
use crate::graph::function::Opset;

/// For what it is asked: an operator set, and the sizes that shapes settle, in order of their symbols.
pub type Asked = (Opset, Vec<(Name, i64)>);

/// Answers that are kept: shapes that are being typed are many.
const MOST: usize = 16;

/// Refusals by what was asked.
#[derive(Debug, Default)]
pub struct Refused {
    /// Those that a listing tells, of every set.
    pub(super) told: Arc<[Refusal]>,
    found: Mutex<HashMap<Asked, Arc<[Refusal]>>>,
}

impl Refused {
    /// Those that a listing tells.
    pub(super) fn told(told: Vec<Refusal>) -> Refused {
        Refused { told: told.into(), found: Mutex::default() }
    }

    /// Those of a set and sizes; `find` is asked once for each of the last ones.
    pub fn of(&self, asked: Asked, find: impl FnOnce() -> Vec<Refusal>) -> Arc<[Refusal]> {
        if !self.told.is_empty() {
            return self.told.clone();
        }
        let known = self.found.lock().unwrap_or_else(PoisonError::into_inner).get(&asked).cloned();
        known.unwrap_or_else(|| {
            // Two that ask at once both find it, rather than that one waits.
            let found: Arc<[Refusal]> = find().into();
            let mut all = self.found.lock().unwrap_or_else(PoisonError::into_inner);
            if all.len() >= MOST {
                all.clear();
            }
            all.insert(asked, found.clone());
            found
        })
    }
}

/// What was found is no part of what a model is.
impl PartialEq for Refused {
    fn eq(&self, other: &Refused) -> bool {
        self.told == other.told
    }
}
