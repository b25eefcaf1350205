//! Answers as text.

mod change;
mod measured;

use std::io;

use crate::check::words;
use crate::draw::difference::unified;
use crate::draw::findings::{Artist, Ways};
use crate::draw::table::{Cell, Column, Table};
use crate::draw::terminal::{Style, Terminal, clean};
use crate::draw::values::{bars, number};
use crate::draw::{eval, heading, markdown, plan, run, sentence, why};
use crate::ide::scheme_facts::SchemeFacts;
use crate::inspect::Values;
use crate::model::total;
use crate::plan::words::change as sizes;
use crate::session::command::COMMANDS;
use crate::session::help::TOPICS;
use crate::session::{Display, Failure, Judged, Matches, ModelSummary, Outcome, Since};
use crate::words::{count, percent, size, thousands};

/// Draws an answer.
///
/// # Errors
/// As [`Terminal::line`].
pub fn outcome(outcome: &Outcome, display: Display, terminal: &mut Terminal) -> io::Result<()> {
    match outcome {
        Outcome::Nothing | Outcome::Quit => Ok(()),
        Outcome::Changed(change) => change::draw(change, terminal),
        Outcome::Refused(judged) => {
            findings(judged, IN_LINE, terminal)?;
            let line = terminal.paint.put(Style::Error, "not taken: the recipe is as it was");
            terminal.prose(line)
        }
        Outcome::Findings(judged) if judged.findings.is_empty() => {
            let line = terminal.paint.put(Style::Good, "no findings");
            terminal.prose(line)
        }
        Outcome::Findings(judged) => {
            let is_line = judged.texts.sources.first().is_some_and(|source| source.tree.statements.is_empty());
            findings(judged, if is_line { IN_LINE } else { IN_RECIPE }, terminal)
        }
        Outcome::Matches(found) => matches(found, terminal),
        Outcome::Scheme(facts, judged) => {
            findings(judged, IN_LINE, terminal)?;
            scheme(facts, terminal)
        }
        Outcome::Tried(attempt, judged) => {
            short(judged, terminal)?;
            measured::attempt(attempt, display, terminal)
        }
        Outcome::Swept(sweep, judged) => {
            short(judged, terminal)?;
            measured::sweep(sweep, terminal)
        }
        Outcome::Histogram(histogram) => measured::histogram(histogram, terminal),
        Outcome::Worst(attempt, many) => measured::worst(attempt, *many, display, terminal),
        Outcome::Sensitivity(sensitivity, attempt) => measured::sensitivity(sensitivity, attempt, terminal),
        Outcome::Weights(analysis, weights) => {
            let Some(planned) = analysis.planned() else { return Ok(()) };
            for (nth, (index, summary)) in weights.iter().enumerate() {
                if nth > 0 {
                    terminal.prose("")?;
                }
                why::show(analysis.recipe(), planned, *index, terminal)?;
                if let Some(summary) = summary {
                    values(summary, terminal)?;
                }
            }
            Ok(())
        }
        Outcome::Plan(analysis, all) => match analysis.planned() {
            Some(planned) => plan::show(analysis.path(), analysis.recipe(), planned, *all, terminal),
            None => Ok(()),
        },
        Outcome::Targets(analysis, targets) => plan::targets(analysis.recipe(), targets, terminal),
        Outcome::Ran(analysis, report, after) => {
            run::show(analysis.recipe(), report, after, (run::WORST, display.time), terminal)
        }
        Outcome::Evaluated(analysis, evaluation, after, _) => {
            eval::show(analysis.recipe(), evaluation, after, (LAYERS, display.time), terminal)
        }
        Outcome::Calibrated(ranges) => measured::ranges(ranges, terminal),
        Outcome::Recipe(text) if text.is_empty() => {
            let line = terminal.paint.put(Style::Dim, "the recipe is empty");
            terminal.prose(line)
        }
        Outcome::Recipe(text) => terminal.text(&clean(text)),
        Outcome::Difference(since) => difference(since, terminal),
        Outcome::Model(summary) => model(summary, terminal),
        Outcome::Page(page) => {
            let text = markdown::render(page, terminal);
            terminal.text(&text)
        }
        Outcome::Help => help(terminal),
        Outcome::Said(text) => terminal.prose(clean(text)),
        Outcome::Failed(failure) => failed(failure, terminal),
        Outcome::Stopped => {
            let line = terminal.paint.put(Style::Warning, "stopped");
            terminal.prose(line)
        }
    }
}

