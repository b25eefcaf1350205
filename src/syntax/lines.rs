//! Lines and columns of a text.

/// A line and a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Counted from 1.
    pub line: usize,
    /// In characters (Unicode scalar values), counted from 1.
    pub column: usize,
}

/// Where the lines of a text begin. A line ends with `\n`, which belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineIndex {
    starts: Vec<u32>,
}

impl LineIndex {
    /// The lines of a text.
    pub fn new(text: &str) -> LineIndex {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        LineIndex { starts: std::iter::once(0).chain(ends.map(|(at, _)| at as u32 + 1)).collect() }
    }

    /// The line and column of a byte offset of the text; of its end for offsets beyond.
    pub fn position(&self, text: &str, offset: u32) -> Position {
        let offset = (offset as usize).min(text.len());
        let line = self.starts.partition_point(|start| *start as usize <= offset).max(1);
        let start = self.starts[line - 1] as usize;
        // Within a character, its start counts.
        let before = text.as_bytes()[start..offset].iter().filter(|byte| (**byte as i8) >= -0x40).count();
        let inside = !text.is_char_boundary(offset);
        Position { line, column: before + usize::from(!inside) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_lines_and_characters() {
        let text = "ab\nüx\r\n\n";
        let lines = LineIndex::new(text);
        let at = |offset| {
            let position = lines.position(text, offset);
            (position.line, position.column)
        };
        assert_eq!([at(0), at(2), at(3)], [(1, 1), (1, 3), (2, 1)]);
        assert_eq!([at(4), at(5), at(6)], [(2, 1), (2, 2), (2, 3)]);
        assert_eq!([at(8), at(9), at(99)], [(3, 1), (4, 1), (4, 1)]);
        assert_eq!(LineIndex::new("").position("", 7), Position { line: 1, column: 1 });
    }
}
