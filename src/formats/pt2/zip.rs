//! The directory of a zip archive, read by hand: who maps members must know where their bytes lie, that they lie in
//! the file, that no two share any, and that no two have one name. Archive crates answer some of these and hide the
//! others.
//!
//! Checksums are not compared: PyTorch has a setting that writes others (`save.compute_crc32`).

use std::collections::HashSet;
use std::io::{self, Read, Seek, SeekFrom};

use flate2::read::DeflateDecoder;

use crate::formats::{byte_count, shown};

const END: u32 = 0x0605_4b50;
const END_LEN: u64 = 22;
const LOCATOR: u32 = 0x0706_4b50;
const LOCATOR_LEN: u64 = 20;
const END64: u32 = 0x0606_4b50;
const END64_LEN: u64 = 56;
const ENTRY: u32 = 0x0201_4b50;
const ENTRY_LEN: usize = 46;
const LOCAL: u32 = 0x0403_4b50;
const LOCAL_LEN: u64 = 30;
/// The extra field with sizes and offsets of 64 bits.
const EXTRA64: u16 = 1;
/// The longest directory that is read: one of millions of members.
const MAX_DIRECTORY: u64 = 256 << 20;
/// Deflate never makes more than this many bytes of one.
const MAX_RATIO: u64 = 1032;

/// A file in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its path in the archive, with `/`; never absolute, and without `.` and `..`.
    pub name: String,
    /// How it is compressed.
    pub method: Method,
    /// The byte of the archive at which its data begins.
    pub offset: u64,
    /// Bytes of its data in the archive.
    pub compressed: u64,
    /// Bytes of its content.
    pub size: u64,
}

/// How a member is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Not at all: the content lies in the archive as it is.
    Stored,
    /// Deflate.
    Deflated,
    /// In another way, by its number, which is not read.
    Other(u16),
}

