//! Lines and columns for offsets, and back, in the units that a client counts in.

use std::ops::Range;

use super::Span;

/// What a column counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Bytes.
    Utf8,
    /// UTF-16 code units: two for characters beyond U+FFFF.
    Utf16,
    /// Characters (Unicode scalar values).
    Utf32,
}

impl Unit {
    fn width(self, c: char) -> u32 {
        match self {
            Unit::Utf8 => c.len_utf8() as u32,
            Unit::Utf16 => c.len_utf16() as u32,
            Unit::Utf32 => 1,
        }
    }
}

/// A place in a text. Both numbers count from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LineColumn {
    /// The line; `\n`, `\r\n` and `\r` end one.
    pub line: u32,
    /// How many units of the line stand before the place.
    pub column: u32,
}

/// Where the lines of one text begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineIndex {
    /// The first byte of every line.
    starts: Vec<u32>,
    length: u32,
}

impl LineIndex {
    /// Finds the lines of a text. Of a text of more than 4 GiB, only the part that spans can name is seen.
    pub fn new(text: &str) -> Self {
        let text = &text[..text.floor_char_boundary(u32::MAX as usize)];
        let bytes = text.as_bytes();
        let mut starts = vec![0];
        for at in memchr::memchr2_iter(b'\n', b'\r', bytes) {
            if bytes[at] == b'\n' || bytes.get(at + 1) != Some(&b'\n') {
                starts.push(at as u32 + 1);
            }
        }
        LineIndex { starts, length: bytes.len() as u32 }
    }

    /// How many lines there are; the empty text has one.
    pub fn lines(&self) -> u32 {
        self.starts.len() as u32
    }

    /// The line that an offset is in; the last for one behind the text.
    pub fn line(&self, offset: u32) -> u32 {
        self.starts.partition_point(|start| *start <= offset) as u32 - 1
    }

    /// The bytes of a line, with its end; empty behind the text.
    pub fn span(&self, line: u32) -> Span {
        let start = self.starts.get(line as usize).copied().unwrap_or(self.length);
        let end = self.starts.get(line as usize + 1).copied().unwrap_or(self.length);
        Span::new(start, end)
    }

    /// The place of an offset into `text`, which has to be the text that the index was made for. An offset behind
    /// the text is taken for its end, one within a character for the beginning of that character.
    pub fn place(&self, text: &str, offset: u32, unit: Unit) -> LineColumn {
        let line = self.line(offset);
        let end = text.floor_char_boundary(offset as usize);
        let start = (self.span(line).start as usize).min(end);
        let before = text.get(start..end).unwrap_or_default();
        LineColumn { line, column: before.chars().map(|c| unit.width(c)).sum() }
    }

    /// The offset of a place. A column behind the line's end is taken for the end, one within a character for the
    /// beginning of that character, and a line behind the text for the text's end.
    pub fn offset(&self, text: &str, place: LineColumn, unit: Unit) -> u32 {
        let Span { start, end } = self.span(place.line);
        let line = text.get(start as usize..end as usize).unwrap_or_default();
        let line = line.trim_end_matches(['\n', '\r']);
        let mut column = 0;
        for (at, c) in line.char_indices() {
            column += unit.width(c);
            if column > place.column {
                return start + at as u32;
            }
        }
        start + line.len() as u32
    }

    /// The lines that a span covers, from the one with its first byte to the one with its last.
    pub fn lines_of(&self, span: Span) -> Range<u32> {
        let last = span.end.saturating_sub(1).max(span.start);
        self.line(span.start)..self.line(last) + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_in_all_units() {
        let text = "a\r\nä😀b\n\rc";
        let index = LineIndex::new(text);
        assert_eq!(index.lines(), 4);
        let b = text.find('b').unwrap() as u32;
        for (unit, column) in [(Unit::Utf8, 6), (Unit::Utf16, 3), (Unit::Utf32, 2)] {
            let place = LineColumn { line: 1, column };
            assert_eq!(index.place(text, b, unit), place);
            assert_eq!(index.offset(text, place, unit), b);
        }
        assert_eq!(index.place(text, 1, Unit::Utf8), LineColumn { line: 0, column: 1 });
        assert_eq!(index.place(text, text.len() as u32, Unit::Utf8), LineColumn { line: 3, column: 1 });
    }

    #[test]
    fn is_not_confused_by_impossible_places() {
        let text = "ab\n😀";
        let index = LineIndex::new(text);
        let at = |line, column| index.offset(text, LineColumn { line, column }, Unit::Utf16);
        assert_eq!(at(0, 99), 2);
        assert_eq!(at(1, 1), 3, "half of a pair");
        assert_eq!(at(9, 0), text.len() as u32);
        assert_eq!(index.place(text, 999, Unit::Utf16), LineColumn { line: 1, column: 2 });
        assert_eq!(index.place(text, 5, Unit::Utf16), LineColumn { line: 1, column: 0 }, "within a character");
        assert_eq!(LineIndex::new("").place("", 0, Unit::Utf8), LineColumn { line: 0, column: 0 });
    }

    #[test]
    fn every_offset_comes_back() {
        let text = "ä\n\r\n😀x\rend\n";
        let index = LineIndex::new(text);
        for unit in [Unit::Utf8, Unit::Utf16, Unit::Utf32] {
            // Between `\r` and `\n` there is no place of its own.
            for (offset, _) in
                text.char_indices().filter(|(at, _)| !text[..*at].ends_with('\r') || !text[*at..].starts_with('\n'))
            {
                let place = index.place(text, offset as u32, unit);
                assert_eq!(index.offset(text, place, unit), offset as u32, "{place:?} {unit:?}");
            }
        }
    }
}
