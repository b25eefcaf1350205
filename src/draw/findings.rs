//! Findings drawn for people: the lines of the recipe with what is wrong under them.

use std::borrow::Cow;
use std::fmt::{self, Display, Write};

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents, SourceCode,
    SourceSpan, SpanContents, ThemeCharacters, ThemeStyles,
};

use super::terminal::{Painter, Style, Terminal, clean, is_hostile};
use crate::check::{Finding, Fix, Severity, words};
use crate::project::{Counts, fix_elsewhere, fix_of};
use crate::recipe::{FileId, Place};

/// Weights that a finding lists by name.
const MOST_WEIGHTS: usize = 5;
/// Longer lines are shown in part only.
const LONGEST_LINE: usize = 400;
/// Of a span over more lines, only the first is shown.
const MOST_LINES: usize = 40;

/// What a face calls what can be done about a finding.
#[derive(Debug, Clone, Copy)]
pub struct Ways {
    /// How the fixes are applied that surely do what was meant, and how the first of several choices; nothing where what
    /// is wrong stands in no file.
    pub fix: Option<(&'static str, &'static str)>,
    /// How the page of a rule is shown; its code stands behind.
    pub explain: &'static str,
}

impl Ways {
    /// Those of the command line.
    pub const COMMAND_LINE: Ways = Ways { fix: Some(("--fix", "--fix --unsafe-fixes")), explain: "bitmill explain" };
}

/// Draws findings of one recipe.
pub struct Artist {
    ways: Ways,
    handler: GraphicalReportHandler,
    paint: Painter,
    width: usize,
    sources: Vec<Source>,
}

/// A text that is safe to print, every byte at its place, and the starts of its lines.
struct Source {
    name: String,
    text: String,
    lines: Vec<usize>,
}

impl Artist {
    /// For the findings of a recipe, given its texts.
    pub fn new(sources: &[crate::recipe::Source], terminal: &Terminal, paint: Painter) -> Artist {
        let characters = if terminal.unicode { ThemeCharacters::unicode() } else { ThemeCharacters::ascii() };
        let styles = if paint.is_on() { ThemeStyles::ansi() } else { ThemeStyles::none() };
        let width = terminal.prose_width();
        let handler = GraphicalReportHandler::new_themed(GraphicalTheme { characters, styles })
            .with_width(width)
            .with_links(false)
            .with_context_lines(1)
            .with_word_splitter(textwrap::WordSplitter::NoHyphenation)
            .without_syntax_highlighting();
        let source = |source: &crate::recipe::Source| Source::new(&source.path.to_string_lossy(), &source.text);
        Artist { ways: Ways::COMMAND_LINE, handler, paint, width, sources: sources.iter().map(source).collect() }
    }

    /// For a face that calls things otherwise.
    #[must_use]
    pub fn with_ways(mut self, ways: Ways) -> Artist {
        self.ways = ways;
        self
    }

    /// A finding as text, with an empty line behind it.
    pub fn draw(&self, finding: &Finding) -> String {
        let mut out = String::new();
        // Formatting into a string fails only where a label lies outside of its text, and then the words remain.
        if self.handler.render_report(&mut out, &Drawing::new(finding, &self.sources)).is_err() {
            out = format!("{}[{}]: {}\n", finding.severity.word(), finding.code, clean(&finding.message));
        }
        self.footer(&mut out, finding);
        out.push('\n');
        out
    }

    /// What to do, what would have happened upstream, which weights, which fixes, where there is more.
    fn footer(&self, out: &mut String, finding: &Finding) {
        let mut item = |style: Style, head: &str, text: &str| {
            let head = format!("  {head}: ");
            let indent = " ".repeat(head.len());
            let room = self.width.saturating_sub(head.len()).max(20);
            // Words of the language have hyphens in them.
            let options = textwrap::Options::new(room).word_splitter(textwrap::WordSplitter::NoHyphenation);
            for (index, line) in textwrap::wrap(&clean(text), options).iter().enumerate() {
                let before = if index == 0 { self.paint.put(style, &head) } else { indent.clone() };
                _ = writeln!(out, "{before}{line}");
            }
        };
        if let Some(help) = &finding.help {
            item(Style::Hint, "help", help);
        }
        if let Some(upstream) = &finding.upstream {
            item(Style::Dim, "upstream", upstream);
        }
        if !finding.weights.is_empty() {
            let head = if finding.weights.len() == 1 { "weight" } else { "weights" };
            item(Style::Dim, head, &words::list(&finding.weights, MOST_WEIGHTS));
        }
        let how = self.how_to_fix(finding);
        for (index, fix) in finding.fixes.iter().enumerate() {
            let title = match &how {
                Some((applied, how)) if std::ptr::eq(*applied, fix) => format!("{} ({how})", fix.title),
                _ => fix.title.clone(),
            };
            item(Style::Good, if index == 0 { "fix" } else { "or" }, &title);
        }
        item(Style::Dim, "more", &format!("{} {}", self.ways.explain, finding.code));
    }

