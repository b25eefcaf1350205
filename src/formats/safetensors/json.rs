//! The JSON of a header, read in one pass without a tree: typed, so that depth is bounded by the types, and with
//! the name of the tensor at hand when something is wrong.

use std::fmt;

use rayon::prelude::*;
use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::error::Fault;
use super::{DtypeName, MAX_RANK};

/// What a header says, unchecked.
#[derive(Default)]
pub(super) struct Contents {
    /// `__metadata__`, in the order of the file.
    pub metadata: Vec<(String, String)>,
    /// Whether there is one.
    has_metadata: bool,
    /// The tensors, in the order of the file.
    pub entries: Vec<Entry>,
}

/// One tensor as the header has it, before its numbers are trusted.
pub(super) struct Entry {
    pub name: String,
    pub dtype: DtypeName,
    pub shape: Vec<usize>,
    /// From the start of the data.
    pub begin: u64,
    pub end: u64,
}

/// Where and why a header's JSON is not understood.
pub(super) struct JsonError {
    /// The tensor whose entry it is in.
    pub tensor: Option<String>,
    /// The byte, from the start of the JSON.
    pub at: u64,
    pub fault: Fault,
}

/// The key that is no tensor.
pub(super) const METADATA: &str = "__metadata__";

/// Bytes from which on a header is read by several threads.
const LARGE: usize = 1 << 20;

/// Parses a header.
pub(super) fn parse(json: &[u8]) -> Result<Contents, JsonError> {
    let parts = 2 * rayon::current_num_threads();
    let in_parts = |cut: Cut| if json.len() < LARGE { None } else { parse_parts(json, cut, parts) };
    // What is wrong, and where, is told by who reads it as a whole.
    in_parts(guess).or_else(|| in_parts(cut)).map_or_else(|| parse_whole(json), Ok)
}

/// A way to cut the members of the outermost object into pieces of at least so many bytes, without the commas between
/// them; `None` where there are not several.
type Cut = fn(&[u8], usize) -> Option<Vec<&[u8]>>;

/// Parses a header in about so many parts, side by side; `None` where something is wrong, or there is only one.
fn parse_parts(json: &[u8], cut: Cut, wanted: usize) -> Option<Contents> {
    let parts = cut(json, json.len() / wanted.max(1))?;
    let read = |part: &&[u8]| {
        let mut whole = Vec::with_capacity(part.len() + 2);
        whole.push(b'{');
        whole.extend_from_slice(part);
        whole.push(b'}');
        parse_whole(&whole).ok()
    };
    let read: Vec<Contents> = parts.par_iter().map(read).collect::<Option<_>>()?;
    let mut all = Contents::default();
    for part in read {
        if part.has_metadata && std::mem::replace(&mut all.has_metadata, true) {
            return None;
        }
        all.metadata.extend(part.metadata);
        all.entries.extend(part.entries);
    }
    Some(all)
}

/// Cuts wherever a bracket is closed before a comma, without reading what lies between. A place within a member or a
/// string leaves a piece before it that is no JSON, since it opens what it does not close: so where every piece can be
/// parsed, every cut was right.
fn guess(json: &[u8], least: usize) -> Option<Vec<&[u8]>> {
    let end = json.iter().rposition(|byte| !byte.is_ascii_whitespace()).filter(|end| json[*end] == b'}')?;
    let mut rest = json.get(1..end)?;
    let mut parts = Vec::new();
    while let Some(at) = rest.get(least.max(1)..).and_then(|late| memchr::memmem::find(late, b"},")) {
        let (part, behind) = rest.split_at(least.max(1) + at + 1);
        parts.push(part);
        rest = &behind[1..];
    }
    parts.push(rest);
    let is_filled = |part: &&[u8]| !part.iter().all(u8::is_ascii_whitespace);
    (json.first() == Some(&b'{') && parts.len() > 1 && parts.iter().all(is_filled)).then_some(parts)
}

/// Cuts where members end, told by their brackets and strings; `None` also where brackets do not match.
fn cut(json: &[u8], least: usize) -> Option<Vec<&[u8]>> {
    let mut parts = Vec::new();
    let (mut depth, mut start, mut at) = (0usize, 1, 0);
    loop {
        at += memchr::memchr3(b'"', b'{', b'}', json.get(at..)?)?;
        match json[at] {
            b'"' => {
                at = string_end(json, at)?;
                continue;
            }
            b'{' => depth += 1,
            _ => depth = depth.checked_sub(1)?,
        }
        at += 1;
        if depth == 0 {
            break;
        }
        if depth == 1 && json[at - 1] == b'}' && at - start >= least {
            let behind = json[at..].iter().position(|byte| !byte.is_ascii_whitespace())?;
            if json[at + behind] == b',' {
                parts.push(json.get(start..at)?);
                start = at + behind + 1;
                at = start;
            }
        }
    }
    parts.push(json.get(start..at - 1)?);
    let is_rest_blank = json[at..].iter().all(u8::is_ascii_whitespace);
    let is_filled = |part: &&[u8]| !part.iter().all(u8::is_ascii_whitespace);
    (json.first() == Some(&b'{') && is_rest_blank && parts.len() > 1 && parts.iter().all(is_filled)).then_some(parts)
}

