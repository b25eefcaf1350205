//! Experiments: what schemes would make of weights, measured with the kernels of a run, and written nowhere. Pure
//! computations with progress and a flag that stops them. Knows no prompts and no terminals.

mod attempt;
mod histogram;
mod sensitivity;
mod sweep;

pub use attempt::{Attempt, Left, Tried, attempt, rehearse};
pub use histogram::{Histogram, Levels, histogram};
pub use sensitivity::{Sensitivity, Share, sensitivity};
pub use sweep::{Point, Sweep, sweep};

use crate::check::Fact;
use crate::words::counted;

/// Why the values of a weight forbid what was asked, to stand behind "because".
pub fn fact(fact: &Fact) -> String {
    let values = |n: u64| counted(n as usize, "value", "values");
    match fact {
        Fact::NotFinite(n) => format!("{} are NaN or infinite", values(*n)),
        Fact::Distinct(n) => {
            format!("it has {}, more than the table has entries", values(*n).replace("value", "distinct value"))
        }
        Fact::BeyondFp16(n) => format!("{} are beyond fp16", values(*n)),
        Fact::DeadBlocks(n) => format!("{} come out as nothing but zeros", counted(*n as usize, "block", "blocks")),
        Fact::Narrow => "its codes would fit into 4 bits".to_string(),
        Fact::Zeros { zeros, of } => format!("{zeros} of {of} values are zero"),
    }
}
