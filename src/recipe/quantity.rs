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
    let value = number.value * count_unit(&number.unit)?;
    // Beyond 2^53 a double no longer holds every whole number.
    (value.fract() == 0.0 && (0.0..=9.0e15).contains(&value)).then_some(value as u64)
}

/// A number in a condition, where counts and sizes both make sense.
pub fn condition(number: &Number) -> Option<f64> {
    let factor = count_unit(&number.unit).or_else(|| byte_unit(&number.unit))?;
    Some(number.value * factor)
}

/// A share: `30%` is 0.3.
pub fn share(number: &Number) -> Option<f64> {
    (number.unit == "%").then_some(number.value / 100.0)
}

/// A number of bytes.
pub fn bytes(number: &Number) -> Option<f64> {
    byte_unit(&number.unit).map(|factor| number.value * factor)
}