/// Parses a header from the beginning to the end.
fn parse_whole(json: &[u8]) -> Result<Contents, JsonError> {
    let mut contents = Contents::default();
    let mut current = None;
    let mut parser = serde_json::Deserializer::from_slice(json);
    let top = Top { contents: &mut contents, current: &mut current };
    let parsed = top.deserialize(&mut parser).and_then(|()| parser.end());
    match parsed {
        Ok(()) => Ok(contents),
        Err(error) => Err(JsonError {
            tensor: current,
            at: offset_of(json, error.line(), error.column()),
            fault: Fault::Json(without_position(&error)),
        }),
    }
}

/// Where an entry begins in a header: the `nth` place where the name is the key of an object. Found by text, so
/// `None` where the header writes the name with other escapes than usual. One pass over the header's strings, whatever
/// they hold: names may be as long as headers.
pub(super) fn place_of(json: &[u8], name: &str, nth: usize) -> Option<usize> {
    let key = serde_json::to_string(name).ok()?.into_bytes();
    let is_key = |end: usize| {
        let mut rest = json[end..].iter().filter(|b| !b.is_ascii_whitespace());
        rest.next() == Some(&b':') && rest.next() == Some(&b'{')
    };
    let mut left = nth;
    let mut at = 0;
    while let Some(start) = json[at..].iter().position(|&b| b == b'"').map(|quote| at + quote) {
        let end = string_end(json, start)?;
        if json[start..end] == *key && is_key(end) {
            if left == 0 {
                return Some(start);
            }
            left -= 1;
        }
        at = end;
    }
    None
}

/// Where the string ends that a quotation mark begins.
fn string_end(json: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        match json.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// The byte at a line and column as serde_json counts them: both from 1, columns in bytes.
fn offset_of(json: &[u8], line: usize, column: usize) -> u64 {
    let lines = json.split_inclusive(|&b| b == b'\n').take(line.saturating_sub(1));
    let before: usize = lines.map(<[u8]>::len).sum();
    (before + column.saturating_sub(1)).min(json.len()) as u64
}

/// An error's words without the line and column, which mean nothing in a file of one line, and not longer than a
/// message should be.
fn without_position(error: &serde_json::Error) -> String {
    const LONGEST: usize = 200;
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message);
    // serde names Rust's types, which mean nothing to whoever has the file.
    let rust = ["expected usize", "expected u64"].iter().find_map(|end| text.strip_suffix(end));
    let text = rust.map_or_else(|| text.to_owned(), |start| format!("{start}expected a whole number"));
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Reads the whole header.
struct Top<'a> {
    contents: &'a mut Contents,
    /// The tensor being read.
    current: &'a mut Option<String>,
}

impl<'de> DeserializeSeed<'de> for Top<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Top<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            if name == METADATA {
                if std::mem::replace(&mut self.contents.has_metadata, true) {
                    return Err(de::Error::duplicate_field(METADATA));
                }
                self.contents.metadata = map.next_value::<Option<Metadata>>()?.unwrap_or_default().0;
                continue;
            }
            *self.current = Some(name);
            let raw: RawEntry = map.next_value()?;
            let (begin, end) = raw.data_offsets;
            let name = self.current.take().unwrap_or_default();
            self.contents.entries.push(Entry { name, dtype: raw.dtype, shape: raw.shape.0, begin, end });
        }
        Ok(())
    }
}

/// An entry as the format defines it. Other fields are skipped, as the `safetensors` crate does.
#[derive(Deserialize)]
#[serde(expecting = "an object with `dtype`, `shape` and `data_offsets`")]
struct RawEntry {
    dtype: DtypeName,
    shape: Shape,
    data_offsets: (u64, u64),
}

/// Dimensions, no more than can be.
struct Shape(Vec<usize>);

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Dimensions;
        impl<'de> Visitor<'de> for Dimensions {
            type Value = Shape;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of dimensions")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Shape, A::Error> {
                let mut shape = Vec::with_capacity(4);
                while let Some(dimension) = seq.next_element()? {
                    if shape.len() == MAX_RANK {
                        let message = format_args!("more than {MAX_RANK} dimensions");
                        return Err(de::Error::custom(message));
                    }
                    shape.push(dimension);
                }
                Ok(Shape(shape))
            }
        }
        deserializer.deserialize_seq(Dimensions)
    }
}

