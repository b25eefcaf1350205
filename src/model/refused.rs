//! What of an exported program Core ML cannot say, for each operator set: kept with the model once it was found, since
//! the program does not change.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::graph::aten::Refusal;
use crate::graph::function::Opset;

/// Refusals by operator set.
#[derive(Debug, Default)]
pub struct Refused {
    /// Those that a listing tells, of every set.
    pub(super) told: Arc<[Refusal]>,
    found: Mutex<HashMap<Opset, Arc<[Refusal]>>>,
}

impl Refused {
    /// Those that a listing tells.
    pub(super) fn told(told: Vec<Refusal>) -> Refused {
        Refused { told: told.into(), found: Mutex::default() }
    }

    /// Those of a set; `find` is asked once for each.
    pub fn of(&self, set: Opset, find: impl FnOnce() -> Vec<Refusal>) -> Arc<[Refusal]> {
        if !self.told.is_empty() {
            return self.told.clone();
        }
        let known = self.found.lock().unwrap_or_else(PoisonError::into_inner).get(&set).cloned();
        known.unwrap_or_else(|| {
            // Two that ask at once both find it, rather than that one waits.
            let found: Arc<[Refusal]> = find().into();
            self.found.lock().unwrap_or_else(PoisonError::into_inner).insert(set, found.clone());
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
