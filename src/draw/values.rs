//! Values and how they are distributed.

/// A value with three digits.
pub fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_string(),
        magnitude if !(1e-3..1e5).contains(&magnitude) => format!("{value:.2e}"),
        magnitude => {
            let decimals = (2 - magnitude.log10().floor() as i32).max(0) as usize;
            format!("{value:.decimals$}")
        }
    }
}

/// A histogram as a line of blocks; what is not quite empty is not shown as empty.
pub fn bars(histogram: &[u64], unicode: bool) -> String {
    let blocks = if unicode {
        [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█']
    } else {
        [' ', '.', '.', ':', ':', '+', '+', '#', '#']
    };
    let highest = histogram.iter().copied().max().unwrap_or(0).max(1) as f64;
    let height = |n: &u64| if *n == 0 { 0 } else { ((*n as f64 / highest * 8.0).round() as usize).clamp(1, 8) };
    histogram.iter().map(|n| blocks[height(n)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::BARS;

    #[test]
    fn numbers_have_three_digits() {
        let shown = [0.0, 1.0, -0.05, 123.456, 0.000_01, 1e9, 99_999.0].map(number);
        assert_eq!(shown, ["0", "1.00", "-0.0500", "123", "1.00e-5", "1.00e9", "99999"]);
    }

    #[test]
    fn one_value_is_seen_beside_many() {
        let mut histogram = [0; BARS];
        (histogram[0], histogram[12], histogram[13]) = (1, 1_000_000, 500_000);
        assert_eq!(bars(&histogram, true), "▁           █▄          ");
    }
}
