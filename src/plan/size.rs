//! Bytes that a weight takes once it is quantized, as Core ML and the packed format store it.

use super::fit::{Fitted, storage_bits};
use crate::dtype::packed_bytes;
use crate::model::Weight;
use crate::scheme::{FloatType, Mapping, Sparsity, pruned};

/// Bytes of a float type.
pub const fn float_bytes(float: FloatType) -> u64 {
    match float {
        FloatType::Fp32 => 4,
        FloatType::Fp16 | FloatType::Bf16 => 2,
        FloatType::Fp8E4m3 | FloatType::Fp8E5m2 => 1,
    }
}

/// Values that stay, of `elements`. For a bound on magnitudes only the values tell, so all are counted.
pub fn survivors(elements: u64, sparse: Option<Sparsity>) -> u64 {
    match sparse {
        None | Some(Sparsity::Below(_)) => elements,
        Some(Sparsity::Share(share)) => elements - pruned(elements, share),
        Some(Sparsity::Ratio { n, m }) => of_ratio(elements, elements, n, m),
    }
}

/// As [`survivors`], of a weight: groups of `n:m` lie along its input channels, and where they do not divide them
/// the last is filled up with zeros, which go first.
fn survivors_of(weight: &Weight, sparse: Option<Sparsity>) -> u64 {
    match (sparse, weight.in_features()) {
        (Some(Sparsity::Ratio { n, m }), Some(length)) => of_ratio(weight.elements(), length as u64, n, m),
        _ => survivors(weight.elements(), sparse),
    }
}

/// Elements that `n:m` leaves of lines of some length.
fn of_ratio(elements: u64, length: u64, n: usize, m: usize) -> u64 {
    let (length, kept, m) = (length.max(1), m.saturating_sub(n) as u64, m.max(1) as u64);
    let of_line = u128::from(length / m) * u128::from(kept) + u128::from((length % m).min(kept));
    u64::try_from(u128::from(elements / length) * of_line).unwrap_or(elements)
}

/// Number of blocks; `u64::MAX` where that is too small to say, as in all sums here: headers may name shapes of any size.
fn blocks(shape: &[usize], block: &[usize]) -> u64 {
    let along = shape.iter().zip(block).map(|(length, extent)| (length / extent.max(&1)) as u64);
    along.fold(1, u64::saturating_mul)
}

fn sum(parts: &[u64]) -> u64 {
    parts.iter().copied().fold(0, u64::saturating_add)
}

/// Bytes after: codes, scales, zero points, tables, masks.
pub fn bytes(weight: &Weight, fitted: &Fitted) -> u64 {
    bytes_with(weight, fitted, None)
}

