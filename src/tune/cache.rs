//! What was measured, kept in a file: a search that was stopped goes on where it was, and one with another budget has
//! nothing to measure. Results are for one model, its settings and its data; those of others are never taken.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::formats::output::{Destination, OutputError, PartialFile};
use crate::words::shown;

/// Most bytes of a file that is read: more is none of ours.
const LARGEST: u64 = 256 << 20;
/// What is written has changed meaning when this changes.
const FORMAT: u32 = 1;
/// How often a file is written while measuring goes on.
const EVERY: Duration = Duration::from_secs(2);

/// Signal and noise.
pub type Powers = Vec<(f64, f64)>;

/// What a result is about: what was measured, of which weight, with which scheme.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct About {
    /// What was measured: `weight` or `outputs`.
    pub of: String,
    /// The weight's name.
    pub weight: String,
    /// The scheme in its canonical spelling.
    pub scheme: String,
}

/// Results, and the file that keeps them.
#[derive(Debug)]
pub struct Cache {
    path: Option<PathBuf>,
    key: String,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    results: BTreeMap<About, Powers>,
    /// How many came from the file.
    found: usize,
    is_saved: bool,
    saved: Instant,
}

/// The file.
#[derive(Debug, Serialize, Deserialize)]
struct Document {
    /// Says what the file is.
    bitmill_tune: u32,
    /// What the results are about.
    key: String,
    /// The SHA-256 of the results.
    check: String,
    results: Vec<Entry>,
}

/// A result. Numbers as the bits of binary64: infinities survive, and every bit.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    #[serde(flatten)]
    about: About,
    powers: Vec<(String, String)>,
}

/// What results depend on, hashed.
#[derive(Debug, Clone, Default)]
pub struct Key(Sha256);

impl Key {
    /// Adds a setting.
    pub fn word(&mut self, name: &str, value: &str) {
        for part in [name, value] {
            self.0.update((part.len() as u64).to_le_bytes());
            self.0.update(part);
        }
    }

