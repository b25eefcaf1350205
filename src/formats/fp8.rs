//! 8-bit floats to 32-bit floats, exactly.

/// The value of every code of `Float8_e4m3fn`: 4 exponent bits with bias 7, 3 mantissa bits, no infinities;
/// `0x7f` and `0xff` are NaN. Index it with the byte.
///
/// Source: OCP 8-bit Floating Point Specification (OFP8), revision 1.0, table 2; the same as PyTorch's
/// `torch.float8_e4m3fn`.
pub const E4M3FN: [f32; 256] = table(4, true);

/// The value of every code of `Float8_e5m2`: 5 exponent bits with bias 15, 2 mantissa bits, infinities and NaN
/// as in IEEE 754. Index it with the byte.
///
/// Source: OCP 8-bit Floating Point Specification (OFP8), revision 1.0, table 2; the same as PyTorch's
/// `torch.float8_e5m2`.
pub const E5M2: [f32; 256] = table(5, false);

/// The value of a `Float8_e4m3fn` code.
pub const fn e4m3fn_to_f32(code: u8) -> f32 {
    E4M3FN[code as usize]
}

/// The value of a `Float8_e5m2` code.
pub const fn e5m2_to_f32(code: u8) -> f32 {
    E5M2[code as usize]
}

/// The code of the `Float8_e4m3fn` nearest to a value, ties to even. What rounds beyond 448, and NaN, is NaN, as
/// in PyTorch.
pub fn e4m3fn_from_f32(value: f32) -> u8 {
    // The code of NaN stands where 480 would be, the next magnitude.
    nearest(value, &E4M3FN, 0x7e, 480.0, 0x7f)
}

/// The code of the `Float8_e5m2` nearest to a value, ties to even. What rounds beyond 57344 is infinite, as in
/// PyTorch.
pub fn e5m2_from_f32(value: f32) -> u8 {
    nearest(value, &E5M2, 0x7b, 65536.0, 0x7f)
}

/// Magnitudes rise with their codes up to `largest`; the code behind it stands for `beyond` and more.
fn nearest(value: f32, table: &[f32; 256], largest: u8, beyond: f32, nan: u8) -> u8 {
    let sign = if value.is_sign_negative() { 0x80 } else { 0 };
    let magnitude = value.abs();
    if magnitude.is_nan() {
        return sign | nan;
    }
    let of = |code: u8| if code > largest { beyond } else { table[code as usize] };
    let above = table[..=largest as usize].partition_point(|v| *v < magnitude) as u8;
    if above == 0 || of(above) <= magnitude {
        return sign | above.min(largest + 1);
    }
    let (low, high) = (f64::from(of(above - 1)), f64::from(of(above)));
    let middle = (low + high) / 2.0;
    let code = match f64::from(magnitude).total_cmp(&middle) {
        std::cmp::Ordering::Less => above - 1,
        std::cmp::Ordering::Greater => above,
        std::cmp::Ordering::Equal => (above - 1) + ((above - 1) & 1),
    };
    sign | code
}

const fn table(exponent_bits: u32, finite: bool) -> [f32; 256] {
    let mut values = [0.0; 256];
    let mut code = 0;
    while code < 256 {
        values[code] = decode(code as u32, exponent_bits, finite);
        code += 1;
    }
    values
}

/// Decodes one code. Every value of both formats is a normal 32-bit float, zero, infinity or NaN, so it is put
/// together from bits and nothing is rounded.
const fn decode(code: u32, exponent_bits: u32, finite: bool) -> f32 {
    let mantissa_bits = 7 - exponent_bits;
    let bias = (1 << (exponent_bits - 1)) - 1;
    let top = (1 << exponent_bits) - 1;
    let sign = (code >> 7) << 31;
    let exponent = (code >> mantissa_bits) & top;
    let mantissa = code & ((1 << mantissa_bits) - 1);

    let bits = if exponent == top && finite && mantissa == (1 << mantissa_bits) - 1 {
        f32::NAN.to_bits()
    } else if exponent == top && !finite {
        (0xff << 23) | (mantissa << (23 - mantissa_bits))
    } else if exponent != 0 {
        ((exponent + 127 - bias) << 23) | (mantissa << (23 - mantissa_bits))
    } else if mantissa != 0 {
        // Subnormal: shift the highest set bit into the place of the hidden one.
        let shift = mantissa.leading_zeros() - (31 - mantissa_bits);
        let fraction = (mantissa << shift) & ((1 << mantissa_bits) - 1);
        ((1 + 127 - bias - shift) << 23) | (fraction << (23 - mantissa_bits))
    } else {
        0
    };
    f32::from_bits(sign | bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, in floating point: sign × mantissa × a power of two.
    fn by_definition(code: u8, exponent_bits: i32) -> f64 {
        let mantissa_bits = 7 - exponent_bits;
        let bias = (1 << (exponent_bits - 1)) - 1;
        let sign = if code & 0x80 == 0 { 1.0 } else { -1.0 };
        let exponent = i32::from(code & 0x7f) >> mantissa_bits;
        let fraction = f64::from(code & ((1 << mantissa_bits) - 1)) / f64::from(1 << mantissa_bits);
        let magnitude = match exponent {
            0 => fraction * 2f64.powi(1 - bias),
            e => (1.0 + fraction) * 2f64.powi(e - bias),
        };
        sign * magnitude
    }

    #[test]
    fn every_value_encodes_to_its_code_and_ties_go_to_even() {
        for code in 0..=255u8 {
            let (a, b) = (e4m3fn_to_f32(code), e5m2_to_f32(code));
            if !a.is_nan() {
                assert_eq!(e4m3fn_from_f32(a), code);
            }
            if !b.is_nan() {
                assert_eq!(e5m2_from_f32(b), code);
            }
        }
        assert_eq!(e4m3fn_from_f32(449.0), 0x7e);
        assert_eq!(e4m3fn_from_f32(465.0), 0x7f);
        assert_eq!(e4m3fn_from_f32(1e9), 0x7f);
        assert_eq!(e5m2_from_f32(-1e9), 0xfc);
        assert_eq!(e4m3fn_from_f32(1.0625), e4m3fn_from_f32(1.0));
        assert_eq!(e4m3fn_from_f32(1.1875), e4m3fn_from_f32(1.25));
        assert_eq!(e5m2_from_f32(0.0), 0);
    }

    #[test]
    fn e4m3fn_of_all_codes() {
        for code in 0..=255u8 {
            let value = e4m3fn_to_f32(code);
            if code & 0x7f == 0x7f {
                assert!(value.is_nan(), "{code:#04x}");
            } else {
                assert_eq!(f64::from(value).to_bits(), by_definition(code, 4).to_bits(), "{code:#04x}");
            }
        }
        assert_eq!(e4m3fn_to_f32(0x7e), 448.0);
    }

    #[test]
    fn e5m2_of_all_codes() {
        for code in 0..=255u8 {
            let value = e5m2_to_f32(code);
            match code & 0x7f {
                0x7c => assert_eq!(value, if code < 0x80 { f32::INFINITY } else { f32::NEG_INFINITY }),
                0x7d.. => assert!(value.is_nan(), "{code:#04x}"),
                _ => assert_eq!(f64::from(value).to_bits(), by_definition(code, 5).to_bits(), "{code:#04x}"),
            }
        }
        assert_eq!(e5m2_to_f32(0x7b), 57344.0);
    }
}