    /// The fix that a command applies, and how: in an imported file the recipe's own command changes nothing.
    fn how_to_fix<'f>(&self, finding: &'f Finding) -> Option<(&'f Fix, String)> {
        let (surely, choosing) = self.ways.fix?;
        if let Some(fix) = fix_of(finding, false) {
            return Some((fix, surely.to_string()));
        }
        if let Some(fix) = fix_of(finding, true) {
            return Some((fix, choosing.to_string()));
        }
        let (fix, file) = fix_elsewhere(finding)?;
        let source = self.sources.get(file.0 as usize)?;
        let more = if fix.safe { "" } else { " --unsafe-fixes" };
        Some((fix, format!("check --fix{more} {}", source.name)))
    }
}

/// `2 errors, 1 warning; 1 can be fixed with --fix`
pub fn summary(counts: &Counts, paint: Painter) -> String {
    let kinds = [
        (counts.errors, "error", Style::Error),
        (counts.warnings, "warning", Style::Warning),
        (counts.hints, "hint", Style::Hint),
    ];
    let said: Vec<String> = kinds
        .iter()
        .filter(|(n, ..)| *n > 0)
        .map(|(n, word, style)| paint.put(*style, words::count(*n, word)))
        .collect();
    if said.is_empty() {
        return paint.put(Style::Good, "no findings");
    }
    let mut text = said.join(", ");
    match (counts.fixable, counts.unsafely_fixable) {
        (0, 0) => {}
        (0, more) => _ = write!(text, "; {more} can be fixed with --fix --unsafe-fixes"),
        (n, 0) => _ = write!(text, "; {n} can be fixed with --fix"),
        (n, more) => _ = write!(text, "; {n} can be fixed with --fix, {more} more with --unsafe-fixes"),
    }
    if counts.fixable_elsewhere > 0 {
        _ = write!(text, "; {} can be fixed in imported files", counts.fixable_elsewhere);
    }
    text
}

/// One finding on its way through miette.
#[derive(Debug)]
struct Drawing<'a> {
    finding: &'a Finding,
    message: Cow<'a, str>,
    slots: Slots<'a>,
}

impl<'a> Drawing<'a> {
    fn new(finding: &'a Finding, sources: &'a [Source]) -> Self {
        let mut slots = Slots { sources, order: Vec::new() };
        for place in std::iter::once(finding.place).chain(finding.labels.iter().map(|label| label.place)) {
            slots.add(place.file);
        }
        Drawing { finding, message: clean(&finding.message), slots }
    }
}

impl Display for Drawing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Drawing<'_> {}

impl Diagnostic for Drawing<'_> {
    fn code<'b>(&'b self) -> Option<Box<dyn Display + 'b>> {
        Some(Box::new(format!("{}[{}]", self.finding.severity.word(), self.finding.code)))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.finding.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
            Severity::Hint => miette::Severity::Advice,
        })
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.slots)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let here = self.finding.here.as_deref().map(|text| clean(text).into_owned());
        let main = LabeledSpan::new_primary_with_span(here, self.slots.span(self.finding.place)?);
        let others = self.finding.labels.iter().filter_map(|label| {
            let text = clean(&label.text).into_owned();
            Some(LabeledSpan::new_with_span(Some(text), self.slots.span(label.place)?))
        });
        Some(Box::new(std::iter::once(main).chain(others)))
    }
}

/// The texts that a finding touches, laid end to end: its own first. So one report can show several files.
struct Slots<'a> {
    sources: &'a [Source],
    /// Each text with the offset at which it begins.
    order: Vec<(FileId, usize)>,
}

impl fmt::Debug for Slots<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.order).finish()
    }
}

impl Slots<'_> {
    fn add(&mut self, file: FileId) {
        let Some(source) = self.sources.get(file.0 as usize) else { return };
        if self.order.iter().all(|(known, _)| *known != file) {
            let end = |(last, start): &(FileId, usize)| start + self.source(*last).map_or(0, |s| s.text.len()) + 1;
            let start = self.order.last().map_or(0, end);
            debug_assert!(start.checked_add(source.text.len()).is_some());
            self.order.push((file, start));
        }
    }

    fn source(&self, file: FileId) -> Option<&Source> {
        self.sources.get(file.0 as usize)
    }

    /// A place in the texts laid end to end.
    fn span(&self, place: Place) -> Option<SourceSpan> {
        let (file, base) = self.order.iter().find(|(file, _)| *file == place.file)?;
        let source = self.source(*file)?;
        let text = &source.text;
        let mut range = place.span.range();
        range.end = range.end.min(text.len());
        range.start = range.start.min(range.end);
        range.end = source.shown_end(&range);
        // Behind the last line there is nothing to underline: the end of that line stands for it.
        if range.is_empty() && range.start == text.len() && text.ends_with('\n') {
            range = text.len() - 1..text.len() - 1;
        }
        Some(SourceSpan::new((base + range.start).into(), range.len()))
    }
}