/// What went wrong, and what to do.
pub fn failed(failure: &Failure, terminal: &mut Terminal) -> io::Result<()> {
    let paint = terminal.paint;
    terminal.prose(format!("{} {}", paint.put(Style::Error, "error:"), clean(&failure.message)))?;
    match &failure.help {
        Some(help) => terminal.prose(format!("  {} {}", paint.put(Style::Hint, "help:"), clean(help))),
        None => Ok(()),
    }
}

/// Values in which most error enters that an evaluation shows.
const LAYERS: usize = 5;

/// Findings that are drawn; more are only counted.
const MOST_DRAWN: usize = 20;

/// What the prompt calls what can be done about a finding in the recipe.
const IN_RECIPE: Ways = Ways { fix: Some((":fix", ":fix all")), explain: ":explain" };
/// The same, of one in a line that is not taken: it is typed again.
const IN_LINE: Ways = Ways { fix: None, explain: ":explain" };

/// Findings with the lines that they are about.
fn findings(judged: &Judged, ways: Ways, terminal: &mut Terminal) -> io::Result<()> {
    let artist = Artist::new(&judged.texts.sources, terminal, terminal.paint).with_ways(ways);
    for finding in judged.findings.iter().take(MOST_DRAWN) {
        terminal.text(&artist.draw(finding))?;
    }
    match judged.findings.len().saturating_sub(MOST_DRAWN) {
        0 => Ok(()),
        more => terminal.prose(format!("… and {more} more")),
    }
}

/// Findings in a line each, for experiments that go on all the same.
fn short(judged: &Judged, terminal: &mut Terminal) -> io::Result<()> {
    for finding in &judged.findings {
        let style = match finding.severity {
            crate::check::Severity::Error => Style::Error,
            crate::check::Severity::Warning => Style::Warning,
            crate::check::Severity::Hint => Style::Hint,
        };
        let code = terminal.paint.put(Style::Dim, format!("[{}]", finding.code));
        let word = terminal.paint.put(style, finding.severity.word());
        terminal.prose(format!("{word}: {} {code}", clean(&finding.message)))?;
    }
    Ok(())
}

fn matches(found: &Matches, terminal: &mut Terminal) -> io::Result<()> {
    let Some(planned) = found.analysis.planned() else { return Ok(()) };
    plan::weights(found.analysis.recipe(), planned, &found.weights, false, terminal)?;
    terminal.prose("")?;
    terminal.prose(format!("{}, {}", count(found.weights.len(), "weight"), size(found.bytes)))
}

fn scheme(facts: &SchemeFacts, terminal: &mut Terminal) -> io::Result<()> {
    heading(terminal, &clean(&facts.scheme.to_string()))?;
    let mut rows: Vec<(&str, String)> = Vec::new();
    if let Some(bits) = facts.bits {
        rows.push(("bits", format!("{bits:.2} per weight of a linear layer of 4096x4096")));
    }
    if let Some((before, after, bits)) = facts.sizes {
        rows.push(("bits", format!("{bits:.2} per weight")));
        let weights =
            facts.fits.as_ref().map_or(String::new(), |fits| format!(" for {}", count(fits.weights, "weight")));
        rows.push(("size", format!("{}{weights}", sizes(before, after))));
    }
    if let Some(fits) = facts.fits.as_ref().filter(|fits| fits.others > 0) {
        let why = fits.why.as_ref().map_or(String::new(), |why| format!(", such as {why}"));
        rows.push(("does not fit", format!("{}{why}", count(fits.others, "weight"))));
    }
    if let Some(why) = facts.unfit.as_ref().filter(|_| facts.fits.as_ref().is_none_or(|fits| fits.others == 0)) {
        rows.push(("does not fit", why.clone()));
    }
    if !facts.operators.is_empty() {
        rows.push(("operators", facts.operators.join(", ")));
    }
    rows.push(("runs from", format!("{} ({})", facts.set.systems(), facts.set.name)));
    if let Some(arithmetic) = &facts.arithmetic {
        rows.push(("arithmetic", arithmetic.trim_start_matches("arithmetic: ").to_string()));
    }
    for translation in &facts.translations {
        rows.push((
            translation.tool,
            match &translation.code {
                Ok(code) => code.clone(),
                Err(why) => format!("no: {}", why.replace('`', "")),
            },
        ));
    }
    let width = rows.iter().map(|(head, _)| head.len()).max().unwrap_or(0);
    for (head, text) in rows {
        let indent = " ".repeat(width + 4);
        let room = terminal.prose_width().saturating_sub(width + 4).max(20);
        let options = textwrap::Options::new(room).word_splitter(textwrap::WordSplitter::NoHyphenation);
        for (nth, line) in textwrap::wrap(&clean(&text), options).iter().enumerate() {
            let before = match nth {
                0 => format!("  {}  ", terminal.paint.put(Style::Dim, format!("{head:width$}"))),
                _ => indent.clone(),
            };
            terminal.prose(format!("{before}{line}"))?;
        }
    }
    Ok(())
}