/// What is wrong with an archive.
#[derive(Debug, thiserror::Error)]
pub enum ZipFault {
    /// The system refused.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It has no directory at its end.
    #[error("is not a zip archive, or was not copied whole: it has no directory at its end")]
    NoDirectory,
    /// It is one of several files.
    #[error("is one part of an archive of several files")]
    Split,
    /// The directory is not where it should be, or larger than it can be.
    #[error("its directory is damaged: {0}")]
    Directory(&'static str),
    /// An entry of the directory makes no sense.
    #[error("its entry for `{}` is damaged: {what}", shown(name))]
    Entry {
        /// The member, as far as its name could be read.
        name: String,
        /// What is wrong.
        what: &'static str,
    },
    /// Two members have one name.
    #[error("holds two members that are called `{}`", shown(.0))]
    Twice(String),
    /// Two members share bytes.
    #[error("its members `{}` and `{}` overlap", shown(.0), shown(.1))]
    Overlap(String, String),
    /// A member is compressed in a way that is not read, or encrypted.
    #[error("its member `{}` is {what}", shown(name))]
    Unreadable {
        /// The member.
        name: String,
        /// What it is.
        what: &'static str,
    },
    /// A member is longer than what it can be.
    #[error("its member `{}` has {}; at most {} are read", shown(name), byte_count(*size), byte_count(*limit))]
    TooLarge {
        /// The member.
        name: String,
        /// Its size.
        size: u64,
        /// The most that is read.
        limit: u64,
    },
    /// A compressed member does not decompress to the size that the directory says.
    #[error("its member `{}` does not decompress", shown(.0))]
    Inflate(String),
}

/// Reads the directory of an archive of `len` bytes, and the header of every member, and nothing else.
///
/// # Errors
/// If it is no archive, or damaged in any way.
pub fn members(source: &mut (impl Read + Seek), len: u64) -> Result<Vec<Member>, ZipFault> {
    let end = find_end(source, len)?;
    let directory = read_at(source, end.directory, end.directory_len)?;
    let mut rest = directory.as_slice();
    // No more than the directory has room for, whatever it claims.
    let mut entries = Vec::with_capacity(end.entries.min(end.directory_len / ENTRY_LEN as u64) as usize);
    for _ in 0..end.entries {
        entries.push(entry(&mut rest)?);
    }
    let mut names = HashSet::with_capacity(entries.len());
    if let Some(twice) = entries.iter().find(|entry| !names.insert(entry.name.as_str())) {
        return Err(ZipFault::Twice(twice.name.clone()));
    }
    let mut placed = Vec::with_capacity(entries.len());
    for entry in entries {
        let offset = data_offset(source, &entry, end.directory)?;
        placed.push((entry, offset));
    }
    check_overlaps(&placed)?;
    // Directories have names that end in a slash and hold nothing.
    let files = placed.into_iter().filter(|(entry, _)| !entry.name.ends_with('/'));
    Ok(files.map(|(entry, offset)| entry.member(offset)).collect())
}

/// Reads the content of a member, decompressed.
///
/// # Errors
/// If it is longer than `limit`, compressed in an unknown way, or not as long as the directory says.
pub fn read(source: &mut (impl Read + Seek), member: &Member, limit: u64) -> Result<Vec<u8>, ZipFault> {
    if member.size > limit {
        return Err(ZipFault::TooLarge { name: member.name.clone(), size: member.size, limit });
    }
    let data = read_at(source, member.offset, member.compressed)?;
    match member.method {
        Method::Stored => Ok(data),
        _ => inflate(member, &data),
    }
}

/// Decompresses the data of a member that is not stored.
///
/// # Errors
/// As [`read`].
pub fn inflate(member: &Member, data: &[u8]) -> Result<Vec<u8>, ZipFault> {
    if member.method != Method::Deflated {
        let what = "compressed in a way that is not read: store it, or deflate it";
        return Err(ZipFault::Unreadable { name: member.name.clone(), what });
    }
    // The buffer grows with what comes out: a size that is only claimed takes no memory.
    let mut content = Vec::new();
    let read = DeflateDecoder::new(data).take(member.size.saturating_add(1)).read_to_end(&mut content);
    match read {
        Ok(count) if count as u64 == member.size => Ok(content),
        _ => Err(ZipFault::Inflate(member.name.clone())),
    }
}

/// Where the directory is.
struct End {
    directory: u64,
    directory_len: u64,
    entries: u64,
}

fn find_end(source: &mut (impl Read + Seek), len: u64) -> Result<End, ZipFault> {
    // The record is the last thing of the file, but for a comment of up to 64 KiB.
    let tail_len = len.min(END_LEN + u64::from(u16::MAX));
    let tail = read_at(source, len - tail_len, tail_len)?;
    let is_end = |at: &usize| {
        let record = &tail[*at..];
        let comment = |record: &[u8]| record.get(20..22).map(|b| u64::from(u16::from_le_bytes([b[0], b[1]])));
        record.starts_with(&END.to_le_bytes()) && comment(record).map(|c| c + END_LEN) == Some(record.len() as u64)
    };
    let at = (0..tail.len()).rev().find(is_end).ok_or(ZipFault::NoDirectory)?;
    let mut position = len - tail_len + at as u64;
    let record = &tail[at + 4..];
    let (disk, first_disk) = (u16_at(record, 0), u16_at(record, 2));
    let (here, entries) = (u16_at(record, 4), u16_at(record, 6));
    let (directory_len, directory) = (u32_at(record, 8), u32_at(record, 12));
    let mut end = End { directory: directory.into(), directory_len: directory_len.into(), entries: entries.into() };
    if let Some(wide) = find_end64(source, position)? {
        let agrees = |short: u64, most: u64, long: u64| short == most || short == long;
        let all = agrees(end.entries, u16::MAX.into(), wide.0.entries)
            && agrees(end.directory, u32::MAX.into(), wide.0.directory)
            && agrees(end.directory_len, u32::MAX.into(), wide.0.directory_len);
        if !all {
            return Err(ZipFault::Directory("its two records say different things"));
        }
        (end, position) = wide;
    } else if (disk, first_disk) != (0, 0) || here != entries {
        return Err(ZipFault::Split);
    }
    if end.directory_len > MAX_DIRECTORY {
        return Err(ZipFault::Directory("it is larger than 256 MiB"));
    }
    if end.directory.checked_add(end.directory_len).is_none_or(|after| after > position) {
        return Err(ZipFault::Directory("it reaches beyond its place"));
    }
    if end.entries > end.directory_len / ENTRY_LEN as u64 {
        return Err(ZipFault::Directory("it has no room for so many members"));
    }
    Ok(end)
}

/// The record with numbers of 64 bits and its position, if there is one before the other at `position`.
fn find_end64(source: &mut (impl Read + Seek), position: u64) -> Result<Option<(End, u64)>, ZipFault> {
    let Some(at) = position.checked_sub(LOCATOR_LEN) else { return Ok(None) };
    let locator = read_at(source, at, LOCATOR_LEN)?;
    if u32_at(&locator, 0) != LOCATOR {
        return Ok(None);
    }
    let place = u64_at(&locator, 8);
    if place.checked_add(END64_LEN).is_none_or(|after| after > at) {
        return Err(ZipFault::Directory("its record of 64 bits is not in the file"));
    }
    let record = read_at(source, place, END64_LEN)?;
    if u32_at(&record, 0) != END64 {
        return Err(ZipFault::Directory("its record of 64 bits is not where it should be"));
    }
    let entries = u64_at(&record, 32);
    if (u32_at(&record, 16), u32_at(&record, 20)) != (0, 0) || u64_at(&record, 24) != entries {
        return Err(ZipFault::Split);
    }
    Ok(Some((End { entries, directory_len: u64_at(&record, 40), directory: u64_at(&record, 48) }, place)))
}

/// An entry of the directory.
struct Entry {
    name: String,
    method: Method,
    compressed: u64,
    size: u64,
    header: u64,
}

impl Entry {
    fn fault(&self, what: &'static str) -> ZipFault {
        ZipFault::Entry { name: self.name.clone(), what }
    }