impl SourceCode for Slots<'_> {
    fn read_span<'b>(
        &'b self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'b> + 'b>, MietteError> {
        let at = self.order.partition_point(|(_, base)| *base <= span.offset());
        let (file, base) = at.checked_sub(1).and_then(|at| self.order.get(at)).ok_or(MietteError::OutOfBounds)?;
        let source = self.source(*file).ok_or(MietteError::OutOfBounds)?;
        let start = span.offset() - base;
        let end = start + span.len();
        // A span over two texts is how miette asks whether their lines can be shown together: they cannot.
        let (data, first, column) = source.cut(start, end, before, after).ok_or(MietteError::OutOfBounds)?;
        let text = source.text.get(data.clone()).ok_or(MietteError::OutOfBounds)?;
        Ok(Box::new(MietteSpanContents::new_named(
            source.name.clone(),
            text.as_bytes(),
            (base + data.start, data.len()).into(),
            first,
            column,
            text.matches('\n').count(),
        )))
    }
}

impl Source {
    fn new(name: &str, text: &str) -> Source {
        let lines = std::iter::once(0).chain(text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(i, _)| i + 1));
        Source { name: clean(name).into_owned(), lines: lines.collect(), text: same_length(text) }
    }

    fn line_of(&self, offset: usize) -> usize {
        self.lines.partition_point(|start| *start <= offset).saturating_sub(1)
    }

    fn line_end(&self, line: usize) -> usize {
        self.lines.get(line + 1).copied().unwrap_or(self.text.len())
    }

    /// The bytes to show for a span, the line and the column at which they begin, both counted from 0.
    fn cut(
        &self,
        start: usize,
        end: usize,
        before: usize,
        after: usize,
    ) -> Option<(std::ops::Range<usize>, usize, usize)> {
        if end > self.text.len() {
            return None;
        }
        let (first, last) = (self.line_of(start), self.line_of(end.saturating_sub(1).max(start)));
        let column = |at: usize| self.text.get(self.lines[self.line_of(at)]..at).map_or(0, |text| text.chars().count());
        if before == 0 && after == 0 {
            return Some((start..end, first, column(start)));
        }
        let top = first.saturating_sub(before);
        let bottom = (last + after).min(self.lines.len() - 1);
        let whole = self.lines[top]..self.line_end(bottom);
        if (top..=bottom).all(|line| self.line_end(line) - self.lines[line] <= LONGEST_LINE) {
            return Some((whole, top, 0));
        }
        // A part of the line, or of the lines, around where the span begins.
        let (low, high) = (self.lines[first], self.line_end(last));
        let from = self.boundary(start.saturating_sub(LONGEST_LINE / 4).max(low));
        let to = self.boundary((start + LONGEST_LINE / 2).max(end.min(start + LONGEST_LINE)).min(high));
        Some((from..to.max(end.min(high)), first, column(from)))
    }

    /// Where a span ends as it is shown: of one over many lines, or over much of a long line, only the beginning.
    fn shown_end(&self, span: &std::ops::Range<usize>) -> usize {
        let (first, last) = (self.line_of(span.start), self.line_of(span.end.saturating_sub(1).max(span.start)));
        let is_long =
            (first..=last.min(first + MOST_LINES)).any(|line| self.line_end(line) - self.lines[line] > LONGEST_LINE);
        let mut end = span.end;
        if is_long || last - first >= MOST_LINES {
            end = end.min(self.line_end(first));
        }
        if is_long { self.boundary(end.min(span.start + LONGEST_LINE / 2)).max(span.start) } else { end }
    }

    /// The nearest start of a character at or before an offset.
    fn boundary(&self, offset: usize) -> usize {
        (0..=offset.min(self.text.len())).rev().find(|&at| self.text.is_char_boundary(at)).unwrap_or(0)
    }
}

/// A text without what could trouble a terminal, each byte at its old place.
fn same_length(text: &str) -> String {
    if !text.chars().any(is_hostile) {
        return text.to_string();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match (is_hostile(c), c.len_utf8()) {
            (false, _) => out.push(c),
            (true, 3) => out.push('\u{fffd}'),
            (true, length) => out.extend(std::iter::repeat_n('?', length)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_keeps_its_offsets() {
        let text = "a\x1bb\u{85}c\u{202e}d";
        assert_eq!(same_length(text), "a?b??c\u{fffd}d");
        assert_eq!(same_length(text).len(), text.len());
    }

    #[test]
    fn long_lines_are_cut_around_the_span() {
        let text = format!("{}\n{}X{}\n", "short", "a".repeat(5000), "b".repeat(5000));
        let source = Source::new("x", &text);
        let (range, line, column) = source.cut(5006, 5007, 1, 1).unwrap();
        assert_eq!((line, column), (1, 4900));
        assert!(range.len() < LONGEST_LINE && range.contains(&5006));
        let (range, line, _) = source.cut(0, 5, 0, 0).unwrap();
        assert_eq!((range, line), (0..5, 0));
        assert_eq!(source.cut(0, 99_999, 1, 1), None);
    }

    #[test]
    fn summaries_count() {
        let counts = Counts { errors: 2, warnings: 1, fixable: 1, ..Counts::default() };
        assert_eq!(summary(&counts, Painter::PLAIN), "2 errors, 1 warning; 1 can be fixed with --fix");
        assert_eq!(summary(&Counts::default(), Painter::PLAIN), "no findings");
    }
}