/// Texts by name, without repeats.
#[derive(Default)]
struct Metadata(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts;
        impl<'de> Visitor<'de> for Texts {
            type Value = Metadata;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts (`__metadata__`)")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Metadata, A::Error> {
                let mut texts: Vec<(String, String)> = Vec::new();
                let mut seen = std::collections::HashSet::new();
                while let Some((name, text)) = map.next_entry::<String, String>()? {
                    if !seen.insert(name.clone()) {
                        return Err(de::Error::custom("`__metadata__` has a name twice"));
                    }
                    texts.push((name, text));
                }
                Ok(Metadata(texts))
            }
        }
        deserializer.deserialize_map(Texts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_keys() {
        let json = br#"{"__metadata__":{"b":"a"},"a":{"dtype":"a"},"b" : {},"a":{}}"#;
        assert_eq!(place_of(json, "a", 0), Some(26));
        assert_eq!(place_of(json, "a", 1), Some(53));
        assert_eq!(place_of(json, "b", 0), Some(44));
        assert_eq!((place_of(json, "dtype", 0), place_of(json, "", 0)), (None, None));
        let odd = br#"{"\"a\":{":{},"\\":{},"a":{}}"#;
        assert_eq!(place_of(odd, "\"a\":{", 0), Some(1));
        assert_eq!((place_of(odd, "\\", 0), place_of(odd, "a", 0)), (Some(14), Some(22)));
    }

    /// A name that looks like its own beginning at every second byte is found in one pass.
    #[test]
    fn places_of_long_names_are_found_at_once() {
        let name = "\"".repeat(4_000_000);
        let json = format!("{{{}:1}}", serde_json::to_string(&name).unwrap());
        let started = std::time::Instant::now();
        assert_eq!(place_of(json.as_bytes(), &name, 0), None);
        assert!(started.elapsed() < std::time::Duration::from_secs(20), "{:?}", started.elapsed());
    }

    /// In parts or as a whole, the same is read, and what is refused in one way is not taken in the other.
    #[test]
    fn parts_are_read_as_the_whole_is() {
        let entry = |name: &str| {
            format!(
                "{}:{{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,4]}}",
                serde_json::to_string(name).unwrap()
            )
        };
        let names = ["a", "},\"b\":{", "\\", "\"", "ä}", "{", ""];
        let members: Vec<String> = names.iter().map(|name| entry(name)).collect();
        let metadata = "\"__metadata__\":{\"x\":\"},{\"}";
        let good = [
            format!("{{{}}}", members.join(",")),
            format!("{{ {} }}  ", members.join(" ,\n ")),
            format!("{{{metadata},{}}}", members.join(",")),
            format!("{{{},{metadata}}}", members.join(",")),
        ];
        let bad = [
            format!("{{{},}}", members.join(",")),
            format!("{{,{}}}", members.join(",")),
            format!("{{{}}}}}", members.join(",")),
            format!("{{{}", members.join(",")),
            format!("{{{},,{}}}", members[0], members[1]),
            format!("{{{} {}}}", members[0], members[1]),
            format!("{{{metadata},{},{metadata}}}", members.join(",")),
            format!("{{{}}} x", members.join(",")),
            format!("[{}]", members.join(",")),
            format!("{{{},5}}", members.join(",")),
        ];
        for wanted in [2, 3, 100] {
            for text in &good {
                let whole = parse_whole(text.as_bytes()).ok().unwrap();
                let parts = parse_parts(text.as_bytes(), cut, wanted);
                let parts = parts.unwrap_or_else(|| panic!("{text} in {wanted} parts"));
                let of = |contents: &Contents| contents.entries.iter().map(|one| one.name.clone()).collect::<Vec<_>>();
                for parts in [Some(parts), parse_parts(text.as_bytes(), guess, wanted)].into_iter().flatten() {
                    assert_eq!(whole.metadata, parts.metadata);
                    let names = names.map(str::to_owned);
                    assert_eq!((of(&whole), of(&parts)), (names.to_vec(), names.to_vec()));
                }
            }
            for text in &bad {
                assert!(parse_whole(text.as_bytes()).is_err(), "{text}");
                for cut in [cut as Cut, guess] {
                    assert!(parse_parts(text.as_bytes(), cut, wanted).is_none(), "{text} in {wanted} parts");
                }
            }
        }
    }

    #[test]
    fn offsets_count_lines() {
        assert_eq!(offset_of(b"{\n  x", 2, 3), 4);
        assert_eq!(offset_of(b"{", 7, 7), 1);
    }
}
