//! What is told of work while it goes on: a bar, where somebody looks at it.

use std::io::{IsTerminal, stderr};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::terminal::Terminal;
use crate::run::{Progress, Quiet};

/// Does work with a bar on standard error; without one where that is no terminal, or the output is for programs.
pub fn watched<T>(terminal: &Terminal, quiet: bool, work: impl FnOnce(&dyn Progress) -> T) -> T {
    if quiet || !stderr().is_terminal() {
        return work(&Quiet);
    }
    let bar = Bar::new(terminal);
    let done = work(&bar);
    bar.0.finish_and_clear();
    done
}

/// A bar with rate and remaining time.
struct Bar(ProgressBar);

impl Bar {
    fn new(terminal: &Terminal) -> Bar {
        let template = "{bar:30} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left  {wide_msg}";
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let style = style.progress_chars(if terminal.unicode { "█▌ " } else { "=> " });
        let bar = ProgressBar::hidden().with_style(style);
        Bar(bar)
    }
}

impl Progress for Bar {
    fn begin(&self, bytes: u64) {
        self.0.set_draw_target(indicatif::ProgressDrawTarget::stderr());
        self.0.set_length(bytes);
        self.0.reset();
        self.0.enable_steady_tick(Duration::from_millis(200));
    }

    fn done(&self, name: &str, bytes: u64) {
        self.0.inc(bytes);
        self.0.set_message(super::terminal::clean(name).into_owned());
    }
}