    /// Adds the content of a file.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn file(&mut self, path: &Path) -> io::Result<()> {
        let mut file = BufReader::with_capacity(1 << 20, File::open(path)?);
        let mut length = 0;
        loop {
            let read = match file.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            if read.is_empty() {
                break;
            }
            self.0.update(read);
            let bytes = read.len();
            length += bytes as u64;
            file.consume(bytes);
        }
        self.word("length", &length.to_string());
        Ok(())
    }

    /// The key in hexadecimal digits.
    pub fn digest(self) -> String {
        hex(&self.0.finalize())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Cache {
    /// Whether a file is there that was never written here: something else that is named by mistake must not be lost.
    pub fn is_foreign(path: &Path) -> bool {
        let mut head = Vec::new();
        let read = File::open(path).and_then(|file| file.take(64).read_to_end(&mut head));
        read.is_ok_and(|read| read > 0) && !String::from_utf8_lossy(&head).contains("\"bitmill_tune\"")
    }

    /// Results for a key: those that a file holds, if it is named. A file that is damaged, or is about something else, is
    /// not used, and what is told then says why; it is written anew.
    pub fn open(path: Option<PathBuf>, key: String, fresh: bool) -> (Cache, Option<String>) {
        let read = path.as_deref().filter(|_| !fresh).map(|path| read(path, &key));
        let (results, note) = match (read, &path) {
            (None | Some(Ok(None)), _) | (_, None) => (BTreeMap::new(), None),
            (Some(Ok(Some(results))), _) => (results, None),
            (Some(Err(why)), Some(path)) => {
                let path = shown(&path.display().to_string());
                (BTreeMap::new(), Some(format!("{path}: {why}; everything is measured anew")))
            }
        };
        let state = State { found: results.len(), results, is_saved: true, saved: Instant::now() };
        (Cache { path, key, state: Mutex::new(state) }, note)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// A result, if it is known.
    pub fn get(&self, about: &About) -> Option<Powers> {
        self.state().results.get(about).cloned()
    }

    /// Keeps a result. From time to time the file is written; that it cannot be is told in the end.
    pub fn put(&self, about: About, powers: Powers) {
        let mut state = self.state();
        state.results.insert(about, powers);
        state.is_saved = false;
        if state.saved.elapsed() >= EVERY {
            state.saved = Instant::now();
            if self.write(&state.results).is_ok() {
                state.is_saved = true;
            }
        }
    }

    /// How many results there are.
    pub fn results(&self) -> usize {
        self.state().results.len()
    }

    /// How many results the file had.
    pub fn found(&self) -> usize {
        self.state().found
    }

    /// Where results are kept.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Writes the file, whole or not at all, if there is something new.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn save(&self) -> Result<(), OutputError> {
        let mut state = self.state();
        if !state.is_saved {
            self.write(&state.results)?;
            state.is_saved = true;
        }
        Ok(())
    }

    fn write(&self, results: &BTreeMap<About, Powers>) -> Result<(), OutputError> {
        let Some(path) = &self.path else { return Ok(()) };
        let bits = |value: &f64| format!("{:016x}", value.to_bits());
        let results: Vec<Entry> = results
            .iter()
            .map(|(about, powers)| Entry {
                about: about.clone(),
                powers: powers.iter().map(|(signal, noise)| (bits(signal), bits(noise))).collect(),
            })
            .collect();
        let document =
            Document { bitmill_tune: FORMAT, key: self.key.clone(), check: checked(&self.key, &results), results };
        let io = |error: io::Error| OutputError::from_io(path, error);
        let text = serde_json::to_vec_pretty(&document).map_err(|error| io(error.into()))?;
        let mut file = PartialFile::create(&Destination { path, overwrite: true, inputs: &[] })?;
        file.write_all(&text).map_err(io)?;
        file.commit()
    }
}

/// The sum that tells damage.
fn checked(key: &str, results: &[Entry]) -> String {
    let mut hash = Key::default();
    hash.word("key", key);
    for Entry { about, powers } in results {
        hash.word(&about.of, &about.weight);
        hash.word("scheme", &about.scheme);
        for (signal, noise) in powers {
            hash.word(signal, noise);
        }
    }
    hash.digest()
}

/// The results of a file; `None` where there is none. The error says what is wrong with it.
fn read(path: &Path, key: &str) -> Result<Option<BTreeMap<About, Powers>>, String> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("cannot be read: {error}")),
    };
    // A pipe would never end, and a device never be long enough.
    if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
        return Err("is no file".to_owned());
    }
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() as u64 > LARGEST {
        return Err("is larger than any file of results".to_owned());
    }
    let damaged = || "is damaged".to_owned();
    let document: Document = serde_json::from_slice(&bytes).map_err(|_| damaged())?;
    if document.bitmill_tune != FORMAT {
        return Err("was written by another version".to_owned());
    }
    if document.key != key {
        return Err("holds results of another model, other data or other settings".to_owned());
    }
    if document.check != checked(key, &document.results) {
        return Err(damaged());
    }
    let number = |text: &str| u64::from_str_radix(text, 16).ok().map(f64::from_bits);
    let mut results = BTreeMap::new();
    for Entry { about, powers } in document.results {
        let powers = powers.iter().map(|(signal, noise)| Some((number(signal)?, number(noise)?)));
        results.insert(about, powers.collect::<Option<Powers>>().ok_or_else(damaged)?);
    }
    Ok(Some(results))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(weight: &str) -> About {
        About { of: "weight".to_owned(), weight: weight.to_owned(), scheme: "int4 per-group(32)".to_owned() }
    }

    #[test]
    fn results_come_back_bit_for_bit() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("results.json");
        let (cache, note) = Cache::open(Some(path.clone()), "key".to_owned(), false);
        assert_eq!((note, cache.found()), (None, 0));
        let powers = vec![(0.1 + 0.2, f64::INFINITY), (1e-310, 7.0)];
        cache.put(about("a"), powers.clone());
        cache.save().unwrap();
        let (again, note) = Cache::open(Some(path.clone()), "key".to_owned(), false);
        assert_eq!((note, again.found(), again.get(&about("a"))), (None, 1, Some(powers)));
        assert_eq!(again.get(&about("b")), None);
        let (fresh, note) = Cache::open(Some(path), "key".to_owned(), true);
        assert_eq!((note, fresh.found()), (None, 0));
    }

    #[test]
    fn what_is_damaged_or_about_something_else_is_not_taken() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("results.json");
        let (cache, _) = Cache::open(Some(path.clone()), "key".to_owned(), false);
        cache.put(about("a"), vec![(1.0, 0.5)]);
        cache.save().unwrap();
        let good = std::fs::read_to_string(&path).unwrap();
        let refused = |text: &str, key: &str, why: &str| {
            std::fs::write(&path, text).unwrap();
            let (cache, note) = Cache::open(Some(path.clone()), key.to_owned(), false);
            assert!(note.as_ref().is_some_and(|note| note.contains(why)), "{note:?}");
            assert_eq!((cache.found(), cache.get(&about("a"))), (0, None));
        };
        refused(&good, "other", "of another model");
        refused(&good.replace("3ff0000000000000", "3ff0000000000001"), "key", "is damaged");
        refused(&good[..good.len() / 2], "key", "is damaged");
        refused("", "key", "is damaged");
        refused(&"[".repeat(100_000), "key", "is damaged");
        refused(&good.replacen(": 1", ": 2", 1), "key", "another version");
        assert!(!Cache::is_foreign(&path) && !Cache::is_foreign(&directory.path().join("none")));
        std::fs::write(&path, "a model").unwrap();
        assert!(Cache::is_foreign(&path));
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        let (_, note) = Cache::open(Some(path), "key".to_owned(), false);
        assert!(note.is_some());
    }
}
