//! The log of a server: a file that the user names. Standard output belongs to the protocol.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Writes lines to a file, or nowhere.
#[derive(Debug)]
pub struct Log {
    file: Option<Mutex<File>>,
    begun: Instant,
}

impl Default for Log {
    fn default() -> Self {
        Log { file: None, begun: Instant::now() }
    }
}

impl Log {
    /// Adds to a file.
    pub fn new(path: Option<&Path>) -> std::io::Result<Log> {
        let file = path.map(|path| OpenOptions::new().create(true).append(true).open(path)).transpose()?;
        Ok(Log { file: file.map(Mutex::new), ..Log::default() })
    }

    /// Adds a line, with the seconds since the server began. A full disk must not end a server.
    pub fn line(&self, text: &str) {
        if let Some(file) = &self.file {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            _ = writeln!(file, "[{:10.3}] {text}", self.begun.elapsed().as_secs_f64());
        }
    }
}
