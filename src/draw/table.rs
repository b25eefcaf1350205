//! Tables that fit the terminal: columns that matter least go first.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::terminal::{Painter, Style, clean};

/// A column.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Its head.
    pub title: &'static str,
    /// Whether it holds numbers, which stand to the right.
    pub right: bool,
    /// When the terminal is too narrow, the column of the highest rank goes first; 0 stays.
    pub rank: u8,
}

impl Column {
    /// A column of text.
    pub const fn text(title: &'static str, rank: u8) -> Column {
        Column { title, right: false, rank }
    }

    /// A column of numbers.
    pub const fn number(title: &'static str, rank: u8) -> Column {
        Column { title, right: true, rank }
    }
}

/// What stands in one place of a table.
#[derive(Debug, Clone, Default)]
pub struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// Text in a style. What could trouble a terminal is escaped.
    pub fn styled(style: Style, text: impl AsRef<str>) -> Cell {
        let text = clean(text.as_ref());
        Cell { text: text.replace(['\n', '\r', '\t'], " "), style }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Cell {
        Cell::styled(Style::Plain, text)
    }
}

/// A table while it is filled.
#[derive(Debug)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

/// Between columns.
const GAP: usize = 2;
/// Before the first column.
const INDENT: usize = 2;
/// No column is made narrower.
const NARROWEST: usize = 10;

impl Table {
    /// An empty table.
    pub fn new(columns: &[Column]) -> Table {
        Table { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row, one cell for each column.
    pub fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        debug_assert_eq!(N, self.columns.len());
        self.rows.push(cells.into());
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table as text, fitted to a width.
    pub fn draw(&self, width: Option<usize>, paint: Painter) -> String {
        let (kept, widths) = self.fit(width);
        let has_titles = kept.iter().any(|&column| !self.columns[column].title.is_empty());
        let mut out = String::new();
        if has_titles {
            let heads: Vec<Cell> = self.columns.iter().map(|column| Cell::styled(Style::Dim, column.title)).collect();
            self.draw_row(&mut out, &heads, &kept, &widths, paint);
        }
        for row in &self.rows {
            self.draw_row(&mut out, row, &kept, &widths, paint);
        }
        out
    }

    /// Columns that are shown, and the width of each.
    fn fit(&self, width: Option<usize>) -> (Vec<usize>, Vec<usize>) {
        let natural = |column: usize| {
            let cells = self.rows.iter().map(|row| row[column].text.width());
            cells.max().unwrap_or(0).max(self.columns[column].title.width())
        };
        // A column without anything in it is no column.
        let is_used = |column: &usize| self.rows.iter().any(|row| !row[*column].text.is_empty());
        let mut kept: Vec<usize> = (0..self.columns.len()).filter(is_used).collect();
        let mut widths: Vec<usize> = kept.iter().map(|&column| natural(column)).collect();
        let Some(width) = width else { return (kept, widths) };
        let total = |widths: &[usize]| INDENT + widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1);
        while total(&widths) > width {
            let least = (0..kept.len()).filter(|&at| self.columns[kept[at]].rank > 0);
            match least.max_by_key(|&at| self.columns[kept[at]].rank) {
                Some(at) => {
                    kept.remove(at);
                    widths.remove(at);
                }
                None => break,
            }
        }
        while total(&widths) > width {
            match widths.iter_mut().max().filter(|widest| **widest > NARROWEST) {
                Some(widest) => *widest -= 1,
                None => break,
            }
        }
        (kept, widths)
    }

    fn draw_row(&self, out: &mut String, row: &[Cell], kept: &[usize], widths: &[usize], paint: Painter) {
        let mut line = " ".repeat(INDENT);
        let mut pending = 0;
        for (&column, &width) in kept.iter().zip(widths) {
            let cell = &row[column];
            let text = shortened(&cell.text, width);
            let blank = width - text.width();
            let before = if self.columns[column].right { blank } else { 0 };
            line.push_str(&" ".repeat(pending + before));
            line.push_str(&paint.put(cell.style, &text));
            pending = blank - before + GAP;
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
}

/// Text cut in the middle to a width: both ends of a name tell something.
pub fn shortened(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_string();
    }
    let room = width.saturating_sub(1);
    let take = |chars: &mut dyn Iterator<Item = char>, room: usize| -> Vec<char> {
        let mut used = 0;
        chars
            .take_while(|c| {
                used += c.width().unwrap_or(0);
                used <= room
            })
            .collect()
    };
    let head = take(&mut text.chars(), room / 2);
    let mut tail = take(&mut text.chars().rev(), room - room / 2);
    tail.reverse();
    head.into_iter().chain(['…']).chain(tail).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let columns = [Column::text("name", 0), Column::text("kind", 2), Column::number("size", 1)];
        let mut table = Table::new(&columns);
        table.row(["layers.0.self_attn.q_proj.weight".into(), "linear".into(), "9 kB".into()]);
        table.row(["head".into(), "linear".into(), "120 kB".into()]);
        table
    }

    #[test]
    fn columns_go_by_rank_and_names_are_cut_last() {
        insta::assert_snapshot!(table().draw(None, Painter::PLAIN), @r"
          name                              kind      size
          layers.0.self_attn.q_proj.weight  linear    9 kB
          head                              linear  120 kB
        ");
        insta::assert_snapshot!(table().draw(Some(44), Painter::PLAIN), @r"
          name                                size
          layers.0.self_attn.q_proj.weight    9 kB
          head                              120 kB
        ");
        insta::assert_snapshot!(table().draw(Some(22), Painter::PLAIN), @r"
          name
          layers.0.…roj.weight
          head
        ");
    }

    #[test]
    fn hostile_names_are_escaped() {
        let mut table = Table::new(&[Column::text("", 0)]);
        table.row([Cell::from("a\x1b[2J\nb")]);
        assert_eq!(table.draw(Some(80), Painter::PLAIN), "  a\\u{1b}[2J b\n");
    }
}
