//! Pages on a terminal: the small part of Markdown that they use, wrapped to the width.

use super::terminal::{Painter, Style, Terminal};

/// A page as the terminal shows it. Where it goes elsewhere, and no colours are asked for, it stays Markdown.
pub fn render(page: &str, terminal: &Terminal) -> String {
    if !terminal.is_terminal && !terminal.paint.is_on() {
        return page.to_string();
    }
    let (paint, width) = (terminal.paint, terminal.prose_width());
    let mut out = String::new();
    let mut paragraph = String::new();
    let mut code = false;
    for line in page.lines() {
        let special = code || line.is_empty() || line.starts_with(['#', '-', '`']);
        if special {
            flush(&mut paragraph, &mut out, width, paint);
        }
        if line.starts_with("```") {
            code = !code;
        } else if code {
            out.push_str("    ");
            out.push_str(&paint.put(Style::Good, line));
            out.push('\n');
        } else if let Some(title) = line.strip_prefix('#') {
            out.push_str(&paint.put(Style::Bold, title.trim_start_matches('#').trim()));
            out.push('\n');
        } else if let Some(item) = line.strip_prefix("- ") {
            let options = whole_words(width).initial_indent("- ").subsequent_indent("  ");
            out.push_str(&inline(&textwrap::fill(item, options), paint));
            out.push('\n');
        } else if line.is_empty() {
            out.push('\n');
        } else {
            if !paragraph.is_empty() {
                paragraph.push(' ');
            }
            paragraph.push_str(line);
        }
    }
    flush(&mut paragraph, &mut out, width, paint);
    out
}

/// Words of the language have hyphens in them, and none is divided there.
fn whole_words(width: usize) -> textwrap::Options<'static> {
    textwrap::Options::new(width).word_splitter(textwrap::WordSplitter::NoHyphenation)
}

fn flush(paragraph: &mut String, out: &mut String, width: usize, paint: Painter) {
    if !paragraph.is_empty() {
        out.push_str(&inline(&textwrap::fill(paragraph, whole_words(width)), paint));
        out.push('\n');
        paragraph.clear();
    }
}

/// Code between backquotes in another style; the backquotes go where colours show it.
fn inline(text: &str, paint: Painter) -> String {
    if !paint.is_on() {
        return text.to_string();
    }
    let pieces = text.split('`').enumerate();
    pieces
        .map(|(index, piece)| if index % 2 == 1 { paint.put(Style::Good, piece) } else { piece.to_string() })
        .collect()
}
