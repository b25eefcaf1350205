//! `bitmill presets`

use super::args::PresetsArgs;
use super::failure::Failure;
use super::{Exit, unknown};
use crate::draw::markdown;
use crate::draw::table::{Cell, Column, Table};
use crate::draw::terminal::{Style, Terminal};
use crate::glossary;
use crate::json;
use crate::nearest::nearest;
use crate::recipe::preset::{PRESETS, Preset};

pub fn run(args: &PresetsArgs, terminal: &mut Terminal) -> Result<Exit, Failure> {
    match &args.name {
        Some(name) => {
            let preset = by_name(name)?;
            let text = match args.json {
                true => json::text(&json::PresetShape::new(preset)),
                false => markdown::render(&glossary::preset_page(preset), terminal),
            };
            terminal.text(&text)?;
        }
        None if args.json => terminal.text(&json::text(&json::PresetsShape::new(PRESETS)))?,
        None => {
            let columns = [Column::text("preset", 0), Column::text("target", 1), Column::text("what it does", 0)];
            let mut table = Table::new(&columns);
            for preset in PRESETS {
                table.row([
                    Cell::styled(Style::Plain, preset.name),
                    Cell::styled(Style::Plain, preset.target.unwrap_or("any")),
                    Cell::styled(Style::Plain, preset.title),
                ]);
            }
            let text = table.draw(terminal.width, terminal.paint);
            terminal.text(&text)?;
        }
    }
    Ok(Exit::Fine)
}

/// The preset of a name that the command line gives.
pub fn by_name(name: &str) -> Result<&'static Preset, Failure> {
    let near = || nearest(name, PRESETS.iter().map(|preset| preset.name));
    Preset::by_name(name).ok_or_else(|| unknown("preset", name, near(), "`bitmill presets` lists them"))
}
