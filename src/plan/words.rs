//! What plans say in sentences: sizes, reasons, misfits. Every face shows these words.

use std::fmt;

use super::{Misfit, Outcome, Reason};

/// A number of bytes as people read it: `936 B`, `1.87 MB`; units of 1000, as recipes write them.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    // 999.95 would be shown as 1000 with one decimal.
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let decimals = match value {
        v if v < 9.995 => 2,
        v if v < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$} {}", UNITS[unit])
}

/// A number with thousands separated: `936,192`.
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A share in percent: `29.9 %`, `100 %`. What is not quite nothing or everything is not shown as such.
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent == 0.0 || percent == 100.0 || !percent.is_finite() {
        return format!("{percent:.0} %");
    }
    if percent < 100.0 { format!("{:.1} %", percent.clamp(0.1, 99.9)) } else { format!("{percent:.1} %") }
}

/// A shape: `256x128`; `scalar` for rank 0.
pub fn shape(dimensions: &[usize]) -> String {
    if dimensions.is_empty() {
        return "scalar".to_string();
    }
    let all: Vec<String> = dimensions.iter().map(usize::to_string).collect();
    all.join("x")
}

impl fmt::Display for Misfit {
    /// Why a scheme does not fit, to stand behind "because": "input channels: 48 is not a multiple of 32".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Misfit::Rank { given, rank } => {
                write!(f, "a block of {given} {} for a weight of {rank}", plural(*given, "extent"))
            }
            Misfit::Axis { axis, rank } => write!(f, "there is no axis {axis}: the weight has {rank}"),
            Misfit::NoChannels => f.write_str("it has no axis of channels"),
            Misfit::Divides { axis, length, extent } => {
                write!(f, "axis {axis}: {length} is not a multiple of {extent}")
            }
            Misfit::Vector { length, vector } => {
                write!(f, "{length} {} cannot be split into vectors of {vector}", plural(*length, "channel"))
            }
            Misfit::Ratio { n, m } => {
                write!(f, "a group of {m} has no room for {n} {}", plural(*n, "zero"))
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

fn plural(n: usize, word: &str) -> String {
    if n == 1 { word.to_string() } else { format!("{word}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_three_digits() {
        let shown = [0, 1, 999, 1000, 1234, 9_999, 99_960, 999_499, 999_500, 1_870_000, u64::MAX].map(size);
        assert_eq!(
            shown,
            [
                "0 B", "1 B", "999 B", "1.00 kB", "1.23 kB", "10.0 kB", "100 kB", "999 kB", "1.00 MB", "1.87 MB",
                "18.4 EB"
            ]
        );
    }

    #[test]
    fn shares_are_not_rounded_to_all_or_nothing() {
        let shown = [0.0, 0.000_01, 0.2987, 0.99999, 1.0, 1.21].map(percent);
        assert_eq!(shown, ["0 %", "0.1 %", "29.9 %", "99.9 %", "100 %", "121.0 %"]);
    }

    #[test]
    fn thousands_are_separated() {
        assert_eq!([0, 999, 1000, 1_048_576].map(thousands), ["0", "999", "1,000", "1,048,576"]);
        assert_eq!((shape(&[256, 128]), shape(&[])), ("256x128".into(), "scalar".into()));
    }
}