/// As [`bytes()`], with the number of elements that pruning really left, where it is known.
pub fn bytes_with(weight: &Weight, fitted: &Fitted, kept: Option<u64>) -> u64 {
    let elements = weight.elements();
    let survivors = |sparse| kept.unwrap_or_else(|| survivors_of(weight, sparse));
    match fitted {
        Fitted::Float(float) => elements.saturating_mul(float_bytes(*float)),
        Fitted::Sparse { sparse, float } => {
            let kept = survivors(Some(*sparse));
            sum(&[packed_bytes(elements, 1), kept.saturating_mul(float_bytes(*float))])
        }
        Fitted::Affine { block, bits, signed, mapping, scale, sparse, .. } => {
            let groups = blocks(&weight.shape, block);
            let codes = packed_bytes(survivors(*sparse), *bits);
            let has_zero_points = *mapping == Mapping::Asymmetric || !signed;
            let zero_points = if has_zero_points { packed_bytes(groups, *bits) } else { 0 };
            let mask = if sparse.is_some() { packed_bytes(elements, 1) } else { 0 };
            sum(&[codes, groups.saturating_mul(float_bytes(*scale)), zero_points, mask])
        }
        Fitted::Palette { block, bits, vector, axis, int8_entries, scaled, entry, sparse, .. } => {
            let tables = blocks(&weight.shape, block);
            let stored = storage_bits(*bits);
            let masked = sparse.is_some() && *vector == 1;
            let indices = if masked { survivors(*sparse) } else { elements / u64::from((*vector).max(1)) };
            let entries = tables.saturating_mul(1 << stored).saturating_mul(u64::from(*vector));
            let table_bytes = match int8_entries {
                true => sum(&[entries, float_bytes(*entry)]),
                false => entries.saturating_mul(float_bytes(*entry)),
            };
            let mask = if masked { packed_bytes(elements, 1) } else { 0 };
            let channels = weight.shape.get(*axis).map_or(0, |n| *n as u64);
            let scales = if *scaled { channels.saturating_mul(float_bytes(*entry)) } else { 0 };
            sum(&[packed_bytes(indices, stored), table_bytes, mask, scales])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::DType;
    use crate::kind::Kind;
    use crate::model::{KnownBy, Location, Role};
    use crate::plan::fit::{Settings, fit};
    use crate::recipe::{NoImports, resolve};
    use crate::scheme::Arithmetic;

    /// Bytes of a linear weight under a scheme as recipes write it.
    #[track_caller]
    fn size_of(shape: &[usize], dtype: DType, scheme: &str) -> u64 {
        let weight = Weight {
            name: "fc.weight".into(),
            tied: Vec::new(),
            module_len: 2,
            kind: Kind::Linear,
            known_by: KnownBy::Program,
            role: Role::Weight,
            transposed: false,
            groups: None,
            shape: shape.to_vec(),
            dtype,
            bytes: packed_bytes(shape.iter().product::<usize>() as u64, dtype.bits() as u8),
            compressed: None,
            location: Location::default(),
        };
        let recipe = resolve("r.bitmill".as_ref(), &format!("target none\nlinear => {scheme}\n"), &NoImports);
        let scheme = recipe.rules[0].scheme.as_ref().unwrap_or_else(|| panic!("{:?}", recipe.problems));
        let settings = Settings { arithmetic: Arithmetic::Torchao, is_deployed: true };
        bytes(&weight, &fit(&weight, scheme, settings).unwrap())
    }

    #[test]
    fn integers() {
        let of = |scheme| size_of(&[64, 48], DType::F16, scheme);
        assert_eq!(of("int8 per-tensor"), 64 * 48 + 2);
        assert_eq!(of("int8 per-channel"), 64 * 48 + 64 * 2);
        assert_eq!(of("int8 per-channel asymmetric scale fp32"), 64 * 48 + 64 * 4 + 64);
        assert_eq!(of("uint8 per-channel"), 64 * 48 + 64 * 2 + 64);
        assert_eq!(of("int4 per-group(16)"), 64 * 48 / 2 + 192 * 2);
        assert_eq!(of("int4 per-group(16) asymmetric"), 64 * 48 / 2 + 192 * 2 + 192 / 2);
        assert_eq!(of("int8 block[32, 24]"), 64 * 48 + 4 * 2);
        assert_eq!(size_of(&[3, 5], DType::F16, "int4 per-tensor"), 8 + 2);
        assert_eq!(size_of(&[64, 48], DType::F32, "int8 per-channel"), 64 * 48 + 64 * 4);
    }

    #[test]
    fn palettes() {
        let of = |scheme| size_of(&[64, 48], DType::F16, scheme);
        assert_eq!(of("lut4"), 1536 + 16 * 2);
        assert_eq!(of("lut3 per-grouped-channel(16)"), 1152 + 4 * 8 * 2);
        assert_eq!(of("lut5"), 2304 + 64 * 2);
        assert_eq!(of("lut7"), 3072 + 256 * 2);
        assert_eq!(of("lut4 vector(2)"), 768 + 16 * 2 * 2);
        assert_eq!(of("lut6 entries int8"), 2304 + 64 + 2);
        assert_eq!(of("lut4 scaled"), 1536 + 16 * 2 + 64 * 2);
        assert_eq!(size_of(&[64, 48], DType::BF16, "lut4"), 1536 + 16 * 2);
    }

    #[test]
    fn pruned_weights_and_floats() {
        let of = |scheme| size_of(&[64, 48], DType::F16, scheme);
        assert_eq!(of("sparse 50%"), 384 + 1536 * 2);
        assert_eq!(of("sparse 2:4"), 384 + 1536 * 2);
        assert_eq!(of("fp32 sparse 50%"), 384 + 1536 * 4);
        assert_eq!(size_of(&[64, 48], DType::F32, "fp16 sparse 50%"), 384 + 1536 * 2);
        assert_eq!(size_of(&[64, 6], DType::F16, "sparse 2:4"), 48 + 64 * 4 * 2);
        assert_eq!(size_of(&[64, 48], DType::BF16, "int8 per-channel scale fp32"), 64 * 48 + 64 * 4);
        assert_eq!(of("sparse 100%"), 384);
        assert_eq!(of("sparse-below 0.1"), 384 + 3072 * 2);
        assert_eq!(of("int8 per-channel sparse 50%"), 384 + 1536 + 64 * 2);
        assert_eq!(of("lut4 sparse 50%"), 384 + 768 + 16 * 2);
        assert_eq!(size_of(&[64, 48], DType::F32, "fp16"), 64 * 48 * 2);
    }

    #[test]
    fn what_survives() {
        assert_eq!(survivors(10, Some(Sparsity::Share(0.0))), 10);
        assert_eq!(survivors(10, Some(Sparsity::Share(1.0))), 0);
        assert_eq!(survivors(10, Some(Sparsity::Ratio { n: 5, m: 4 })), 0);
        assert_eq!(survivors(u64::MAX, Some(Sparsity::Ratio { n: 1, m: 1 })), 0);
        assert_eq!(survivors(0, Some(Sparsity::Share(0.5))), 0);
    }

    #[test]
    fn shapes_of_any_size_have_one() {
        for scheme in
            ["int8 per-tensor", "uint8 block[1, 1]", "lut8 block[1, 1] entries int8 scaled", "int8 sparse 50%"]
        {
            assert!(size_of(&[1 << 31, 1 << 31], DType::F16, scheme) > 1 << 60, "{scheme}");
            assert!(size_of(&[1 << 32, (1 << 32) - 1], DType::F16, scheme) > 1 << 60, "{scheme}");
        }
        assert_eq!(size_of(&[1 << 32, (1 << 32) - 1], DType::F16, "uint8 block[1, 1]"), u64::MAX);
    }
}