    fn member(self, offset: u64) -> Member {
        Member { name: self.name, method: self.method, offset, compressed: self.compressed, size: self.size }
    }
}

/// Takes an entry from the directory.
fn entry(rest: &mut &[u8]) -> Result<Entry, ZipFault> {
    let cut = || ZipFault::Directory("it ends within an entry");
    let fixed = take(rest, ENTRY_LEN).ok_or_else(cut)?;
    if u32_at(fixed, 0) != ENTRY {
        return Err(ZipFault::Directory("an entry does not begin as entries do"));
    }
    let [name_len, extra_len, comment_len] = [28, 30, 32].map(|at| usize::from(u16_at(fixed, at)));
    let name = take(rest, name_len).ok_or_else(cut)?;
    let extra = take(rest, extra_len).ok_or_else(cut)?;
    take(rest, comment_len).ok_or_else(cut)?;
    let lossy = || String::from_utf8_lossy(name).into_owned();
    let name =
        std::str::from_utf8(name).map_err(|_| ZipFault::Entry { name: lossy(), what: "its name is not UTF-8" })?;
    let method = match u16_at(fixed, 10) {
        0 => Method::Stored,
        8 => Method::Deflated,
        other => Method::Other(other),
    };
    let mut entry = Entry {
        name: name.to_owned(),
        method,
        compressed: u32_at(fixed, 20).into(),
        size: u32_at(fixed, 24).into(),
        header: u32_at(fixed, 42).into(),
    };
    if !is_inner(name) {
        return Err(entry.fault("its name leads out of the archive"));
    }
    if u16_at(fixed, 8) & 1 != 0 {
        return Err(ZipFault::Unreadable { name: entry.name, what: "encrypted" });
    }
    widen(&mut entry, extra)?;
    match entry.method {
        Method::Stored if entry.compressed != entry.size => Err(entry.fault("it is stored, with another size")),
        Method::Deflated if entry.size / MAX_RATIO > entry.compressed => {
            Err(entry.fault("it claims more than its data can hold"))
        }
        _ => Ok(entry),
    }
}

/// Replaces numbers that do not fit 32 bits by those of the extra field.
fn widen(entry: &mut Entry, mut extra: &[u8]) -> Result<(), ZipFault> {
    const FULL: u64 = u32::MAX as u64;
    let mut wide: &[u8] = &[];
    while extra.len() >= 4 {
        let (id, len) = (u16_at(extra, 0), usize::from(u16_at(extra, 2)));
        let Some(field) = extra.get(4..4 + len) else {
            return Err(entry.fault("an extra field reaches beyond it"));
        };
        if id == EXTRA64 {
            wide = field;
        }
        extra = &extra[4 + len..];
    }
    let is_missing = |field: &&mut u64| **field == FULL;
    for field in [&mut entry.size, &mut entry.compressed, &mut entry.header].into_iter().filter(is_missing) {
        let Some(bytes) = take(&mut wide, 8) else {
            return Err(ZipFault::Entry { name: entry.name.clone(), what: "its sizes of 64 bits are missing" });
        };
        *field = u64_at(bytes, 0);
    }
    Ok(())
}

/// Whether a name stays within the archive.
fn is_inner(name: &str) -> bool {
    let path = name.strip_suffix('/').unwrap_or(name);
    let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
    !name.contains(['\\', '\0']) && path.split('/').all(plain) && !path.split('/').any(|part| part.ends_with(':'))
}

/// Where a member's data begins, which only its own header says.
fn data_offset(source: &mut (impl Read + Seek), entry: &Entry, directory: u64) -> Result<u64, ZipFault> {
    let name_len = entry.name.len() as u64;
    let after = entry.header.checked_add(LOCAL_LEN + name_len).filter(|after| *after <= directory);
    let after = after.ok_or_else(|| entry.fault("its header is not in the file"))?;
    let header = read_at(source, entry.header, LOCAL_LEN + name_len)?;
    if u32_at(&header, 0) != LOCAL {
        return Err(entry.fault("its header does not begin as headers do"));
    }
    let same = u64::from(u16_at(&header, 26)) == name_len && header[LOCAL_LEN as usize..] == *entry.name.as_bytes();
    let method = match entry.method {
        Method::Stored => 0,
        Method::Deflated => 8,
        Method::Other(number) => number,
    };
    if !same || u16_at(&header, 8) != method {
        return Err(entry.fault("its header says otherwise than the directory"));
    }
    let offset = after + u64::from(u16_at(&header, 28));
    let end = offset.checked_add(entry.compressed).filter(|end| *end <= directory);
    end.map(|_| offset).ok_or_else(|| entry.fault("its data reaches beyond its place"))
}

fn check_overlaps(placed: &[(Entry, u64)]) -> Result<(), ZipFault> {
    let mut order: Vec<&(Entry, u64)> = placed.iter().collect();
    order.sort_by_key(|(entry, _)| entry.header);
    for pair in order.windows(2) {
        let [(before, offset), (after, _)] = pair else { continue };
        if offset + before.compressed > after.header {
            return Err(ZipFault::Overlap(before.name.clone(), after.name.clone()));
        }
    }
    Ok(())
}

fn read_at(source: &mut (impl Read + Seek), offset: u64, len: u64) -> Result<Vec<u8>, ZipFault> {
    source.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    source.take(len).read_to_end(&mut bytes)?;
    match bytes.len() as u64 == len {
        true => Ok(bytes),
        false => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
    }
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(len)?;
    *rest = after;
    Some(taken)
}

// Callers have made sure that the bytes are there; what is not there reads as zero.
fn le<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..at + N).and_then(|found| found.try_into().ok()).unwrap_or([0; N])
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(le(bytes, at))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(le(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(le(bytes, at))
}

#[cfg(test)]
#[path = "zip_tests.rs"]
mod tests;
