//! Experiments: tables, bars, a plot, a histogram.

use std::io;

use crate::draw::table::{Cell, Column, Table};
use crate::draw::terminal::{Style, Terminal, clean};
use crate::draw::values::number;
use crate::draw::{heading, sentence};
use crate::experiment::{Attempt, Histogram, Left, Point, Sensitivity, Sweep};
use crate::plan::words::change as sizes;
use crate::pt2e::{Parameters, Range};
use crate::run::outcome::decibels;
use crate::run::statics::Ranges;
use crate::session::Display;
use crate::words::{count, counted, percent, size, thousands};

/// Rows of a table that nobody asked to be longer.
const MOST_ROWS: usize = 40;
/// Characters of a bar.
const BAR: usize = 20;

/// The ranges of activations: a row for each place where values become codes.
pub fn ranges(ranges: &Ranges, terminal: &mut Terminal) -> io::Result<()> {
    let mut table = Table::new(&[
        Column::text("value", 0),
        Column::text("module", 2),
        Column::number("range", 1),
        Column::number("smallest", 0),
        Column::number("largest", 0),
        Column::number("scale", 0),
        Column::number("zero point", 3),
    ]);
    for place in ranges.places.iter().take(MOST_ROWS) {
        let value = match &place.users {
            // Where only some take the codes, they are named.
            Some(users) => format!("{} for {}", place.value, users.join(", ")),
            None => place.value.to_string(),
        };
        let of = |text: fn(&(Range, Parameters)) -> String| place.observed.as_ref().map(text).unwrap_or_default();
        table.row([
            Cell::from(value),
            Cell::from(place.module.as_deref().unwrap_or_default()),
            Cell::from((place.group + 1).to_string()),
            Cell::from(of(|(range, _)| format!("{:.4}", range.min))),
            Cell::from(of(|(range, _)| format!("{:.4}", range.max))),
            Cell::from(of(|(_, parameters)| format!("{:.3e}", parameters.scale))),
            Cell::from(of(|(_, parameters)| parameters.zero_point.to_string())),
        ]);
    }
    let text = table.draw(terminal.width, terminal.paint);
    terminal.text(&text)?;
    if let Some(more) = ranges.places.len().checked_sub(MOST_ROWS).filter(|more| *more > 0) {
        terminal.prose(format!("  and {}", count(more, "further place")))?;
    }
    let groups = ranges.places.iter().map(|place| place.group + 1).max().unwrap_or(0);
    let samples = count(usize::try_from(ranges.samples).unwrap_or(usize::MAX), "sample");
    let places = count(ranges.places.len(), "place");
    terminal.prose(format!("\n{places} with {}, from {samples}", count(groups, "range")))
}

/// Weights that were quantized now, worst first.
pub fn attempt(attempt: &Attempt, display: Display, terminal: &mut Terminal) -> io::Result<()> {
    listed(attempt, MOST_ROWS, display, terminal)?;
    left(&attempt.left, terminal)
}

/// The worst of everything that the recipe changes.
pub fn worst(attempt: &Attempt, many: usize, display: Display, terminal: &mut Terminal) -> io::Result<()> {
    listed(attempt, many, display, terminal)?;
    left(&attempt.left, terminal)
}

