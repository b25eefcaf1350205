//! The nearest of some words to one that is misspelt, for "did you mean".

use std::fs;
use std::path::Path;

/// Files of a directory that are looked at; one with more holds no few names to choose from.
const MOST_FILES: usize = 10_000;

/// The name beside a missing file that is nearest to its own.
pub fn nearest_beside(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let directory = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    let entries = fs::read_dir(directory).ok()?.take(MOST_FILES);
    let names: Vec<String> = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    nearest(name, names.iter().map(String::as_str)).map(str::to_string)
}

/// Words longer than this are no typing mistakes of anything.
const LONGEST: usize = 120;

/// The candidate that `word` most likely means, or `None` when none is near.
///
/// Case is ignored. Near is at most one mistake (a letter too much, missing, wrong, or two swapped) in three
/// letters, and never more than six; words of one or two letters must be equal but for case. Of candidates
/// equally near, the one that begins most like `word` wins, then the first.
///
/// ```
/// use bitmill::nearest::nearest;
/// assert_eq!(nearest("targt", ["model", "target"]), Some("target"));
/// assert_eq!(nearest("banana", ["model", "target"]), None);
/// ```
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = word.to_lowercase();
    let length = wanted.chars().count();
    if length == 0 || length > LONGEST {
        return None;
    }
    let mut best: Option<(&str, (usize, usize))> = None;
    for candidate in candidates {
        let candidate_length = candidate.chars().count();
        let limit = limit(length, candidate_length);
        if candidate_length > LONGEST || length.abs_diff(candidate_length) > limit {
            continue;
        }
        let folded = candidate.to_lowercase();
        let distance = strsim::osa_distance(&wanted, &folded);
        // Smaller is better in both places.
        let rank = (distance, usize::MAX - common_prefix(&wanted, &folded));
        if distance <= limit && best.is_none_or(|(_, so_far)| rank < so_far) {
            best = Some((candidate, rank));
        }
    }
    best.map(|(candidate, _)| candidate)
}

/// How many mistakes are still a misspelling, for words of these many letters.
fn limit(word: usize, candidate: usize) -> usize {
    if word.min(candidate) < 3 {
        return 0;
    }
    (word.max(candidate) / 3).min(6)
}

fn common_prefix(a: &str, b: &str) -> usize {
    a.chars().zip(b.chars()).take_while(|(x, y)| x == y).count()
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_what_was_meant() {
        let words = ["target", "model", "threshold", "calibrate", "all", "conv2d", "conv3d"];
        for (typed, meant) in [
            ("targt", Some("target")),
            ("TARGET", Some("target")),
            ("taregt", Some("target")),
            ("mdoel", Some("model")),
            ("treshhold", Some("threshold")),
            ("al", None),
            ("alll", Some("all")),
            ("conv2", Some("conv2d")),
            ("linear", None),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(nearest(typed, words), meant, "{typed}");
        }
    }

    #[test]
    fn short_words_only_differ_in_case() {
        assert_eq!(nearest("mb", ["kB", "MB"]), Some("MB"));
        assert_eq!(nearest("g", ["k", "M"]), None);
    }

    #[test]
    fn very_long_words_are_near_to_nothing() {
        let long = "x".repeat(1 << 20);
        assert_eq!(nearest(&long, [long.as_str()]), None);
    }
}
