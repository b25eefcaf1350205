//! Computations that can be stopped at any instant: on a thread of their own, which the prompt does not wait for.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::draw::terminal::clean;
use crate::ide::Cancel;
use crate::run::Progress;
use crate::session::{Answer, Failure, Outcome, State, Work};

/// So often it is looked whether somebody wants to stop.
const LOOK: Duration = Duration::from_millis(2);
/// So long a computation may take to stop by itself before the prompt goes on without it.
const GRACE: Duration = Duration::from_millis(20);
/// Work that takes longer gets a bar.
const PATIENCE: Duration = Duration::from_millis(150);

/// What a line does to a state.
pub type Evaluate = fn(&State, &str, Work) -> Answer;

/// Does work on another thread until it is done or somebody sets the flag. What was stopped changes nothing here: the
/// thread sees the flag soon, and its answer is dropped.
pub fn work(state: &State, text: &str, evaluate: Evaluate, interrupted: &AtomicBool, unicode: bool) -> Answer {
    let cancel = Cancel::default();
    let bar = Arc::new(Bar::new(unicode));
    let (sender, answers) = mpsc::channel();
    let (of_thread, told, state, text) = (cancel.clone(), Arc::clone(&bar), state.clone(), text.to_string());
    let spawned = thread::Builder::new().name("evaluate".to_string()).stack_size(STACK).spawn(move || {
        let work = Work { cancel: &of_thread, progress: &*told };
        // Nobody listens any more once the prompt went on.
        let _ = sender.send(evaluate(&state, &text, work));
    });
    if let Err(error) = spawned {
        let failure = Failure::new(format!("no thread can be started: {error}"));
        return Answer { state: None, outcome: Outcome::Failed(failure) };
    }
    let begun = Instant::now();
    let mut stopping: Option<Instant> = None;
    let answer = loop {
        match answers.recv_timeout(LOOK) {
            Ok(answer) => break Some(answer),
            Err(RecvTimeoutError::Disconnected) => break None,
            Err(RecvTimeoutError::Timeout) => {}
        }
        if stopping.is_none() && interrupted.load(Ordering::Relaxed) {
            cancel.cancel();
            stopping = Some(Instant::now());
        }
        if stopping.is_some_and(|since| since.elapsed() > GRACE) {
            bar.finish();
            return Answer { state: None, outcome: Outcome::Stopped };
        }
        if begun.elapsed() > PATIENCE && stopping.is_none() {
            bar.show();
        }
    };
    bar.finish();
    answer.unwrap_or_else(|| {
        let failure = Failure::new("this is a defect of bitmill: the computation ended without an answer");
        Answer { state: None, outcome: Outcome::Failed(failure.help("the recipe is as it was; please report it")) }
    })
}

/// As much as a main thread has: parsers and trees were made for that.
const STACK: usize = 8 << 20;

/// A bar that appears once work takes long.
#[derive(Debug)]
struct Bar {
    bar: Mutex<Option<ProgressBar>>,
    unicode: bool,
}

impl Bar {
    fn new(unicode: bool) -> Bar {
        Bar { bar: Mutex::new(None), unicode }
    }

    fn with(&self, action: impl FnOnce(&ProgressBar)) {
        if let Some(bar) = &*self.bar.lock().unwrap_or_else(PoisonError::into_inner) {
            action(bar);
        }
    }

    fn show(&self) {
        self.with(|bar| {
            if bar.is_hidden() {
                bar.set_draw_target(ProgressDrawTarget::stderr());
            }
            bar.tick();
        });
    }

    /// Removes it; what is still told afterwards is not shown.
    fn finish(&self) {
        if let Some(bar) = self.bar.lock().unwrap_or_else(PoisonError::into_inner).take() {
            bar.finish_and_clear();
        }
    }
}

/// Columns of a bar with the counts behind it, and with what Ctrl-C is echoed as: a line that is full would break there,
/// and then another one than the bar's would be cleared.
const BAR_COLUMNS: usize = 30;
const BESIDE_BAR: usize = 44;

impl Progress for Bar {
    fn begin(&self, bytes: u64) {
        let columns = terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0));
        let bar = BAR_COLUMNS.min(columns.saturating_sub(BESIDE_BAR)).max(4);
        let template = format!("{{bar:{bar}}} {{bytes}}/{{total_bytes}}  Ctrl-C stops  {{msg}}");
        let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let style = style.progress_chars(if self.unicode { "█▌ " } else { "=> " });
        let mut slot = self.bar.lock().unwrap_or_else(PoisonError::into_inner);
        match &*slot {
            // Each scheme of a sweep is a pass of its own.
            Some(bar) => bar.inc_length(bytes),
            None => {
                *slot = Some(ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::hidden()).with_style(style))
            }
        }
    }

    fn done(&self, name: &str, bytes: u64) {
        let columns = terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0));
        let room = columns.saturating_sub(BAR_COLUMNS + BESIDE_BAR);
        self.with(|bar| {
            bar.inc(bytes);
            bar.set_message(clean(name).chars().take(room).collect::<String>());
        });
    }
}
