//! Readers and writers: bytes to structures and back. Each is safe against any bytes and knows nothing of
//! quantization.

pub mod coreml;
pub mod fp8;
pub mod natural;
pub mod output;
pub mod pt2;
pub mod safetensors;

/// A name from a file as messages show it: control characters escaped, cut after 120 characters.
pub fn shown(name: &str) -> String {
    const LONGEST: usize = 120;
    let mut text: String = name.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if name.chars().nth(LONGEST).is_some() {
        text.push('…');
    }
    text
}

/// A count of bytes as messages show it, with thousands separated: `1,048,576 bytes`.
pub(crate) fn byte_count(bytes: u64) -> String {
    crate::words::thousands(bytes) + if bytes == 1 { " byte" } else { " bytes" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_and_cut() {
        assert_eq!(shown("a.\u{1b}[2J\n"), "a.\\u{1b}[2J\\n");
        assert_eq!(shown(&"x".repeat(120)), "x".repeat(120));
        assert_eq!(shown(&"x".repeat(121)), "x".repeat(120) + "…");
    }

    #[test]
    fn bytes_have_separators() {
        let counts = [0, 1, 999, 1000, 1_048_576].map(byte_count);
        assert_eq!(counts, ["0 bytes", "1 byte", "999 bytes", "1,000 bytes", "1,048,576 bytes"]);
    }
}
