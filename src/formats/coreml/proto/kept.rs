//! Messages that keep the fields which their definition does not name.

use std::ops::{Deref, DerefMut};

use prost::bytes::{Buf, BufMut};
use prost::encoding::{DecodeContext, WireType, encode_key, skip_field};
use prost::{DecodeError, Message};

/// A message whose definition lists its fields' numbers. The macro that defines the messages implements it.
pub trait Known: Message + Default {
    /// The number of every field, those inside of oneofs included.
    const TAGS: &'static [u32];
}

/// A message together with the fields on the wire that [`Known::TAGS`] does not name.
///
/// `prost` by itself drops those. Here they stay as raw bytes, key and payload, in the order in which they came,
/// and are written after the known ones. The order among fields of different numbers has no meaning in protobuf, but
/// among the arms of a oneof, of which no writer writes two.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kept<M> {
    known: M,
    // Nearly all messages have none, and there are very many of them.
    unknown: Option<Box<Unknown>>,
}

/// Fields as they stood on the wire.
#[derive(Clone, Debug, Default, PartialEq)]
struct Unknown {
    bytes: Vec<u8>,
}

impl<M> Kept<M> {
    /// The fields that the definition does not name, as they stood on the wire.
    pub fn unknown(&self) -> &[u8] {
        self.unknown.as_ref().map_or(&[], |unknown| &unknown.bytes)
    }

    /// The message alone; what the definition does not name is lost.
    pub fn into_known(self) -> M {
        self.known
    }
}

impl<M> From<M> for Kept<M> {
    fn from(known: M) -> Kept<M> {
        Kept { known, unknown: None }
    }
}

impl<M> Deref for Kept<M> {
    type Target = M;

    fn deref(&self) -> &M {
        &self.known
    }
}

impl<M> DerefMut for Kept<M> {
    fn deref_mut(&mut self) -> &mut M {
        &mut self.known
    }
}

impl<M: Known> Message for Kept<M> {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        self.known.encode_raw(buf);
        buf.put_slice(self.unknown());
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        ctx: DecodeContext,
    ) -> Result<(), DecodeError> {
        if M::TAGS.contains(&tag) {
            return self.known.merge_field(tag, wire_type, buf, ctx);
        }
        let kept = &mut self.unknown.get_or_insert_default().bytes;
        encode_key(tag, wire_type, kept);
        skip_field(wire_type, tag, &mut Recorder { buf, passed: kept }, ctx)
    }

    fn encoded_len(&self) -> usize {
        self.known.encoded_len() + self.unknown().len()
    }

    fn clear(&mut self) {
        self.known.clear();
        self.unknown = None;
    }
}

/// A buffer that writes down what is passed over, so that `prost`'s own skipping decides how long a field is.
struct Recorder<'a, B> {
    buf: &'a mut B,
    passed: &'a mut Vec<u8>,
}

impl<B: Buf> Buf for Recorder<'_, B> {
    fn remaining(&self) -> usize {
        self.buf.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.buf.chunk()
    }

    fn advance(&mut self, count: usize) {
        let mut left = count;
        while left > 0 {
            let chunk = self.buf.chunk();
            let taken = &chunk[..chunk.len().min(left)];
            let passed = taken.len();
            if passed == 0 {
                // Past the end: as for any buffer, which the contract of `Buf` forbids.
                break;
            }
            self.passed.extend_from_slice(taken);
            self.buf.advance(passed);
            left -= passed;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{NamedValueType, Operation};
    use super::*;

    type Op = Kept<Operation>;

    #[test]
    fn unknown_fields_of_every_wire_type_are_kept_in_order() {
        let mut wire = vec![];
        encode_key(900, WireType::Varint, &mut wire);
        wire.extend([0xff, 0xff, 0x03]);
        wire.extend([0x0a, 5]);
        wire.extend(b"const"); // type
        encode_key(7, WireType::SixtyFourBit, &mut wire);
        wire.extend(1.5f64.to_le_bytes());
        encode_key(900, WireType::LengthDelimited, &mut wire);
        wire.extend([3, 1, 2, 3]);
        encode_key(8, WireType::ThirtyTwoBit, &mut wire);
        wire.extend(1.5f32.to_le_bytes());
        encode_key(9, WireType::StartGroup, &mut wire);
        encode_key(1, WireType::Varint, &mut wire);
        wire.push(7);
        encode_key(9, WireType::EndGroup, &mut wire);

        let op = Op::decode(&wire[..]).unwrap();
        assert_eq!(op.r#type, "const");
        let mut unknown = wire.clone();
        unknown.drain(5..12);
        assert_eq!(op.unknown(), unknown);
        let written = op.encode_to_vec();
        assert_eq!(written.len(), op.encoded_len());
        assert_eq!(written, [&wire[5..12], &unknown].concat());
        assert_eq!(Op::decode(&written[..]).unwrap(), op);
    }

    #[test]
    fn a_buffer_of_many_chunks_is_kept_whole() {
        let mut wire = vec![];
        encode_key(77, WireType::LengthDelimited, &mut wire);
        wire.extend([6, 1, 2, 3, 4, 5, 6]);
        let (a, b) = wire.split_at(4);
        let op = Op::decode(a.chain(b)).unwrap();
        assert_eq!(op.unknown(), wire);
    }

    #[test]
    fn unknown_fields_that_lie_are_errors() {
        for wire in [
            &[0xba, 0x06, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f][..], // a length of 2^63
            &[0xba, 0x06, 4, 1, 2, 3],
            &[0xbb, 0x06, 0x08],       // a group that does not end
            &[0xbb, 0x06, 0xc4, 0x06], // a group that ends as another
            &[0xbc, 0x06],             // the end of no group
            &[0xbd, 0x06, 1, 2],
            &[0xb9, 0x06, 1, 2],
            &[0xb8, 0x06, 0xff],
        ] {
            Op::decode(wire).unwrap_err();
        }
        // Groups in groups: an error, not the end of the stack.
        let error = Op::decode(&[0x4b; 100_000][..]).unwrap_err();
        assert!(error.to_string().contains("recursion limit"), "{error}");
    }

    #[test]
    fn merging_and_clearing_go_through() {
        let mut value = Kept::from(NamedValueType { name: "x".into(), ..Default::default() });
        value.merge(&[0x50, 1][..]).unwrap();
        assert_eq!((value.name.as_str(), value.unknown()), ("x", &[0x50, 1][..]));
        value.clear();
        assert_eq!(value, Kept::default());
        value.name.push('y');
        assert_eq!(value.into_known().name, "y");
    }
}