fn listed(attempt: &Attempt, many: usize, display: Display, terminal: &mut Terminal) -> io::Result<()> {
    if attempt.tried.is_empty() {
        return Ok(());
    }
    let is_one = attempt.tried.iter().all(|one| one.scheme == attempt.tried[0].scheme);
    let mut table = Table::new(&[
        Column::text("weight", 0),
        Column::text(if is_one { "" } else { "scheme" }, 2),
        Column::number("SQNR", 0),
        Column::text("", 1),
        Column::number("largest", 4),
        Column::number("mean error", 5),
        Column::number("bits", 3),
        Column::number("size", 0),
        Column::number("time", 6),
    ]);
    let finite = |sqnr: f64| sqnr.is_finite().then_some(sqnr.max(0.0));
    let most = attempt.tried.iter().filter_map(|one| finite(one.error.sqnr())).fold(1.0, f64::max);
    for one in attempt.tried.iter().take(many) {
        let sqnr = one.error.sqnr();
        let length = finite(sqnr).unwrap_or(if sqnr > 0.0 { most } else { 0.0 }) / most;
        table.row([
            Cell::from(&one.name),
            Cell::from(if is_one { "" } else { &one.scheme }),
            Cell::from(decibels(sqnr)),
            Cell::styled(Style::Code, bar(length, BAR, terminal.unicode)),
            Cell::from(format!("{:.3e}", one.error.largest)),
            Cell::from(format!("{:.3e}", one.error.mean())),
            Cell::from(format!("{:.2}", one.bits())),
            Cell::from(size(one.after)),
            Cell::from(if display.time { format!("{:.1} ms", one.elapsed.as_secs_f64() * 1e3) } else { String::new() }),
        ]);
    }
    terminal.text(&table.draw(terminal.width, terminal.paint))?;
    if attempt.tried.len() > many {
        terminal.prose(format!("  and {} better", count(attempt.tried.len() - many, "weight")))?;
    }
    terminal.prose("")?;
    let error = attempt.error();
    let line = format!(
        "{}: {}, {:.2} bits per weight, {}",
        count(attempt.tried.len(), "weight"),
        sizes(attempt.before(), attempt.after()),
        attempt.bits(),
        decibels(error.sqnr())
    );
    let scheme = if is_one { format!(" as {}", attempt.tried[0].scheme) } else { String::new() };
    sentence(terminal, Style::Plain, &line.replacen(':', &format!("{scheme}:"), 1))
}

/// Weights that stay as they are, and why.
fn left(left: &[Left], terminal: &mut Terminal) -> io::Result<()> {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for one in left {
        match reasons.iter_mut().find(|(why, _)| *why == one.why) {
            Some((_, names)) => names.push(&one.name),
            None => reasons.push((&one.why, vec![&one.name])),
        }
    }
    for (why, names) in reasons {
        let names = crate::check::words::list(&names, 3);
        sentence(terminal, Style::Warning, &clean(&format!("not changed: {names}: {why}")))?;
    }
    Ok(())
}

/// A bar of a share of a width.
fn bar(share: f64, width: usize, unicode: bool) -> String {
    let eighths = (share.clamp(0.0, 1.0) * width as f64 * 8.0).round() as usize;
    if !unicode {
        return "#".repeat((eighths + 4) / 8);
    }
    const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    "█".repeat(eighths / 8) + PARTS[eighths % 8]
}

/// Schemes compared: a table, then size against error.
pub fn sweep(sweep: &Sweep, terminal: &mut Terminal) -> io::Result<()> {
    let mut table = Table::new(&[
        Column::text("", 0),
        Column::text("scheme", 0),
        Column::number("bits", 1),
        Column::number("size", 0),
        Column::number("of before", 3),
        Column::number("SQNR", 0),
        Column::number("largest", 4),
        Column::text("worst weight", 5),
    ]);
    let best = if terminal.unicode { "●" } else { "*" };
    for (nth, point) in sweep.points.iter().enumerate() {
        let is_measured = point.measured > 0;
        let shown = |text: String| if is_measured { text } else { String::new() };
        table.row([
            Cell::styled(Style::Good, format!("{} {}", letter(nth), if point.is_best { best } else { " " })),
            Cell::styled(if point.is_best { Style::Good } else { Style::Plain }, &point.scheme),
            Cell::from(shown(format!("{:.2}", point.bits))),
            Cell::from(size(point.after)),
            Cell::from(percent(point.after as f64 / sweep.before.max(1) as f64)),
            Cell::from(shown(decibels(point.error.sqnr()))),
            Cell::from(shown(format!("{:.3e}", point.error.largest))),
            Cell::from(match &point.worst {
                Some((name, sqnr)) => format!("{name} {}", decibels(*sqnr)),
                None => String::new(),
            }),
        ]);
    }
    terminal.text(&table.draw(terminal.width, terminal.paint))?;
    for (nth, point) in sweep.points.iter().enumerate() {
        if let Some((many, why)) = &point.left {
            let many = counted(*many, "weight stays as it is", "weights stay as they are");
            sentence(terminal, Style::Warning, &clean(&format!("  {}: {many}: {why}", letter(nth))))?;
        }
    }
    plot(&sweep.points, terminal)?;
    terminal.prose("")?;
    let many = sweep.points.iter().filter(|point| point.is_best).count();
    let mut line = format!("{}, {} before", count(sweep.weights, "weight"), size(sweep.before));
    if many > 0 {
        line += &format!("; {best} marks those that no other beats in size and error");
    }
    sentence(terminal, Style::Plain, &line)
}

