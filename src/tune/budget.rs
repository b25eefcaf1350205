//! What a tuned recipe must keep to.

use std::fmt;
use std::path::Path;

use crate::recipe::{Bound, Claim, Metric, NoImports, Recipe, resolve};
use crate::words::{percent, size};

/// What a tuned recipe must keep to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Budget {
    /// At most so many bits per element, over all weights that may change.
    Bits(f64),
    /// At most this share of the bytes of the whole model: 0.3 for 30 %.
    Share(f64),
    /// At most so many bytes for the whole model.
    Bytes(u64),
    /// At least this ratio of signal to noise, in dB.
    Sqnr(f64),
}

impl Budget {
    /// Reads bits per weight: `4.5bpw`, `4.5`.
    ///
    /// # Errors
    /// What it must be.
    pub fn bits(text: &str) -> Result<Budget, String> {
        let number = ["bpw", "bits", "bit"].iter().find_map(|unit| text.trim().strip_suffix(unit)).unwrap_or(text);
        match bound("bits <=", number) {
            Some((Metric::Bits, Bound::Value(bits))) if bits > 0.0 => Ok(Budget::Bits(bits)),
            _ => Err("bits per weight are meant, such as `4.5bpw`".to_owned()),
        }
    }

    /// Reads the size of a model, as `expect size` has it: `30%`, `120MB`.
    ///
    /// # Errors
    /// What it must be.
    pub fn size(text: &str) -> Result<Budget, String> {
        match bound("size <=", text) {
            Some((Metric::Size, Bound::Share(share))) if share > 0.0 => Ok(Budget::Share(share)),
            Some((Metric::Size, Bound::Value(bytes))) if (1.0..9e15).contains(&bytes) => {
                Ok(Budget::Bytes(bytes as u64))
            }
            _ => Err("a size is meant: a share such as `30%`, or bytes such as `120MB`".to_owned()),
        }
    }

    /// Reads a ratio in dB: `30`, `30dB`.
    ///
    /// # Errors
    /// What it must be.
    pub fn sqnr(text: &str) -> Result<Budget, String> {
        let number = text.trim().strip_suffix("dB").unwrap_or(text);
        match bound("sqnr >=", &format!("{} dB", number.trim())) {
            Some((Metric::Sqnr, Bound::Value(decibels))) => Ok(Budget::Sqnr(decibels)),
            _ => Err("a ratio in dB is meant, such as `30`".to_owned()),
        }
    }

    /// The bytes that this many bytes and elements may become: of what may change, beside `fixed` bytes of what may not.
    /// `None` where it is no bound of sizes.
    pub fn capacity(self, elements: u64, before: u64, fixed: u64) -> Option<f64> {
        match self {
            Budget::Bits(bits) => Some((bits * elements as f64 / 8.0).floor()),
            Budget::Share(share) => Some((share * before as f64).floor() - fixed as f64),
            Budget::Bytes(bytes) => Some(bytes as f64 - fixed as f64),
            Budget::Sqnr(_) => None,
        }
    }

    /// As an expectation that the written recipe makes of itself.
    pub fn claim(self) -> String {
        match self {
            Budget::Bits(bits) => format!("bits <= {bits}"),
            Budget::Share(share) => format!("size <= {}", crate::scheme::percent(share)),
            Budget::Bytes(bytes) => format!("size <= {bytes}"),
            Budget::Sqnr(decibels) => format!("sqnr >= {decibels} dB"),
        }
    }
}

impl fmt::Display for Budget {
    /// To stand behind "for": `at most 4.5 bits per weight`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Budget::Bits(bits) => write!(f, "at most {bits} bits per weight"),
            Budget::Share(share) => write!(f, "at most {} of the size", percent(*share)),
            Budget::Bytes(bytes) => write!(f, "at most {}", size(*bytes)),
            Budget::Sqnr(decibels) => write!(f, "an SQNR of at least {decibels} dB"),
        }
    }
}

/// The metric and the bound of an expectation, by the grammar of recipes.
fn bound(begin: &str, text: &str) -> Option<(Metric, Bound)> {
    let text = text.trim();
    if text.len() > 64 || text.contains(|c: char| c == '#' || c.is_control()) {
        return None;
    }
    let Recipe { mut expects, problems, .. } = resolve(Path::new(""), &format!("expect {begin} {text}\n"), &NoImports);
    match (expects.pop()?.claim, &expects[..], &problems[..]) {
        (Claim::Metric { selector: None, metric, bound, .. }, [], []) => Some((metric, bound)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_read_as_recipes_are() {
        assert_eq!(Budget::bits("4.5bpw"), Ok(Budget::Bits(4.5)));
        assert_eq!(Budget::bits(" 3 bits"), Ok(Budget::Bits(3.0)));
        assert_eq!(Budget::size("30%"), Ok(Budget::Share(0.3)));
        assert_eq!(Budget::size("1.5 MB"), Ok(Budget::Bytes(1_500_000)));
        assert_eq!(Budget::size("64KiB"), Ok(Budget::Bytes(65_536)));
        assert_eq!([Budget::sqnr("30"), Budget::sqnr("30 dB")], [Ok(Budget::Sqnr(30.0)), Ok(Budget::Sqnr(30.0))]);
        for wrong in ["", "4%", "-1", "0", "many", "4 # x", "4\nall => keep"] {
            assert!(Budget::bits(wrong).is_err(), "{wrong:?}");
        }
        for wrong in ["", "0%", "30dB", "-3MB", "NaN", "3 MB\n"] {
            assert!(Budget::size(wrong).is_err() || wrong == "3 MB\n", "{wrong:?}");
        }
        assert!(Budget::sqnr("30%").is_err() && Budget::sqnr("").is_err());
    }

    #[test]
    fn capacities_leave_room_for_what_stays() {
        assert_eq!(Budget::Bits(4.5).capacity(1001, 9000, 100), Some(563.0));
        assert_eq!(Budget::Share(0.3).capacity(1001, 9000, 100), Some(2600.0));
        assert_eq!(Budget::Bytes(50).capacity(1001, 9000, 100), Some(-50.0));
        assert_eq!(Budget::Sqnr(30.0).capacity(1001, 9000, 100), None);
        assert_eq!(Budget::Share(0.3).claim(), "size <= 30%");
    }
}
