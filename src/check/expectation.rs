//! What is known of a recipe's expectations: which hold, which do not, and which nothing has measured.

use std::fmt;

use super::Context;
use super::rules::expect_failed;
use super::words::{count, list};
use crate::recipe::{Expect, Recipe};

/// What is known of an expectation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It holds.
    Met,
    /// It does not; a finding says why.
    Failed,
    /// Nothing has told yet.
    NotMeasured(Unmeasured),
}

/// Why nothing has told whether an expectation holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unmeasured {
    /// There is no model that it could be about.
    NoModel,
    /// A recipe with mistakes does not do what it will do.
    Mistakes,
    /// Only a run tells.
    Run,
    /// Only an evaluation of the quantized model tells.
    Evaluation,
    /// There was an evaluation, whose data did not tell.
    Labels,
    /// No weight that it is about changes.
    Nothing,
}

impl Verdict {
    /// Whether something holds, where that is known.
    pub const fn of(holds: bool) -> Verdict {
        if holds { Verdict::Met } else { Verdict::Failed }
    }

    /// In one word, the same in every output: `met`, `failed` or `not-measured`.
    pub const fn word(self) -> &'static str {
        match self {
            Verdict::Met => "met",
            Verdict::Failed => "failed",
            Verdict::NotMeasured(_) => "not-measured",
        }
    }
}

impl fmt::Display for Unmeasured {
    /// To stand behind "because".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unmeasured::NoModel => "there is no model",
            Unmeasured::Mistakes => "the recipe has mistakes",
            Unmeasured::Run => "only a run tells",
            Unmeasured::Evaluation => "only an evaluation tells",
            Unmeasured::Labels => "the test data has no labels that tell",
            Unmeasured::Nothing => "no weight that it is about changes",
        })
    }
}

/// What is known of each of `Recipe::expects`, in their order.
pub fn verdicts(context: &Context) -> Vec<Verdict> {
    expect_failed::verdicts(context)
}

/// What an expectation claims, as it is written.
pub fn claim<'a>(recipe: &'a Recipe, expect: &Expect) -> &'a str {
    let text = recipe.text(expect.place).trim();
    text.strip_prefix("expect").unwrap_or(text).trim()
}

/// All verdicts in one line: "1 of 3 expectations met; 1 failed; not measured: `accuracy drop <= 1%` (only an
/// evaluation tells)". Nothing for a recipe that expects nothing.
pub fn summary(recipe: &Recipe, verdicts: &[Verdict]) -> Option<String> {
    let all = verdicts.len();
    let of = |wanted: Verdict| verdicts.iter().filter(|verdict| **verdict == wanted).count();
    let (met, failed) = (of(Verdict::Met), of(Verdict::Failed));
    let mut told = vec![match met {
        _ if all == 0 => return None,
        met if met == all => format!("{} met", count(all, "expectation")),
        met => format!("{met} of {} met", count(all, "expectation")),
    }];
    if failed > 0 {
        told.push(format!("{failed} failed"));
    }
    for why in [
        Unmeasured::NoModel,
        Unmeasured::Mistakes,
        Unmeasured::Run,
        Unmeasured::Evaluation,
        Unmeasured::Labels,
        Unmeasured::Nothing,
    ] {
        let open = recipe.expects.iter().zip(verdicts).filter(|(_, verdict)| **verdict == Verdict::NotMeasured(why));
        let claims: Vec<&str> = open.map(|(expect, _)| claim(recipe, expect)).collect();
        if !claims.is_empty() {
            told.push(format!("not measured: {} ({why})", list(&claims, 3)));
        }
    }
    Some(told.join("; "))
}
