//! Numbers with units, read for the place where they stand.

use crate::syntax::tree::Number;

/// What a unit multiplies by where a count is meant; `None` for what is no unit of counts.
fn count_unit(unit: &str) -> Option<f64> {
    Some(match unit {
        "" => 1.0,
        "k" | "K" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        _ => return None,
    })
}

/// What a unit multiplies by where bytes are meant.
fn byte_unit(unit: &str) -> Option<f64> {
    Some(match unit {
        "" | "B" => 1.0,
        "kB" | "KB" | "k" => 1e3,
        "MB" | "M" => 1e6,
        "GB" | "G" => 1e9,
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        "GiB" => 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    })
}

/// A whole number of things: `2048`, `2k`, `1.5M`.
pub fn count(number: &Number) -> Option<u64> {
    let value = times(number.value, count_unit(&number.unit)?);
    // Beyond 2^53 a double no longer holds every whole number.
    (value.fract() == 0.0 && (0.0..=9.0e15).contains(&value)).then_some(value as u64)
}

/// A number in a condition, where counts and sizes both make sense.
pub fn condition(number: &Number) -> Option<f64> {
    let factor = count_unit(&number.unit).or_else(|| byte_unit(&number.unit))?;
    Some(times(number.value, factor))
}

/// A share: `30%` is 0.3.
pub fn share(number: &Number) -> Option<f64> {
    (number.unit == "%").then_some(number.value / 100.0)
}

/// A number of bytes.
pub fn bytes(number: &Number) -> Option<f64> {
    byte_unit(&number.unit).map(|factor| times(number.value, factor))
}

/// The product of a number and its unit. Decimal fractions are rounded in binary, and 1.001k is 1001 all the same.
fn times(value: f64, factor: f64) -> f64 {
    let product = value * factor;
    let whole = product.round();
    if factor != 1.0 && (product - whole).abs() <= whole.abs() * 1e-15 { whole } else { product }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::Span;

    #[test]
    fn fractions_of_units_are_exact() {
        let of = |value: f64, unit: &str| count(&Number { value, unit: unit.into(), span: Span::default() });
        for thousandths in 0..100_000u64 {
            assert_eq!(
                of(format!("{}.{:03}", thousandths / 1000, thousandths % 1000).parse().unwrap(), "k"),
                Some(thousandths)
            );
        }
        assert_eq!((of(1.5, "M"), of(1.5, ""), of(1.0005, "k"), of(-1.0, "k")), (Some(1_500_000), None, None, None));
        let number = Number { value: 1.001, unit: "kB".into(), span: Span::default() };
        assert_eq!((bytes(&number), condition(&number)), (Some(1001.0), Some(1001.0)));
    }
}
