//! Readers and writers: bytes to structures and back. Each is safe against any bytes and knows nothing of
//! quantization.

pub mod coreml;
pub mod fp8;
pub mod natural;
pub mod output;
pub mod pt2;
pub mod safetensors;

/// A count of bytes as messages show it, with thousands separated: `1,048,576 bytes`.
pub(crate) fn byte_count(bytes: u64) -> String {
    crate::words::thousands(bytes) + if bytes == 1 { " byte" } else { " bytes" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_separators() {
        let counts = [0, 1, 999, 1000, 1_048_576].map(byte_count);
        assert_eq!(counts, ["0 bytes", "1 byte", "999 bytes", "1,000 bytes", "1,048,576 bytes"]);
    }
}
