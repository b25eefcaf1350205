//! Repeated layers as one row: `layers.0.up … layers.3.up` is `layers.{0..3}.up`, where all are alike.

use std::collections::HashMap;
use std::hash::Hash;

/// Names that are alike, shown as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The name, or a glob that matches exactly the names: `layers.{0..3}.up.weight`.
    pub name: String,
    /// The dotted components of the name; the dots in `{0..3}` divide nothing.
    pub components: Vec<String>,
    /// The items, as indices, in their order.
    pub members: Vec<usize>,
}

/// Numbers of a name that are told apart; in names with more, the further ones are text.
const MOST_NUMBERS: usize = 4;

/// A row while it grows: components of the name and the item's likeness as interned numbers.
struct Draft {
    /// One for each dotted component.
    components: Vec<u32>,
    /// The numbers in it, first to last: which component, and what it says.
    numbers: Vec<(usize, u64)>,
    likeness: u32,
    members: Vec<usize>,
}

/// Collapses names that differ only in numbers between dots and whose `likeness` is the same. Rows come in the
/// order of their first members.
pub fn collapse<'a, K: Eq + Hash>(items: impl IntoIterator<Item = (&'a str, K)>) -> Vec<Row> {
    let mut words: HashMap<String, u32> = HashMap::new();
    let mut texts: Vec<String> = Vec::new();
    let mut intern = |word: &str| match words.get(word) {
        Some(&id) => id,
        None => {
            let id = texts.len() as u32;
            words.insert(word.to_string(), id);
            texts.push(word.to_string());
            id
        }
    };
    let mut likenesses: HashMap<K, u32> = HashMap::new();
    let mut rows: Vec<Draft> = Vec::new();
    for (index, (name, likeness)) in items.into_iter().enumerate() {
        let next = likenesses.len() as u32;
        let numbers = name.split('.').enumerate().filter_map(|(at, part)| Some((at, number(part)?)));
        rows.push(Draft {
            numbers: numbers.take(MOST_NUMBERS).collect(),
            components: name.split('.').map(&mut intern).collect(),
            likeness: *likenesses.entry(likeness).or_insert(next),
            members: vec![index],
        });
    }
    // Inner numbers first: experts within a layer, then layers whose experts are alike.
    for nth in (0..MOST_NUMBERS).rev() {
        rows = merge(rows, nth, &mut intern);
    }
    let finish = |row: Draft| {
        let components: Vec<String> = row.components.iter().map(|&id| texts[id as usize].clone()).collect();
        Row { name: components.join("."), components, members: row.members }
    };
    rows.into_iter().map(finish).collect()
}

/// Merges rows that differ in their `nth` number alone.
fn merge(rows: Vec<Draft>, nth: usize, intern: &mut impl FnMut(&str) -> u32) -> Vec<Draft> {
    /// Stands for the number in a key; no table of words is so long.
    const HOLE: u32 = u32::MAX;
    let mut groups: HashMap<(Vec<u32>, u32), usize> = HashMap::new();
    let mut merged: Vec<(Draft, Vec<u64>)> = Vec::with_capacity(rows.len());
    for row in rows {
        let Some(&(at, number)) = row.numbers.get(nth) else {
            merged.push((row, Vec::new()));
            continue;
        };
        let mut key = row.components.clone();
        key[at] = HOLE;
        match groups.get(&(key.clone(), row.likeness)) {
            Some(&index) => {
                let (first, numbers) = &mut merged[index];
                first.members.extend(row.members);
                numbers.push(number);
            }
            None => {
                groups.insert((key, row.likeness), merged.len());
                merged.push((row, vec![number]));
            }
        }
    }
    let finish = |(mut row, mut numbers): (Draft, Vec<u64>)| {
        if numbers.len() > 1 {
            numbers.sort_unstable();
            let at = row.numbers[nth].0;
            row.components[at] = intern(&set(&numbers));
            row.members.sort_unstable();
        }
        row
    };
    merged.into_iter().map(finish).collect()
}

/// The number that a component is, if it is one as layers are numbered: `7`, but neither `07` nor `7b`.
fn number(part: &str) -> Option<u64> {
    let canonical = part.bytes().all(|b| b.is_ascii_digit()) && (part == "0" || !part.starts_with('0'));
    if canonical { part.parse().ok() } else { None }
}

/// `{0..3}`, `{0,1}`, `{0..3,7}` for sorted numbers, as globs write it.
pub fn set(numbers: &[u64]) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut rest = numbers;
    while let [first, ..] = rest {
        let run = (0u64..).zip(rest).take_while(|(i, n)| **n - first == *i).count();
        match run {
            1 | 2 => parts.extend(rest[..run].iter().map(u64::to_string)),
            _ => parts.push(format!("{first}..{}", rest[run - 1])),
        }
        rest = &rest[run..];
    }
    format!("{{{}}}", parts.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(items: &[(&str, u8)]) -> Vec<(String, usize)> {
        let rows = collapse(items.iter().copied());
        rows.into_iter().map(|row| (row.name, row.members.len())).collect()
    }

    #[test]
    fn layers_that_are_alike_are_one_row() {
        let got = rows(&[
            ("embed", 0),
            ("layers.0.up", 1),
            ("layers.0.down", 2),
            ("layers.1.up", 1),
            ("layers.1.down", 2),
            ("layers.2.up", 1),
            ("layers.2.down", 3),
            ("layers.10.up", 1),
        ]);
        let wanted = [("embed", 1), ("layers.{0..2,10}.up", 4), ("layers.{0,1}.down", 2), ("layers.2.down", 1)];
        assert_eq!(got, wanted.map(|(name, n)| (name.to_string(), n)));
    }

    #[test]
    fn numbers_within_numbers() {
        let names: Vec<String> =
            (0..3).flat_map(|layer| (0..8).map(move |expert| format!("layers.{layer}.experts.{expert}.w1"))).collect();
        let got = collapse(names.iter().map(|name| (name.as_str(), ())));
        assert_eq!(got.len(), 1);
        assert_eq!(got[0].name, "layers.{0..2}.experts.{0..7}.w1");
        assert_eq!(got[0].members.len(), 24);
    }

    #[test]
    fn what_is_no_layer_number_stays() {
        assert_eq!(rows(&[("a.00.b", 0), ("a.01.b", 0)]).len(), 2);
        assert_eq!(rows(&[("a.18446744073709551615", 0), ("a.99999999999999999999", 0)]).len(), 2);
        assert_eq!(set(&[3, 4, 9]), "{3,4,9}");
    }
}
