//! The header: which tensors there are, checked against the length of the file.

use std::io::Read;
use std::path::Path;

use rayon::prelude::*;

use crate::formats::natural::{natural_order, natural_sort};

use super::error::{Fault, SafetensorsError};
use super::json::{self, Entry};
use super::{DtypeName, MAX_HEADER};

/// A header that has been checked: names are unique, and the tensors lie in the file without overlap or hole.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    /// The `__metadata__`: texts by name, in the order of the file.
    pub metadata: Vec<(String, String)>,
    /// The tensors, in [natural order](natural_order) of names.
    pub tensors: Vec<TensorInfo>,
    /// The byte of the file at which the data begins.
    pub data_start: u64,
}

/// One tensor of a header.
#[derive(Debug, Clone, PartialEq)]
pub struct TensorInfo {
    /// Its name.
    pub name: String,
    /// Its element type, as the header names it.
    pub dtype: DtypeName,
    /// Its dimensions, outermost first. The product of those that are not 0 fits 64 bits, whatever the order.
    pub shape: Vec<usize>,
    /// The byte of the file at which its data begins.
    pub offset: u64,
    /// The length of its data in bytes.
    pub bytes: u64,
}

impl Header {
    /// Reads the header from the start of a file of `len` bytes. No more than the header is read, and no more
    /// memory is taken than in proportion to bytes that are there.
    pub fn read(path: &Path, mut file: impl Read, len: u64) -> Result<Header, SafetensorsError> {
        let error = |byte: u64, fault| whole(path, Some(byte), fault);
        let mut first = Vec::new();
        let io = |source| whole(path, None, Fault::Io(source));
        file.by_ref().take(8).read_to_end(&mut first).map_err(io)?;
        let Ok(length) = <[u8; 8]>::try_from(first.as_slice()) else {
            return Err(error(0, Fault::foreign(&first).unwrap_or(Fault::TooShort(first.len() as u64))));
        };

        let declared = u64::from_le_bytes(length);
        let present = len.saturating_sub(8);
        if declared > MAX_HEADER || declared > present {
            file.take(56).read_to_end(&mut first).map_err(io)?;
            let fault = Fault::foreign(&first).unwrap_or(match declared > MAX_HEADER {
                true => Fault::HeaderTooLarge(declared),
                false => Fault::HeaderBeyondFile { declared, present },
            });
            return Err(error(0, fault));
        }

        // So many bytes are there.
        let mut json = Vec::with_capacity(declared as usize);
        file.take(declared).read_to_end(&mut json).map_err(io)?;
        if (json.len() as u64) < declared {
            return Err(error(0, Fault::HeaderBeyondFile { declared, present: json.len() as u64 }));
        }
        Header::parse(path, &json, len)
    }

    /// Parses a header's JSON, which follows the 8 bytes of its length in a file of `len` bytes. The path serves
    /// messages only.
    pub fn parse(path: &Path, json: &[u8], len: u64) -> Result<Header, SafetensorsError> {
        if json.first() != Some(&b'{') {
            return Err(whole(path, Some(8), Fault::NoBrace));
        }
        let data_start = 8 + json.len() as u64;
        let json::Contents { metadata, entries, .. } = json::parse(json).map_err(|e| SafetensorsError {
            path: path.to_owned(),
            tensor: e.tensor,
            byte: Some(8 + e.at),
            fault: e.fault,
        })?;
        // Places are looked for only once something is wrong.
        let about = |name: &str, nth: usize, fault: Fault| SafetensorsError {
            path: path.to_owned(),
            tensor: Some(name.to_owned()),
            byte: json::place_of(json, name, nth).map(|at| 8 + at as u64),
            fault,
        };
        let wrong = entries.par_iter().find_map_first(|entry| Some((entry, check_tensor(entry).err()?)));
        if let Some((entry, fault)) = wrong {
            return Err(about(&entry.name, 0, fault));
        }

        let order = natural_sort(&entries, |entry| &entry.name);
        let name = |at: u32| &entries[at as usize].name;
        if let Some(pair) = order.par_windows(2).find_first(|pair| name(pair[0]) == name(pair[1])) {
            return Err(about(name(pair[0]), 1, Fault::Duplicate));
        }
        let data_len = len.saturating_sub(data_start);
        check_layout(&entries, data_len).map_err(|(entry, fault)| match entry {
            Some(entry) => about(&entry.name, 0, fault),
            None => whole(path, Some(len.min(data_start + data_end(&entries))), fault),
        })?;

        let mut entries: Vec<Option<Entry>> = entries.into_iter().map(Some).collect();
        let in_order = order.iter().filter_map(|&at| entries.get_mut(at as usize)?.take());
        let tensors = in_order.map(|entry| entry.into_info(data_start)).collect();
        Ok(Header { metadata, tensors, data_start })
    }

