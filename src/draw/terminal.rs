//! Where output goes: colours, width, characters, pipes that close.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal, Stderr, Stdout, Write};

use super::When;

/// Standard output, until nobody reads it any more: what is written then goes nowhere, and the command still
/// ends with the status that it earns.
#[derive(Debug)]
struct Output {
    sink: Sink,
    is_closed: bool,
}

/// What takes the output.
#[derive(Debug)]
enum Sink {
    Stdout(Stdout),
    /// Kept, to be shown later or elsewhere.
    Memory(Vec<u8>),
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Sink::Stdout(stdout) => stdout.write(bytes),
            Sink::Memory(kept) => kept.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Sink::Stdout(stdout) => stdout.flush(),
            Sink::Memory(_) => Ok(()),
        }
    }
}

impl Output {
    /// Nothing where the other end is closed.
    fn unless_closed<T>(&mut self, result: io::Result<T>) -> io::Result<Option<T>> {
        match result {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.is_closed = true;
                Ok(None)
            }
            other => other.map(Some),
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_closed {
            return Ok(bytes.len());
        }
        let written = self.sink.write(bytes);
        Ok(self.unless_closed(written)?.unwrap_or(bytes.len()))
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.is_closed {
            return Ok(());
        }
        let flushed = self.sink.flush();
        self.unless_closed(flushed).map(|_| ())
    }
}

/// Standard output and standard error, and what they can show.
#[derive(Debug)]
pub struct Terminal {
    out: BufWriter<Output>,
    err: Stderr,
    /// How to paint what goes to standard output.
    pub paint: Painter,
    /// How to paint what goes to standard error.
    pub paint_err: Painter,
    /// Columns of the terminal, or what `COLUMNS` says; `None` where nothing limits a line.
    pub width: Option<usize>,
    /// Whether a person reads standard output.
    pub is_terminal: bool,
    /// Whether more than ASCII can be drawn.
    pub unicode: bool,
}

impl Terminal {
    /// The terminal of this process.
    pub fn new(color: When) -> Terminal {
        let (out, err) = (io::stdout(), io::stderr());
        let is_terminal = out.is_terminal();
        Terminal {
            paint: Painter { on: colored(color, is_terminal) },
            paint_err: Painter { on: colored(color, err.is_terminal()) },
            width: width(is_terminal),
            is_terminal,
            unicode: unicode(),
            out: BufWriter::new(Output { sink: Sink::Stdout(out), is_closed: false }),
            err,
        }
    }

    /// One that shows what this one does, and keeps it instead of writing it out.
    pub fn kept(&self) -> Terminal {
        Terminal {
            out: BufWriter::new(Output { sink: Sink::Memory(Vec::new()), is_closed: false }),
            err: io::stderr(),
            paint: self.paint,
            paint_err: self.paint_err,
            width: self.width,
            is_terminal: self.is_terminal,
            unicode: self.unicode,
        }
    }

    /// What one that keeps its output was given; nothing of any other.
    pub fn into_kept(mut self) -> String {
        // Memory takes everything.
        let _ = self.out.flush();
        match &self.out.get_ref().sink {
            Sink::Memory(kept) => String::from_utf8_lossy(kept).into_owned(),
            Sink::Stdout(_) => String::new(),
        }
    }

    /// Looks again how wide the terminal is: somebody may have changed it.
    pub fn measure(&mut self) {
        self.width = width(self.is_terminal);
    }

    /// Writes a line to standard output.
    ///
    /// # Errors
    /// If the disk is full. That the other end is closed is no error.
    pub fn line(&mut self, line: impl Display) -> io::Result<()> {
        writeln!(self.out, "{line}")
    }

    /// Writes a line for people: one that is wider than the terminal goes on below, between words and further in.
    ///
    /// # Errors
    /// As [`Terminal::line`].
    pub fn prose(&mut self, line: impl Display) -> io::Result<()> {
        let text = line.to_string();
        for line in text.split('\n') {
            match self.width {
                Some(width) if textwrap::core::display_width(line) > width => {
                    let text = line.trim_start_matches(' ');
                    let indent = " ".repeat(line.len() - text.len());
                    let further = format!("{indent}  ");
                    // Words of the language have hyphens in them, and paths are copied.
                    let options = textwrap::Options::new(width).word_splitter(textwrap::WordSplitter::NoHyphenation);
                    let options = options.initial_indent(&indent).subsequent_indent(&further).break_words(false);
                    textwrap::wrap(text, options).iter().try_for_each(|line| writeln!(self.out, "{line}"))?;
                }
                _ => writeln!(self.out, "{line}")?,
            }
        }
        Ok(())
    }

