//! Codes of 1 to 8 bits packed into bytes, as Core ML's weight files hold them.
//!
//! One stream: element i takes the bits [i·n, (i+1)·n), counted from the lowest bit of the first byte; an
//! element that crosses a byte boundary has its low bits in the earlier byte; rows do not begin on byte
//! boundaries; the bits after the last element are zero. Signed codes are two's complement.

use rayon::prelude::*;

use super::error::QuantError;
use super::simd::multiversion;
use crate::dtype::packed_bytes;

mod sealed {
    pub trait Sealed {}
    impl Sealed for i8 {}
    impl Sealed for u8 {}
}

/// A code as it is held in memory: `i8` for signed codes, `u8` for unsigned ones.
pub trait Code: sealed::Sealed + Copy + Send + Sync + 'static {
    /// Whether codes are two's complement.
    const SIGNED: bool;
    /// The code's eight bits.
    fn to_byte(self) -> u8;
    /// The code with these eight bits.
    fn from_byte(byte: u8) -> Self;
}

impl Code for i8 {
    const SIGNED: bool = true;
    #[inline(always)]
    fn to_byte(self) -> u8 {
        self.cast_unsigned()
    }
    #[inline(always)]
    fn from_byte(byte: u8) -> Self {
        byte.cast_signed()
    }
}

impl Code for u8 {
    const SIGNED: bool = false;
    #[inline(always)]
    fn to_byte(self) -> u8 {
        self
    }
    #[inline(always)]
    fn from_byte(byte: u8) -> Self {
        byte
    }
}

/// Codes that one task packs: a multiple of 8, so that its bytes are its own.
const PIECE: usize = 1 << 16;

/// Bytes that `count` codes of `bits` bits take.
///
/// `None` if that does not fit `usize`, or if there are no codes of that width.
pub fn packed_len(count: usize, bits: u8) -> Option<usize> {
    if !(1..=8).contains(&bits) {
        return None;
    }
    usize::try_from(packed_bytes(count as u64, bits)).ok()
}

/// Packs codes of `bits` bits.
///
/// # Errors
/// If there are no codes of that width, or a code needs more bits.
pub fn pack<C: Code>(codes: &[C], bits: u8) -> Result<Vec<u8>, QuantError> {
    let len = packed_len(codes.len(), bits).ok_or(QuantError::Bits(bits))?;
    let mut bytes = vec![0; len];
    codes.par_chunks(PIECE).zip(bytes.par_chunks_mut(PIECE / 8 * usize::from(bits))).enumerate().try_for_each(
        |(piece, (codes, bytes))| {
            // Every code is looked at, so that the loop has no exits; the culprit is found afterwards.
            match pack_piece(codes, bits, bytes) {
                true => Ok(()),
                false => Err(misfit(codes, bits, piece * PIECE)),
            }
        },
    )?;
    Ok(bytes)
}

/// Unpacks `count` codes of `bits` bits.
///
/// # Errors
/// If there are no codes of that width, if `bytes` has another length than the codes take, or if the bits
/// after the last code are not zero.
pub fn unpack<C: Code>(bytes: &[u8], count: usize, bits: u8) -> Result<Vec<C>, QuantError> {
    if !(1..=8).contains(&bits) {
        return Err(QuantError::Bits(bits));
    }
    let expected = packed_len(count, bits);
    if expected != Some(bytes.len()) {
        return Err(QuantError::PackedLength {
            count,
            bits,
            expected: expected.unwrap_or(usize::MAX),
            found: bytes.len(),
        });
    }
    let used = (count % 8 * usize::from(bits)) % 8;
    if let Some(&last) = bytes.last()
        && used != 0
        && last >> used != 0
    {
        return Err(QuantError::Padding);
    }
    let mut codes = vec![C::from_byte(0); count];
    codes
        .par_chunks_mut(PIECE)
        .zip(bytes.par_chunks(PIECE / 8 * usize::from(bits)))
        .for_each(|(codes, bytes)| unpack_piece(bytes, bits, codes));
    Ok(codes)
}

/// The error for the first code that does not fit; some code is known not to.
fn misfit<C: Code>(codes: &[C], bits: u8, start: usize) -> QuantError {
    let fits = |code: &C| fits(code.to_byte(), bits, C::SIGNED);
    let index = codes.iter().position(|c| !fits(c)).unwrap_or(0);
    let code = codes.get(index).map_or(0, |c| match C::SIGNED {
        true => i16::from(c.to_byte().cast_signed()),
        false => i16::from(c.to_byte()),
    });
    QuantError::Code { code, index: start + index, bits }
}

fn fits(byte: u8, bits: u8, signed: bool) -> bool {
    let moved = if signed { byte.wrapping_add(half(bits)) } else { byte };
    u32::from(moved) >> bits == 0
}

/// Half the number of codes: what moves signed codes to unsigned ones.
#[inline(always)]
fn half(bits: u8) -> u8 {
    1 << (bits - 1)
}