/// What a point is called in the plot.
fn letter(nth: usize) -> char {
    char::from_u32('a' as u32 + (nth % 26) as u32).unwrap_or('?')
}

/// Rows of the plot.
const PLOT_ROWS: usize = 10;
/// Columns of the plot, at most.
const PLOT_COLUMNS: usize = 64;

/// Size from left to right, quality from bottom to top.
fn plot(points: &[Point], terminal: &mut Terminal) -> io::Result<()> {
    let left = |point: &Point| point.left.as_ref().map_or(0, |(many, _)| *many);
    let fewest = points.iter().filter(|point| point.measured > 0).map(left).min().unwrap_or(0);
    let shown: Vec<(usize, &Point, f64)> = points
        .iter()
        .enumerate()
        .filter(|(_, point)| point.measured > 0 && left(point) == fewest)
        .map(|(nth, point)| (nth, point, point.error.sqnr()))
        .filter(|(.., sqnr)| sqnr.is_finite())
        .collect();
    if shown.len() < 2 {
        return Ok(());
    }
    let range = |values: &mut dyn Iterator<Item = f64>| {
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
    };
    let (least, most) = range(&mut shown.iter().map(|(_, point, _)| point.after as f64));
    let (low, high) = range(&mut shown.iter().map(|(.., sqnr)| *sqnr));
    let label = 10;
    let columns = terminal.width.unwrap_or(PLOT_COLUMNS + label + 4).saturating_sub(label + 4).clamp(16, PLOT_COLUMNS);
    let place = |value: f64, low: f64, high: f64, places: usize| {
        let share = if high > low { (value - low) / (high - low) } else { 0.5 };
        ((share * (places - 1) as f64).round() as usize).min(places - 1)
    };
    let mut rows = vec![vec![(' ', false); columns]; PLOT_ROWS];
    // The best last: where two lie on one place, the better one is seen.
    let mut order: Vec<&(usize, &Point, f64)> = shown.iter().collect();
    order.sort_by_key(|(_, point, _)| point.is_best);
    for (nth, point, sqnr) in order {
        let (row, column) = (place(*sqnr, low, high, PLOT_ROWS), place(point.after as f64, least, most, columns));
        rows[PLOT_ROWS - 1 - row][column] = (letter(*nth), point.is_best);
    }
    let [axis, corner, line] = if terminal.unicode { ["│", "└", "─"] } else { ["|", "+", "-"] };
    terminal.prose("")?;
    for (nth, row) in rows.iter().enumerate() {
        let head = match nth {
            0 => decibels(high),
            _ if nth == PLOT_ROWS - 1 => decibels(low),
            _ => String::new(),
        };
        let mut text = String::new();
        for (letter, is_best) in row {
            match is_best {
                true => text.push_str(&terminal.paint.put(Style::Good, letter)),
                false => text.push(*letter),
            }
        }
        terminal.prose(format!("  {head:>label$} {axis}{}", text.trim_end()))?;
    }
    terminal.prose(format!("  {:>label$} {corner}{}", "", line.repeat(columns)))?;
    let (left, right) = (size(least as u64), size(most as u64));
    let gap = columns.saturating_sub(left.len() + right.len());
    terminal.prose(format!("  {:>label$}  {left}{}{right}", "", " ".repeat(gap)))
}

/// Rows of a histogram.
const ROWS: usize = 8;

