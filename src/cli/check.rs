//! `bitmill check`

use std::collections::HashSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::args::{CheckArgs, Deny, Format};
use super::failure::{Failure, error};
use super::{Exit, edit, is_stdin, read, recipes, watch};
use crate::check::report::{self, Checked, Failed};
use crate::check::{Finding, words};
use crate::draw::difference;
use crate::draw::findings::{Artist, summary};
use crate::draw::terminal::{Painter, Style, Terminal, clean};
use crate::project::{Counts, Disk, Mended, Project, mend_all};
use crate::recipe::Loader;

/// Findings that are drawn; more are only counted.
const MOST_DRAWN: usize = 200;

pub fn run(args: &CheckArgs, terminal: &mut Terminal) -> Result<Exit, Failure> {
    if args.unsafe_fixes && !args.fix && !args.diff {
        return Err(Failure::usage("--unsafe-fixes needs --fix or --diff", "add one of them"));
    }
    let recipes = recipes(&args.recipes)?;
    if recipes.iter().filter(|path| is_stdin(path)).count() > 1 {
        return Err(Failure::usage("standard input can be read only once", "name `-` once"));
    }
    if args.watch {
        return watch::run(args, &recipes, terminal);
    }
    if args.diff {
        return show_diffs(args, &recipes, terminal);
    }
    let round = Round::new(args, &recipes, terminal, args.fix)?;
    round.show(args, terminal)?;
    Ok(round.exit(args))
}

/// Every recipe checked once.
#[derive(Debug, Default)]
pub struct Round {
    /// Those that could be read.
    pub projects: Vec<Project>,
    /// Those that could not, with what to do.
    failed: Vec<(Failed, Option<String>)>,
    /// What `--fix` did, by recipe.
    mended: Vec<(PathBuf, Vec<String>)>,
    /// Whether a text went to standard output, so that findings must go elsewhere.
    out_taken: bool,
}

impl Round {
    /// Checks recipes, after mending them if that is asked for.
    pub fn new(args: &CheckArgs, paths: &[PathBuf], terminal: &mut Terminal, fix: bool) -> Result<Round, Failure> {
        let mut round = Round::default();
        let given = args.project.given();
        let (mut named, mut texts) = (Vec::new(), Vec::new());
        for path in paths {
            match read(path) {
                Ok(read) => {
                    named.push(path);
                    texts.push(read);
                }
                Err(error) => round.fail(path, error.into()),
            }
        }
        if fix {
            let mut after = vec![None; texts.len()];
            mend_all(&texts, &given, args.unsafe_fixes, |index, before, mended| {
                let is_kept = round.keep(named[index], &texts[index].0, before, &mended, terminal)?;
                after[index] = Some(if is_kept { mended.text } else { before.to_owned() });
                Ok::<bool, Failure>(is_kept)
            })?;
            for ((_, text), after) in texts.iter_mut().zip(after) {
                if let Some(after) = after {
                    *text = after;
                }
            }
            let place = |shown: &Path| texts.iter().position(|(known, _)| known == shown);
            round.mended.sort_by_key(|(shown, _)| place(shown));
        }
        // When all are mended: one may import another.
        for (shown, text) in texts {
            match Project::with_text(&shown, &text, &Disk, &given) {
                Ok(project) => round.projects.push(project),
                // The model is one for all recipes.
                Err(error) => return Err(error.into()),
            }
        }
        Ok(round)
    }

    fn fail(&mut self, path: &Path, failure: Failure) {
        let (message, help) = match failure {
            Failure::Usage { message, help } | Failure::Broken { message, help } | Failure::Unmet { message, help } => {
                (message, help)
            }
            Failure::Stopped(message) => (message, None),
            Failure::Output(error) => (error.to_string(), None),
        };
        self.failed.push((Failed { path: path.to_path_buf(), message }, help));
    }

    /// Writes a mended text back; whether that went well.
    fn keep(
        &mut self,
        path: &Path,
        shown: &Path,
        before: &str,
        mended: &Mended,
        terminal: &mut Terminal,
    ) -> Result<bool, Failure> {
        if is_stdin(path) {
            terminal.text(&mended.text)?;
            self.out_taken = true;
        } else if mended.text != before
            && let Err(failure) = edit::replace(path, before, &mended.text)
        {
            self.fail(path, failure);
            return Ok(false);
        }
        note_unfinished(shown, mended, terminal);
        if !mended.applied.is_empty() {
            self.mended.push((shown.to_path_buf(), mended.applied.clone()));
        }
        Ok(true)
    }

    /// Shows everything in the format that was asked for.
    pub fn show(&self, args: &CheckArgs, terminal: &mut Terminal) -> Result<(), Failure> {
        for (failed, help) in &self.failed {
            error(terminal, &failed.message, help.as_deref());
        }
        let failed: Vec<Failed> = self.failed.iter().map(|(failed, _)| failed.clone()).collect();
        let checked = self.checked();
        let text = match args.format {
            Format::Text => return self.draw(&checked, terminal),
            Format::Json => crate::json::text(&report::Document::new(&checked, &failed)),
            Format::Sarif => crate::json::text(&report::sarif(&checked, &failed)),
            Format::Github => report::github(&checked, &failed),
        };
        self.put(terminal, &text)
    }

    fn put(&self, terminal: &mut Terminal, text: &str) -> Result<(), Failure> {
        if self.out_taken {
            terminal.note(text.trim_end());
        } else {
            terminal.text(text)?;
        }
        Ok(())
    }