fn values(values: &Values, terminal: &mut Terminal) -> io::Result<()> {
    terminal.prose("")?;
    let shown = [("min", values.min), ("max", values.max), ("mean", values.mean), ("std", values.std)];
    let shown: Vec<String> = shown.iter().map(|(word, value)| format!("{word} {}", number(*value))).collect();
    let elements = total(values.histogram).saturating_add(values.nan).saturating_add(values.infinite);
    let zeros = percent(values.zeros as f64 / elements.max(1) as f64);
    terminal.prose(format!("  {}, zeros {zeros}", shown.join(", ")))?;
    for (many, word) in [(values.nan, "NaN"), (values.infinite, "infinite")].iter().filter(|(many, _)| *many > 0) {
        let line = terminal.paint.put(Style::Error, format!("  {} {word}", thousands(*many)));
        terminal.prose(line)?;
    }
    let line = terminal.paint.put(Style::Code, bars(&values.histogram, terminal.unicode));
    terminal.prose(format!("  {line}  from min to max"))
}

fn difference(since: &Since, terminal: &mut Terminal) -> io::Result<()> {
    if since.old == since.new && since.weights.is_empty() {
        return terminal.prose("nothing has changed since the recipe was loaded or saved");
    }
    if since.old != since.new {
        let text = unified(&since.path, &since.old, &since.new, terminal.paint);
        terminal.text(&clean(&text))?;
    }
    if !since.weights.is_empty() {
        terminal.prose("")?;
    }
    for one in &since.weights {
        let text = plan::difference(one, terminal.paint);
        terminal.prose(text)?;
    }
    match &since.totals {
        Some((old, new)) if old != new => {
            terminal.prose("")?;
            sentence(terminal, Style::Plain, &format!("the model: {new}; it was {old}"))
        }
        _ => Ok(()),
    }
}

/// A model in a few lines.
fn model(summary: &ModelSummary, terminal: &mut Terminal) -> io::Result<()> {
    heading(terminal, &clean(&summary.path.display().to_string()))?;
    let mut facts = vec![summary.format.to_string()];
    facts.extend(summary.architecture.iter().map(|name| clean(name).into_owned()));
    facts.push(count(summary.tensors, "tensor"));
    facts.push(size(summary.bytes));
    terminal.prose(format!("  {}", facts.join(", ")))?;
    let mut table = Table::new(&[Column::text("kind", 0), Column::number("weights", 0), Column::number("size", 0)]);
    for (kind, many, bytes) in &summary.kinds {
        table.row([Cell::from(kind), Cell::from(thousands(*many as u64)), Cell::from(size(*bytes))]);
    }
    terminal.text(&table.draw(terminal.width, terminal.paint))
}

fn help(terminal: &mut Terminal) -> io::Result<()> {
    let said = "Lines of the language: a statement is taken into the recipe, a selector lists what it matches, a scheme \
                tells what it is. Commands:";
    sentence(terminal, Style::Plain, said)?;
    terminal.prose("")?;
    let column = COMMANDS.iter().map(|entry| entry.form.chars().count()).max().unwrap_or(0) + 4;
    let width = terminal.prose_width();
    // Where there is no room for two columns, what a command does stands under it.
    let (column, is_under) = if width < 2 * column { (6, true) } else { (column, false) };
    let options = textwrap::Options::new(width - column).word_splitter(textwrap::WordSplitter::NoHyphenation);
    for entry in COMMANDS {
        let form = terminal.paint.put(Style::Bold, entry.form);
        let blank = " ".repeat(column.saturating_sub(entry.form.chars().count() + 2));
        for (nth, line) in textwrap::wrap(entry.meaning, &options).iter().enumerate() {
            match (nth, is_under) {
                (0, true) => terminal.prose(format!("  {form}\n{}{line}", " ".repeat(column)))?,
                (0, false) => terminal.prose(format!("  {form}{blank}{line}"))?,
                _ => terminal.prose(format!("{}{line}", " ".repeat(column)))?,
            }
        }
    }
    terminal.prose("")?;
    let topics: Vec<&str> = TOPICS.iter().map(|(topic, _)| *topic).collect();
    terminal
        .line(format!("`:help TOPIC` tells more: a command, {}, or a word of the language", words::list(&topics, 9)))
}
