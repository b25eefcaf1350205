//! An archive that is open.

use std::borrow::Cow;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::SystemTime;

use memmap2::{Mmap, MmapOptions};

use super::zip::{self, Method};
use super::{Contents, Pt2Error, Pt2Fault, StoredProgram, StoredTensor};

/// An archive that is open: its directory and its programs read. Tensors are mapped when they are asked for.
///
/// As with other mapped files, what is cut short while its bytes are looked at ends the process on most systems; so
/// each request first compares the length and the time of modification with those at opening.
#[derive(Debug)]
pub struct Archive {
    path: PathBuf,
    contents: Contents,
    stamp: (u64, Option<SystemTime>),
    file: File,
    map: OnceLock<Mmap>,
}

impl Archive {
    /// Opens an archive and reads its programs.
    ///
    /// # Errors
    /// Anything that is wrong with it: [`Pt2Fault`].
    pub fn open(path: &Path) -> Result<Archive, Pt2Error> {
        let error = |member, fault| Pt2Error { path: path.to_owned(), member, fault };
        let io = |source| error(None, Pt2Fault::Io(source));
        // Asked before opening: to open a pipe would wait for whoever writes to it.
        if !fs::metadata(path).map_err(io)?.is_file() {
            return Err(error(None, Pt2Fault::NotRegular));
        }
        let mut file = File::open(path).map_err(io)?;
        let stamp = stamp(&file).map_err(io)?;
        let contents = Contents::read(&mut file, stamp.0).map_err(|(member, fault)| error(member, fault))?;
        Ok(Archive { path: path.to_owned(), contents, stamp, file, map: OnceLock::new() })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its programs.
    pub fn programs(&self) -> &[StoredProgram] {
        &self.contents.programs
    }

    /// Members that are pickles and were passed over.
    pub fn pickles(&self) -> &[String] {
        &self.contents.pickles
    }

    /// Drops the programs, once everything that is asked of them has been taken.
    pub fn without_programs(mut self) -> Archive {
        self.contents.programs = Vec::new();
        self
    }

    /// The byte of the file at which a tensor's storage begins, and where the tensor begins in it.
    pub fn offset(&self, tensor: &StoredTensor) -> u64 {
        let member = self.contents.members.get(tensor.member).map_or(0, |member| member.offset);
        member.saturating_add((tensor.storage_offset as u64).saturating_mul(tensor.dtype.bytes() as u64))
    }

    /// The elements of a tensor side by side, the last dimension fastest, little-endian: mapped where they lie so in
    /// the file, else copied.
    ///
    /// # Errors
    /// If the file has changed, or cannot be mapped, or its storage does not decompress.
    pub fn tensor(&self, tensor: &StoredTensor) -> Result<Cow<'_, [u8]>, Pt2Error> {
        let error = |fault| Pt2Error { path: self.path.clone(), member: None, fault };
        if tensor.bytes == 0 {
            return Ok(Cow::Borrowed(&[]));
        }
        let member = self.contents.members.get(tensor.member).ok_or_else(|| error(Pt2Fault::Missing))?;
        if stamp(&self.file).map_err(|source| error(Pt2Fault::Io(source)))? != self.stamp {
            return Err(error(Pt2Fault::Changed));
        }
        let map = match self.map.get() {
            Some(map) => map,
            None => {
                // SAFETY: the map is read only and private to this archive. Other processes may still write to the
                // file; the bytes are treated as untrusted data of any value, and lengths never come from them.
                let map = unsafe { MmapOptions::new().map(&self.file) };
                let map = map.map_err(|source| error(Pt2Fault::Io(source)))?;
                self.map.get_or_init(|| map)
            }
        };
        let range = usize::try_from(member.offset).ok().zip(usize::try_from(member.compressed).ok());
        let data = range.and_then(|(offset, len)| map.get(offset..)?.get(..len));
        let data = data.ok_or_else(|| error(Pt2Fault::Changed))?;
        if member.method == Method::Stored {
            return tensor.read(data).ok_or_else(|| error(Pt2Fault::Changed));
        }
        let content = zip::inflate(member, data).map_err(|fault| error(fault.into()))?;
        match tensor.read(&content) {
            Some(elements) => Ok(Cow::Owned(elements.into_owned())),
            None => Err(error(Pt2Fault::Changed)),
        }
    }
}

fn stamp(file: &File) -> std::io::Result<(u64, Option<SystemTime>)> {
    let metadata = file.metadata()?;
    Ok((metadata.len(), metadata.modified().ok()))
}
