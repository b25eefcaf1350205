//! Codes of 1 to 8 bits as one stream of bits, as Core ML's blob storage and the packed format hold them.
//!
//! Code i occupies the bits i·n … (i+1)·n − 1 of the stream; bit 0 is the lowest of byte 0. A code that crosses
//! a byte has its low bits in the earlier one. Rows do not begin on bytes; the bits behind the last code are 0.

use rayon::prelude::*;

use super::QuantError;

/// Codes in one task: a multiple of 8, so that every task begins on a byte whatever the width.
const PIECE: usize = 1 << 16;

/// Bytes that `count` codes of `bits` bits take.
pub fn packed_len(count: usize, bits: u8) -> usize {
    (count / 8) * usize::from(bits) + (count % 8 * usize::from(bits)).div_ceil(8)
}

fn check_bits(bits: u8) -> Result<(), QuantError> {
    if (1..=8).contains(&bits) { Ok(()) } else { Err(QuantError::Bits(bits)) }
}

/// Packs the low `bits` bits of each code.
///
/// # Errors
/// If `bits` is not 1 to 8.
pub fn pack(codes: &[u8], bits: u8) -> Result<Vec<u8>, QuantError> {
    check_bits(bits)?;
    let mut packed = vec![0u8; packed_len(codes.len(), bits)];
    let width = usize::from(bits);
    packed.par_chunks_mut(PIECE / 8 * width).zip(codes.par_chunks(PIECE)).for_each(|(out, codes)| {
        for (out, eight) in out.chunks_mut(width).zip(codes.chunks(8)) {
            let word =
                eight.iter().rev().fold(0u64, |word, &code| (word << bits) | u64::from(code) & ((1 << bits) - 1));
            out.copy_from_slice(&word.to_le_bytes()[..out.len()]);
        }
    });
    Ok(packed)
}

/// Unpacks `count` codes, each in the low bits of its byte.
///
/// # Errors
/// If `bits` is not 1 to 8, the bytes have another length than `count` codes take, or bits behind the last code
/// are not 0.
pub fn unpack(packed: &[u8], count: usize, bits: u8) -> Result<Vec<u8>, QuantError> {
    check_bits(bits)?;
    let expected = packed_len(count, bits);
    if packed.len() != expected {
        return Err(QuantError::PackedLength { count, bits, expected, found: packed.len() });
    }
    let used = count % 8 * usize::from(bits) % 8;
    if used > 0 && packed.last().is_some_and(|last| last >> used != 0) {
        return Err(QuantError::Padding);
    }
    let mut codes = vec![0u8; count];
    let width = usize::from(bits);
    let mask = ((1u16 << bits) - 1) as u8;
    codes.par_chunks_mut(PIECE).zip(packed.par_chunks(PIECE / 8 * width)).for_each(|(codes, packed)| {
        for (eight, bytes) in codes.chunks_mut(8).zip(packed.chunks(width)) {
            let mut word = [0u8; 8];
            word[..bytes.len()].copy_from_slice(bytes);
            let word = u64::from_le_bytes(word);
            for (i, code) in eight.iter_mut().enumerate() {
                *code = (word >> (i * width)) as u8 & mask;
            }
        }
    });
    Ok(codes)
}

/// The low bits of a signed code, as they are packed.
#[inline]
pub fn low_bits(code: i8, bits: u8) -> u8 {
    code.cast_unsigned() & (((1u16 << bits.min(8)) - 1) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Bytes written by coremltools.
    #[test]
    fn streams_are_those_of_core_ml() {
        let signed = |codes: &[i8]| codes.iter().map(|&c| low_bits(c, 4)).collect::<Vec<_>>();
        let cases: &[(u8, Vec<u8>, &[u8])] = &[
            (1, vec![1, 0, 1, 1, 0, 0, 0, 1, 1, 1], &[0x8d, 0x03]),
            (2, vec![0, 3, 2, 1, 3], &[0x6c, 0x03]),
            (3, vec![1, 2, 3, 4, 5, 6, 7, 0, 7, 5], &[0xd1, 0x58, 0x1f, 0x2f]),
            (4, vec![1, 2, 3], &[0x21, 0x03]),
            (6, vec![1, 2, 3, 63, 33], &[0x81, 0x30, 0xfc, 0x21]),
            (4, signed(&[-8, 7, -1, 0, 3]), &[0x78, 0x0f, 0x03]),
            (4, signed(&[1, -2, 3, -8, 7, 0, 5, -1, 2]), &[0xe1, 0x83, 0x07, 0xf5, 0x02]),
        ];
        for (bits, codes, expected) in cases {
            assert_eq!(pack(codes, *bits).unwrap(), *expected);
            assert_eq!(unpack(expected, codes.len(), *bits).unwrap(), *codes);
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert_eq!(unpack(&[1, 2], 3, 4), Ok(vec![1, 0, 2]));
        assert_eq!(unpack(&[1, 0x12], 3, 4), Err(QuantError::Padding));
        assert!(matches!(unpack(&[1], 3, 4), Err(QuantError::PackedLength { expected: 2, .. })));
        assert_eq!(pack(&[0], 9), Err(QuantError::Bits(9)));
    }

    proptest! {
        #[test]
        fn what_is_packed_unpacks(bits in 1u8..=8, codes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let codes: Vec<u8> = codes.into_iter().map(|c| c & (((1u16 << bits) - 1) as u8)).collect();
            let packed = pack(&codes, bits).unwrap();
            prop_assert_eq!(packed.len(), (codes.len() * usize::from(bits)).div_ceil(8));
            prop_assert_eq!(unpack(&packed, codes.len(), bits).unwrap(), codes);
        }
    }
}