    /// The index of a tensor in [`Header::tensors`].
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.tensors.binary_search_by(|tensor| natural_order(&tensor.name, name)).ok()
    }
}

impl Entry {
    /// The tensor of a checked entry.
    fn into_info(self, data_start: u64) -> TensorInfo {
        TensorInfo {
            name: self.name,
            dtype: self.dtype,
            shape: self.shape,
            offset: data_start + self.begin,
            bytes: self.end - self.begin,
        }
    }
}

fn whole(path: &Path, byte: Option<u64>, fault: Fault) -> SafetensorsError {
    SafetensorsError { path: path.to_owned(), tensor: None, byte, fault }
}

/// Bytes of data of a shape: `Err` where it overflows in any order of multiplication, or fills no whole bytes.
/// `None` for types of unknown width.
pub(super) fn data_size(shape: &[usize], dtype: &DtypeName) -> Result<Option<u64>, Fault> {
    let bits = dtype.bits();
    // Dimensions of 0 count as 1 first, so that later products are safe in whatever order they are taken.
    shape
        .iter()
        .try_fold(bits.unwrap_or(1), |product, &dim| product.checked_mul((dim as u64).max(1)))
        .ok_or_else(|| Fault::Overflow(shape.to_vec()))?;
    let Some(bits) = bits else { return Ok(None) };
    let total = bits * shape.iter().map(|&dim| dim as u64).product::<u64>();
    if !total.is_multiple_of(8) {
        return Err(Fault::PartByte { shape: shape.to_vec(), dtype: dtype.to_string() });
    }
    Ok(Some(total / 8))
}

/// Whether a name may be that of a tensor: it is shown in terminals and editors, so it holds no control
/// characters.
pub(super) fn is_good_name(name: &str) -> bool {
    let is_control = |byte: u8| byte < b' ' || byte == 0x7f;
    // Those beyond ASCII are rare: few names need to be read letter by letter.
    let has_control = name.bytes().any(is_control) || !name.is_ascii() && name.contains(char::is_control);
    !name.is_empty() && !has_control
}

/// Checks one tensor for itself.
fn check_tensor(entry: &Entry) -> Result<(), Fault> {
    if !is_good_name(&entry.name) {
        return Err(Fault::BadName);
    }
    let given = entry.end.checked_sub(entry.begin).ok_or(Fault::Reversed { begin: entry.begin, end: entry.end })?;
    match data_size(&entry.shape, &entry.dtype)? {
        Some(needed) if needed != given => {
            Err(Fault::Size { shape: entry.shape.clone(), dtype: entry.dtype.to_string(), needed, given })
        }
        _ => Ok(()),
    }
}

/// Where the data of the last tensor ends, from the start of all data.
fn data_end(entries: &[Entry]) -> u64 {
    entries.iter().map(|entry| entry.end).max().unwrap_or(0)
}

/// Checks that the tensors fill the data exactly: each begins where the one before it ends.
fn check_layout(entries: &[Entry], data_len: u64) -> Result<(), (Option<&Entry>, Fault)> {
    // Most files name their tensors in the order in which they lie.
    let follows = |pair: &[Entry]| pair[0].begin <= pair[0].end && pair[0].end == pair[1].begin;
    let is_whole = |first: &Entry, last: &Entry| first.begin == 0 && last.begin <= last.end && last.end == data_len;
    if let [first, .., last] = entries
        && is_whole(first, last)
        && entries.windows(2).all(follows)
    {
        return Ok(());
    }
    let mut order: Vec<&Entry> = entries.iter().collect();
    order.par_sort_by_key(|entry| (entry.begin, entry.end));
    // First of all the file that is cut short: the usual case, and the one with a simple way out.
    if let Some(last) = order.iter().max_by_key(|entry| entry.end)
        && last.end > data_len
    {
        return Err((Some(last), Fault::BeyondFile { missing: last.end - data_len }));
    }
    let mut end = 0;
    let mut before: Option<&Entry> = None;
    for entry in order {
        if entry.begin > end {
            return Err((Some(entry), Fault::Hole(entry.begin - end)));
        }
        if let Some(other) = before
            && entry.begin < end
        {
            return Err((Some(entry), Fault::Overlap { other: other.name.clone() }));
        }
        end = entry.end;
        before = Some(entry);
    }
    match data_len - end {
        0 => Ok(()),
        trailing => Err((None, Fault::Trailing(trailing))),
    }
}
