//! Bytes that a weight takes once it is quantized, as Core ML and the packed format store it.

use super::fit::{Fitted, storage_bits};
use crate::model::Weight;
use crate::scheme::{FloatType, Mapping, Sparsity};

/// Bytes of `count` values of `bits` bits, as one stream.
fn stream(count: u64, bits: u64) -> u64 {
    // In u128, since headers may name shapes of any size.
    let bytes = (u128::from(count) * u128::from(bits)).div_ceil(8);
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

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
        Some(Sparsity::Share(share)) => elements - pruned(elements, share).min(elements),
        Some(Sparsity::Ratio { n, m }) => {
            let kept = m.saturating_sub(n) as u128;
            u64::try_from(u128::from(elements) * kept / (m.max(1) as u128)).unwrap_or(elements)
        }
    }
}

/// Values that become zero for a share of the elements, as coremltools counts them. Zeros that are there
/// already are not known here.
pub fn pruned(elements: u64, share: f64) -> u64 {
    match share {
        s if s <= 0.0 => 0,
        s if s >= 1.0 => elements,
        s => (elements.saturating_sub(1) as f64 * s) as u64 + 1,
    }
}

/// Number of blocks.
fn blocks(shape: &[usize], block: &[usize]) -> u64 {
    shape.iter().zip(block).map(|(length, extent)| (length / extent.max(&1)) as u64).product()
}

/// Bytes after: codes, scales, zero points, tables, masks.
pub fn bytes(weight: &Weight, fitted: &Fitted) -> u64 {
    bytes_with(weight, fitted, None)
}

/// As [`bytes`], with the number of elements that pruning really left, where it is known.
pub fn bytes_with(weight: &Weight, fitted: &Fitted, kept: Option<u64>) -> u64 {
    let elements = weight.elements();
    let survivors = |sparse| kept.unwrap_or_else(|| survivors(elements, sparse));
    match fitted {
        Fitted::Float(float) => elements.saturating_mul(float_bytes(*float)),
        Fitted::Sparse(sparse) => {
            let kept = survivors(Some(*sparse));
            stream(elements, 1) + stream(kept, weight.dtype.bits() as u64)
        }
        Fitted::Affine { block, bits, signed, mapping, scale, sparse, .. } => {
            let groups = blocks(&weight.shape, block);
            let codes = stream(survivors(*sparse), u64::from(*bits));
            let zero_points = match mapping {
                Mapping::Asymmetric => stream(groups, u64::from(*bits)),
                _ if !signed => stream(groups, u64::from(*bits)),
                _ => 0,
            };
            let mask = if sparse.is_some() { stream(elements, 1) } else { 0 };
            codes + groups.saturating_mul(float_bytes(*scale)) + zero_points + mask
        }
        Fitted::Palette { block, bits, vector, axis, int8_entries, scaled, entry, sparse, .. } => {
            let tables = blocks(&weight.shape, block);
            let stored = storage_bits(*bits);
            let masked = sparse.is_some() && *vector == 1;
            let indices = if masked { survivors(*sparse) } else { elements / u64::from((*vector).max(1)) };
            let entries = tables.saturating_mul(1 << stored).saturating_mul(u64::from(*vector));
            let table_bytes =
                if *int8_entries { entries + float_bytes(*entry) } else { entries.saturating_mul(float_bytes(*entry)) };
            let mask = if masked { stream(elements, 1) } else { 0 };
            let channels = weight.shape.get(*axis).map_or(0, |n| *n as u64);
            let scales = if *scaled { channels * float_bytes(*entry) } else { 0 };
            stream(indices, u64::from(stored)) + table_bytes + mask + scales
        }
    }
}