    /// Writes text to standard output as it is.
    ///
    /// # Errors
    /// As [`Terminal::line`].
    pub fn text(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes())
    }

    /// Standard output itself, for writers.
    pub fn out(&mut self) -> &mut impl Write {
        &mut self.out
    }

    /// Makes everything written so far visible.
    ///
    /// # Errors
    /// As [`Terminal::line`].
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// Whether nobody reads standard output any more.
    pub fn is_closed(&self) -> bool {
        self.out.get_ref().is_closed
    }

    /// Writes a line to standard error. That nobody can read it is no reason to stop.
    pub fn note(&mut self, line: impl Display) {
        // What was printed before must stand before.
        let _ = self.out.flush();
        let _ = writeln!(self.err, "{line}");
    }

    /// The width to wrap sentences at.
    pub fn prose_width(&self) -> usize {
        self.width.unwrap_or(100).clamp(30, 110)
    }
}

/// Whether to use colours: `--color`, then NO_COLOR, CLICOLOR_FORCE, CLICOLOR and the terminal.
fn colored(when: When, is_terminal: bool) -> bool {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    match when {
        When::Always => true,
        When::Never => false,
        When::Auto if set("NO_COLOR").is_some() => false,
        When::Auto if set("CLICOLOR_FORCE").is_some_and(|value| value != "0") => true,
        When::Auto => {
            let refuses = set("CLICOLOR").is_some_and(|value| value == "0");
            is_terminal && !refuses && set("TERM").is_none_or(|term| term != "dumb")
        }
    }
}

fn width(is_terminal: bool) -> Option<usize> {
    let said = std::env::var("COLUMNS").ok().and_then(|columns| columns.trim().parse::<usize>().ok());
    let said = said.filter(|columns| *columns > 0);
    let measured = || terminal_size::terminal_size().map(|(columns, _)| usize::from(columns.0));
    said.or_else(|| if is_terminal { measured() } else { None }).map(|columns| columns.max(20))
}

/// Whether the locale says that more than ASCII can be shown. Where it says nothing, it can.
fn unicode() -> bool {
    let said =
        ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()));
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    !dumb && said.is_none_or(|locale| locale != "C" && locale != "POSIX")
}

/// Puts styles on text, or leaves it plain.
#[derive(Debug, Clone, Copy)]
pub struct Painter {
    on: bool,
}

/// How text looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    /// As it is.
    #[default]
    Plain,
    /// Headings and names.
    Bold,
    /// What matters less.
    Dim,
    /// What is wrong.
    Error,
    /// What deserves a look.
    Warning,
    /// What could be better.
    Hint,
    /// What is well, or added.
    Good,
    /// Code.
    Code,
    /// A word that begins a statement or holds it together.
    Keyword,
    /// A number, or a choice of a few.
    Number,
}

impl Style {
    const fn codes(self) -> &'static str {
        match self {
            Style::Plain => "",
            Style::Bold => "1",
            Style::Dim => "2",
            Style::Error => "1;31",
            Style::Warning => "33",
            Style::Hint => "36",
            Style::Good => "32",
            Style::Code => "36",
            Style::Keyword => "1;34",
            Style::Number => "35",
        }
    }
}

impl Painter {
    /// Leaves everything plain.
    #[cfg(test)]
    pub const PLAIN: Painter = Painter { on: false };

    /// Whether styles are shown.
    pub fn is_on(self) -> bool {
        self.on
    }

    /// Text in a style.
    pub fn put(self, style: Style, text: impl Display) -> String {
        match style.codes() {
            "" => text.to_string(),
            _ if !self.on => text.to_string(),
            codes => format!("\x1b[{codes}m{text}\x1b[0m"),
        }
    }
}

/// Text from strangers, safe to print: control characters and those that turn the direction of writing are
/// escaped, line ends and tabs stay.
pub fn clean(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hostile) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_hostile(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Whether a character does something to a terminal instead of standing there.
pub fn is_hostile(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\t' | '\r'))
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{061c}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_cannot_speak_to_the_terminal() {
        assert_eq!(clean("a\x1b[2Jb\u{202e}c\td\n"), "a\\u{1b}[2Jb\\u{202e}c\td\n");
        assert!(matches!(clean("plain ü"), Cow::Borrowed(_)));
    }

    #[test]
    fn plain_painters_add_nothing() {
        assert_eq!(Painter::PLAIN.put(Style::Error, "x"), "x");
        assert_eq!(Painter { on: true }.put(Style::Good, "x"), "\x1b[32mx\x1b[0m");
        assert_eq!(Painter { on: true }.put(Style::Plain, "x"), "x");
    }
}