/// The values of a weight, and the levels that quantization leaves.
pub fn histogram(histogram: &Histogram, terminal: &mut Terminal) -> io::Result<()> {
    heading(terminal, &clean(&histogram.name))?;
    let columns = terminal.width.map_or(histogram.bars.len(), |width| width.saturating_sub(4).max(10));
    let counts = merged(&histogram.bars, columns);
    let highest = counts.iter().copied().max().unwrap_or(0).max(1) as f64;
    for row in (0..ROWS).rev() {
        let line: String = counts
            .iter()
            .map(|n| cell(*n as f64 / highest * ROWS as f64 - row as f64, *n > 0 && row == 0, terminal.unicode))
            .collect();
        let line = terminal.paint.put(Style::Code, line.trim_end());
        terminal.prose(format!("  {line}"))?;
    }
    if let Some(Ok(levels)) = &histogram.levels {
        let marks = if terminal.unicode { [' ', '╵', '┃', '█'] } else { [' ', '\'', '|', '#'] };
        let mark = |n: &u64| marks[(*n).min(3) as usize];
        let line: String = merged(&levels.bars, columns).iter().map(mark).collect();
        let line = terminal.paint.put(Style::Good, line.trim_end());
        terminal.prose(format!("  {line}"))?;
    }
    let values = &histogram.values;
    let (low, high) = (number(values.min), number(values.max));
    let gap = counts.len().saturating_sub(low.len() + high.len()).max(1);
    terminal.prose(format!("  {low}{}{high}", " ".repeat(gap)))?;
    terminal.prose(format!("  mean {}, deviation {}", number(values.mean), number(values.std)))?;
    for (many, word) in [(values.nan, "NaN"), (values.infinite, "infinite")].iter().filter(|(many, _)| *many > 0) {
        terminal.prose(format!("  {} {word}", thousands(*many)))?;
    }
    match &histogram.levels {
        None => Ok(()),
        Some(Err(why)) => terminal.prose(format!("  stays as it is: {}", clean(why))),
        Some(Ok(levels)) => sentence(
            terminal,
            Style::Plain,
            &format!(
                "  {}: {} different values, {}, {}, largest error {:.3e}",
                levels.scheme,
                thousands(levels.distinct as u64),
                size(levels.bytes),
                decibels(levels.error.sqnr()),
                levels.error.largest
            ),
        ),
    }
}

/// Counts in fewer parts, where there is no room for all.
fn merged(counts: &[u64], columns: usize) -> Vec<u64> {
    let each = counts.len().div_ceil(columns.max(1)).max(1);
    counts.chunks(each).map(|part| part.iter().sum()).collect()
}

/// What a bar shows in a row that it fills to some height.
fn cell(height: f64, is_some: bool, unicode: bool) -> char {
    const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let eighths = (height * 8.0).round().clamp(0.0, 8.0) as usize;
    // What is not quite nothing is not shown as nothing.
    let eighths = if is_some { eighths.max(1) } else { eighths };
    match unicode {
        true => BLOCKS[eighths],
        false if eighths >= 4 => '#',
        false if eighths > 0 => '.',
        false => ' ',
    }
}

/// The most sensitive weights or layers.
pub fn sensitivity(found: &Sensitivity, attempt: &Attempt, terminal: &mut Terminal) -> io::Result<()> {
    let mut table = Table::new(&[
        Column::text("", 0),
        Column::number("weights", 5),
        Column::text("scheme", 4),
        Column::number("alone", 0),
        Column::number("of the noise", 0),
        Column::text("", 1),
        Column::number("itself", 2),
        Column::number("saves", 3),
    ]);
    let most = found.shares.iter().map(|share| found.part(share)).fold(0.0, f64::max);
    for share in found.shares.iter().take(MOST_ROWS) {
        let part = found.part(share);
        let scheme = match share.schemes.as_slice() {
            [one] => one.clone(),
            several => format!("{} schemes", several.len()),
        };
        table.row([
            Cell::from(&share.name),
            Cell::from(if share.weights > 1 { thousands(share.weights as u64) } else { String::new() }),
            Cell::from(scheme),
            Cell::from(decibels(found.alone(share))),
            Cell::from(percent(part)),
            Cell::styled(Style::Code, bar(if most > 0.0 { part / most } else { 0.0 }, BAR, terminal.unicode)),
            Cell::from(decibels(share.error.sqnr())),
            Cell::from(if share.after < share.before { size(share.before - share.after) } else { String::new() }),
        ]);
    }
    terminal.text(&table.draw(terminal.width, terminal.paint))?;
    if found.shares.len() > MOST_ROWS {
        terminal.prose(format!("  and {} less sensitive", thousands((found.shares.len() - MOST_ROWS) as u64)))?;
    }
    terminal.prose("")?;
    let all = attempt.error();
    terminal.prose(format!("all together: {}, {}", decibels(all.sqnr()), sizes(attempt.before(), attempt.after())))?;
    left(&attempt.left, terminal)
}
