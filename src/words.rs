//! Numbers and names in sentences: the same in the messages of every room and in every face.

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

/// `1 weight`, `3 weights`, `1,024 weights`.
pub fn count(n: usize, one: &str) -> String {
    counted(n, one, &format!("{one}s"))
}

/// As [`count`], for words whose plural is more than an `s`: `1 fix`, `3 fixes`.
pub fn counted(n: usize, one: &str, many: &str) -> String {
    format!("{} {}", thousands(n as u64), if n == 1 { one } else { many })
}

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

/// A share in percent: `29.9 %`, `100 %`. What is not quite nothing or everything is not shown as such.
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent == 0.0 || percent == 100.0 || !percent.is_finite() {
        return format!("{percent:.0} %");
    }
    if percent < 100.0 { format!("{:.1} %", percent.clamp(0.1, 99.9)) } else { format!("{percent:.1} %") }
}

/// A name from a file as messages show it: control characters escaped, cut after 120 characters.
pub fn shown(name: &str) -> String {
    const LONGEST: usize = 120;
    let mut text: String = name.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if name.chars().nth(LONGEST).is_some() {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_and_cut() {
        assert_eq!(shown("a.\u{1b}[2J\n"), "a.\\u{1b}[2J\\n");
        assert_eq!(shown(&"x".repeat(120)), "x".repeat(120));
        assert_eq!(shown(&"x".repeat(121)), "x".repeat(120) + "…");
    }

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
    }

    #[test]
    fn one_is_no_plural() {
        assert_eq!([count(0, "rule"), count(1, "rule"), count(2, "rule")], ["0 rules", "1 rule", "2 rules"]);
        assert_eq!([counted(1, "fix", "fixes"), counted(2, "fix", "fixes")], ["1 fix", "2 fixes"]);
    }
}