    /// The recipes with their findings, each finding once.
    fn checked(&self) -> Vec<Checked<'_>> {
        let of = |project| {
            let project: &Project = project;
            Checked { path: &project.path, recipe: project.recipe(), findings: project.findings().iter().collect() }
        };
        let mut checked: Vec<Checked> = self.projects.iter().map(of).collect();
        if checked.len() > 1 {
            report::distinct(&mut checked, |path| Disk.canonical(path));
        }
        checked
    }

    fn draw(&self, checked: &[Checked], terminal: &mut Terminal) -> Result<(), Failure> {
        let paint = if self.out_taken { terminal.paint_err } else { terminal.paint };
        let mut text = String::new();
        for (path, applied) in &self.mended {
            let done = words::counted(applied.len(), "fix", "fixes");
            _ = writeln!(text, "{}: {done} applied", path.display());
            let mut told = HashSet::new();
            for title in applied.iter().filter(|title| told.insert(title.as_str())) {
                _ = writeln!(text, "  {}", paint.put(Style::Good, crate::draw::terminal::clean(title)));
            }
            text.push('\n');
        }
        self.put(terminal, &text)?;
        let mut left = MOST_DRAWN;
        for one in checked.iter().filter(|one| !one.findings.is_empty()) {
            let artist = Artist::new(&one.recipe.sources, terminal, paint);
            for finding in one.findings.iter().take(left) {
                self.put(terminal, &format!("{}{}", artist.draw(finding), if self.out_taken { "\n" } else { "" }))?;
            }
            left -= left.min(one.findings.len());
        }
        let all: Vec<&Finding> = checked.iter().flat_map(|one| one.findings.iter().copied()).collect();
        if all.len() > MOST_DRAWN {
            let more = format!("… and {} more: `--format json` has them all\n", all.len() - MOST_DRAWN);
            self.put(terminal, &more)?;
        }
        let many = if checked.len() == 1 { String::new() } else { format!("{} recipes: ", checked.len()) };
        let line = format!("{many}{}\n", summary(&Counts::of(all), paint));
        if !checked.is_empty() {
            self.put(terminal, &line)?;
        }
        Ok(())
    }

    /// The exit status.
    pub fn exit(&self, args: &CheckArgs) -> Exit {
        let counts = Counts::of(self.projects.iter().flat_map(|project| project.findings()));
        let denied = match args.deny {
            None => 0,
            Some(Deny::Warnings) => counts.warnings,
            Some(Deny::Hints) => counts.warnings + counts.hints,
        };
        if !self.failed.is_empty() {
            Exit::Broken
        } else if counts.errors + denied > 0 {
            Exit::Findings
        } else {
            Exit::Fine
        }
    }
}

/// Says of a recipe that fixes are left, where mending was given up.
fn note_unfinished(shown: &Path, mended: &Mended, terminal: &mut Terminal) {
    if let Some(why) = mended.unfinished {
        terminal.note(clean(&format!("{}: {}", shown.display(), why.words())));
    }
}

/// `--diff`: what `--fix` would change. Exits with 1 if something would, or if errors would remain.
fn show_diffs(args: &CheckArgs, paths: &[PathBuf], terminal: &mut Terminal) -> Result<Exit, Failure> {
    let round = Round::new(args, paths, terminal, false)?;
    for (failed, help) in &round.failed {
        error(terminal, &failed.message, help.as_deref());
    }
    let texts: Vec<(PathBuf, String)> =
        round.projects.iter().map(|project| (project.path.clone(), project.text().to_string())).collect();
    let mut diffs = vec![None; texts.len()];
    mend_all(&texts, &args.project.given(), args.unsafe_fixes, |index, before, mended| {
        diffs[index] = Some((before.to_owned(), mended));
        Ok::<bool, Failure>(true)
    })?;
    let mut changes = 0;
    for ((path, _), (before, mended)) in texts.iter().zip(diffs.iter().flatten()) {
        note_unfinished(path, mended, terminal);
        if mended.text != *before {
            changes += mended.applied.len();
            terminal.text(&difference::unified(path, before, &mended.text, terminal.paint))?;
        }
    }
    let counts = Counts::of(round.projects.iter().flat_map(|project| project.findings()));
    let paint = terminal.paint_err;
    let would = words::counted(changes, "fix", "fixes");
    terminal.note(format!("{}; {would} would be applied", summary(&counts.without_fixes(), paint)));
    let exit = round.exit(args);
    Ok(if exit == Exit::Fine && changes > 0 { Exit::Findings } else { exit })
}

/// Draws the errors of a project on standard error, for commands that are about something else, and says what
/// else was found. Whether there are errors.
pub fn draw_errors(project: &Project, terminal: &mut Terminal) -> bool {
    let counts = Counts::of(project.findings());
    let paint: Painter = terminal.paint_err;
    let errors = project.findings().iter().filter(|finding| finding.severity == crate::check::Severity::Error);
    if counts.errors > 0 {
        let artist = Artist::new(&project.recipe().sources, terminal, paint);
        for finding in errors.take(MOST_DRAWN) {
            terminal.note(artist.draw(finding));
        }
    }
    if counts.errors + counts.warnings > 0 {
        let line = summary(&Counts { hints: 0, ..counts.without_fixes() }, paint);
        terminal.note(format!("{line}: `bitmill check` has more"));
    }
    counts.errors > 0
}
