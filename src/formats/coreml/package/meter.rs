//! A bound for the memory that decoding takes.

use bytes::{Buf, Bytes};

/// A buffer that can be read in a limited number of steps; then it looks as if it had ended.
///
/// Two bytes of a protobuf file can be a message that takes hundreds in memory. A step is at least one field or one
/// element of a list, so their number bounds what is allocated, apart from strings and bytes, which the length of
/// the file bounds.
pub(super) struct Metered {
    bytes: Bytes,
    steps: u32,
}

impl Metered {
    pub(super) fn new(bytes: Bytes, steps: u32) -> Metered {
        Metered { bytes, steps }
    }

    /// Whether the steps were used up. Then what was decoded is not all.
    pub(super) fn is_exhausted(&self) -> bool {
        self.steps == 0
    }
}

// Only `remaining` pretends. Whoever asked it before the end came may still take what it said that there is.
impl Buf for Metered {
    fn remaining(&self) -> usize {
        if self.is_exhausted() { 0 } else { self.bytes.remaining() }
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.steps = self.steps.saturating_sub(1);
        self.bytes.advance(count);
    }

    fn copy_to_bytes(&mut self, len: usize) -> Bytes {
        self.steps = self.steps.saturating_sub(1);
        self.bytes.copy_to_bytes(len)
    }

    fn get_u8(&mut self) -> u8 {
        self.steps = self.steps.saturating_sub(1);
        self.bytes.get_u8()
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::formats::coreml::proto::{Block, Kept, Operation, RepeatedBytes, RepeatedInts};

    #[test]
    fn any_number_of_steps_is_an_answer() {
        let operation = Operation { r#type: "const".repeat(60), ..Default::default() };
        let block = Block { outputs: vec!["y".into(); 3], operations: vec![operation.into(); 3], ..Default::default() };
        // Unknown fields, and varints of many bytes that end with the buffer.
        let wire =
            [block.encode_to_vec(), vec![0xba, 0x06, 2, 1, 2, 0xb8, 0x86, 0x80, 0, 0xff, 0xff, 0xff, 0x7f]].concat();
        let whole = Kept::<Block>::decode(&wire[..]).unwrap();
        let mut needed = 0;
        for steps in 0..100 {
            let mut buffer = Metered::new(wire.clone().into(), steps);
            let read = Kept::<Block>::decode(&mut buffer);
            match buffer.is_exhausted() {
                true => needed = steps + 1,
                false => assert_eq!(read.unwrap(), whole),
            }
        }
        assert!((20..60).contains(&needed), "{needed}");
    }

    #[test]
    fn elements_are_steps_and_bytes_are_not() {
        let ints = RepeatedInts { values: vec![1; 1000] }.encode_to_vec();
        let mut buffer = Metered::new(ints.into(), 900);
        assert!(Kept::<RepeatedInts>::decode(&mut buffer).is_err() || buffer.is_exhausted());
        let bytes = Bytes::from(RepeatedBytes { values: vec![1; 1000].into() }.encode_to_vec());
        let mut buffer = Metered::new(bytes.clone(), 10);
        let read = Kept::<RepeatedBytes>::decode(&mut buffer).unwrap();
        assert_eq!((read.values.len(), read.values.as_ptr()), (1000, bytes[3..].as_ptr()));
    }
}