/// A word whose eight bytes are all `byte`.
#[inline(always)]
fn repeat(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// The low `n` bits of each of eight bytes, next to each other: pairs, then fours, then all eight.
#[inline(always)]
pub(super) fn squeeze(word: u64, n: u32) -> u64 {
    const PAIRS: u64 = 0x00ff_00ff_00ff_00ff;
    const FOURS: u64 = 0x0000_ffff_0000_ffff;
    const EIGHT: u64 = 0x0000_0000_ffff_ffff;
    let word = word & repeat((0xffu32 >> (8 - n)) as u8);
    let word = (word & PAIRS) | ((word & !PAIRS) >> (8 - n));
    let word = (word & FOURS) | ((word & !FOURS) >> (16 - 2 * n));
    (word & EIGHT) | ((word & !EIGHT) >> (32 - 4 * n))
}

/// The inverse of [`squeeze`].
#[inline(always)]
fn spread(word: u64, n: u32) -> u64 {
    let low = |n: u32| u64::MAX >> (64 - n);
    let four = low(4 * n);
    let word = (word & four) | ((word & (four << (4 * n))) << (32 - 4 * n));
    let two = low(2 * n) * 0x0000_0001_0000_0001;
    let word = (word & two) | ((word & (two << (2 * n))) << (16 - 2 * n));
    let one = low(n) * 0x0001_0001_0001_0001;
    (word & one) | ((word & (one << n)) << (8 - n))
}

/// Packs one width; whether every code fits.
#[inline(always)]
fn pack_width<C: Code, const N: usize>(codes: &[C], bytes: &mut [u8]) -> bool {
    let bias = if C::SIGNED { half(N as u8) } else { 0 };
    let mut seen = 0;
    let (words, rest) = codes.as_chunks::<8>();
    let (out, out_rest) = bytes.as_chunks_mut::<N>();
    for (word, out) in words.iter().zip(&mut *out) {
        // A loop: what maps arrays is not compiled along.
        let mut eight = [0; 8];
        for (byte, code) in eight.iter_mut().zip(word) {
            *byte = code.to_byte();
            seen |= byte.wrapping_add(bias);
        }
        let packed = squeeze(u64::from_le_bytes(eight), N as u32).to_le_bytes();
        out.copy_from_slice(&packed[..N]);
    }
    if !rest.is_empty() {
        let mut word = [0; 8];
        for (byte, code) in word.iter_mut().zip(rest) {
            *byte = code.to_byte();
            seen |= byte.wrapping_add(bias);
        }
        let packed = squeeze(u64::from_le_bytes(word), N as u32).to_le_bytes();
        // A last group that fills N bytes to the last bit boundary is a whole chunk of the output.
        match out.get_mut(words.len()) {
            Some(out) => out.copy_from_slice(&packed[..N]),
            None => out_rest.copy_from_slice(&packed[..out_rest.len()]),
        }
    }
    u32::from(seen) >> N == 0
}

/// Eight codes of one width, a byte each.
#[inline(always)]
fn eight<C: Code, const N: usize>(packed: [u8; 8]) -> [u8; 8] {
    let sign = if C::SIGNED { half(N as u8) } else { 0 };
    // What a set sign bit adds above it; a product with 0 or 1 in every byte.
    let extension = u64::from(0xff00u16.wrapping_shr(8 - N as u32) as u8);
    let word = spread(u64::from_le_bytes(packed), N as u32);
    let negative = (word & repeat(sign)) >> (N - 1);
    (word | (negative * extension)).to_le_bytes()
}

#[inline(always)]
fn unpack_width<C: Code, const N: usize>(bytes: &[u8], codes: &mut [C]) {
    let (words, rest) = bytes.as_chunks::<N>();
    let (out, out_rest) = codes.as_chunks_mut::<8>();
    for (word, out) in words.iter().zip(&mut *out) {
        let mut packed = [0; 8];
        packed[..N].copy_from_slice(word);
        for (code, byte) in out.iter_mut().zip(eight::<C, N>(packed)) {
            *code = C::from_byte(byte);
        }
    }
    if !out_rest.is_empty() {
        let last = words.get(out.len()).map_or(rest, |word| word.as_slice());
        let mut packed = [0; 8];
        packed[..last.len()].copy_from_slice(last);
        for (code, byte) in out_rest.iter_mut().zip(eight::<C, N>(packed)) {
            *code = C::from_byte(byte);
        }
    }
}

multiversion! {
    /// Packs a piece of the codes into its bytes; whether every code fits.
    fn pack_piece<C: Code>(codes: &[C], bits: u8, bytes: &mut [u8]) -> bool {
        match bits {
            1 => pack_width::<C, 1>(codes, bytes),
            2 => pack_width::<C, 2>(codes, bytes),
            3 => pack_width::<C, 3>(codes, bytes),
            4 => pack_width::<C, 4>(codes, bytes),
            5 => pack_width::<C, 5>(codes, bytes),
            6 => pack_width::<C, 6>(codes, bytes),
            7 => pack_width::<C, 7>(codes, bytes),
            _ => pack_width::<C, 8>(codes, bytes),
        }
    }
}

multiversion! {
    /// Unpacks a piece of the bytes into its codes.
    fn unpack_piece<C: Code>(bytes: &[u8], bits: u8, codes: &mut [C]) {
        match bits {
            1 => unpack_width::<C, 1>(bytes, codes),
            2 => unpack_width::<C, 2>(bytes, codes),
            3 => unpack_width::<C, 3>(bytes, codes),
            4 => unpack_width::<C, 4>(bytes, codes),
            5 => unpack_width::<C, 5>(bytes, codes),
            6 => unpack_width::<C, 6>(bytes, codes),
            7 => unpack_width::<C, 7>(bytes, codes),
            _ => unpack_width::<C, 8>(bytes, codes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Bit after bit, as the format's description says it.
    fn pack_slowly(codes: &[u8], bits: u8) -> Vec<u8> {
        let mut bytes = vec![0; packed_len(codes.len(), bits).unwrap()];
        for (i, code) in codes.iter().enumerate() {
            for bit in 0..usize::from(bits) {
                let place = i * usize::from(bits) + bit;
                bytes[place / 8] |= (code >> bit & 1) << (place % 8);
            }
        }
        bytes
    }

    /// Bytes that coremltools 9.0 wrote.
    #[test]
    fn packs_as_coremltools_does() {
        let unsigned: [(u8, &[u8], &[u8]); 6] = [
            (1, &[1, 0, 1, 1, 0, 0, 0, 1, 1, 1], &[0x8d, 0x03]),
            (2, &[0, 3, 2, 1, 3], &[0x6c, 0x03]),
            (3, &[1, 2, 3, 4, 5, 6, 7, 0, 7, 5], &[0xd1, 0x58, 0x1f, 0x2f]),
            (4, &[1, 2, 3], &[0x21, 0x03]),
            (6, &[1, 2, 3, 63, 33], &[0x81, 0x30, 0xfc, 0x21]),
            (3, &[1, 7, 3, 2, 5, 6], &[0xf9, 0x54, 0x03]),
        ];
        for (bits, codes, bytes) in unsigned {
            assert_eq!(pack(codes, bits).unwrap(), bytes);
            assert_eq!(unpack::<u8>(bytes, codes.len(), bits).unwrap(), codes);
        }
        let signed: [(&[i8], &[u8]); 2] = [
            (&[-8, 7, -1, 0, 3], &[0x78, 0x0f, 0x03]),
            (&[1, -2, 3, -8, 7, 0, 5, -1, 2], &[0xe1, 0x83, 0x07, 0xf5, 0x02]),
        ];
        for (codes, bytes) in signed {
            assert_eq!(pack(codes, 4).unwrap(), bytes);
            assert_eq!(unpack::<i8>(bytes, codes.len(), 4).unwrap(), codes);
        }
    }

    fn codes() -> impl Strategy<Value = (u8, Vec<u8>)> {
        let lengths = prop_oneof![0usize..40, Just(PIECE), PIECE - 3..PIECE + 20];
        (1u8..=8, lengths).prop_flat_map(|(bits, len)| {
            let code = 0..=0xffu8 >> (8 - bits);
            (Just(bits), proptest::collection::vec(code, len))
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn unsigned_codes_return((bits, codes) in codes()) {
            let bytes = pack(&codes, bits).unwrap();
            prop_assert_eq!(&bytes, &pack_slowly(&codes, bits));
            prop_assert_eq!(unpack::<u8>(&bytes, codes.len(), bits).unwrap(), codes);
        }

        #[test]
        fn signed_codes_return((bits, codes) in codes()) {
            let sign = 1i16 << (bits - 1);
            let signed: Vec<i8> = codes.iter().map(|c| ((i16::from(*c) ^ sign) - sign) as i8).collect();
            let bytes = pack(&signed, bits).unwrap();
            prop_assert_eq!(&bytes, &pack_slowly(&codes, bits));
            prop_assert_eq!(unpack::<i8>(&bytes, codes.len(), bits).unwrap(), signed);
        }

        #[test]
        fn any_bytes_unpack_or_are_refused(
            bytes in proptest::collection::vec(any::<u8>(), 0..20),
            count in 0usize..60,
            bits in 0u8..10,
        ) {
            if let Ok(codes) = unpack::<i8>(&bytes, count, bits) {
                prop_assert_eq!(pack(&codes, bits).unwrap(), bytes);
            }
        }
    }

    #[test]
    fn misfits_are_named() {
        insta::assert_snapshot!(pack(&[0i8, 7, -9], 4).unwrap_err(),
            @"code -9 at position 2 does not fit 4 bits");
        insta::assert_snapshot!(pack(&[15u8, 16], 4).unwrap_err(),
            @"code 16 at position 1 does not fit 4 bits");
        insta::assert_snapshot!(unpack::<u8>(&[0xff], 1, 4).unwrap_err(),
            @"the unused bits after the last code are not zero");
        insta::assert_snapshot!(unpack::<u8>(&[0, 0], 1, 4).unwrap_err(),
            @"1 codes of 4 bits take 1 bytes, not 2");
        insta::assert_snapshot!(pack(&[0u8], 9).unwrap_err(),
            @"9 bits: a code has from 1 to 8 bits");
        assert!(unpack::<u8>(&[], usize::MAX, 8).is_err());
    }
}
