//! Access to the tensors of a file.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::SystemTime;

use memmap2::{Mmap, MmapOptions};

use super::{Fault, Header, SafetensorsError, TensorInfo};

/// A safetensors file that is open, its header read and checked.
///
/// Opening reads the header and nothing else. The data is mapped into memory when a tensor is first asked for.
///
/// # Files that change
///
/// A mapped file that is cut short while its bytes are being looked at ends the process on most systems
/// (`SIGBUS`): nothing in user space can turn that into an error without a signal handler. So each request
/// compares the length and time of modification with those at opening, and reports [`Fault::Changed`], which
/// leaves only changes during the use of one tensor.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    header: Header,
    stamp: Stamp,
    file: File,
    map: OnceLock<Mmap>,
}

/// What tells that a file is still the same.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    len: u64,
    modified: Option<SystemTime>,
}

impl Stamp {
    fn of(metadata: &fs::Metadata) -> Stamp {
        Stamp { len: metadata.len(), modified: metadata.modified().ok() }
    }
}

impl Reader {
    /// Opens a file and checks its header.
    ///
    /// # Errors
    /// Anything that is wrong with the file; see [`Fault`].
    pub fn open(path: &Path) -> Result<Reader, SafetensorsError> {
        let error = |fault| SafetensorsError { path: path.to_owned(), tensor: None, byte: None, fault };
        let io = |source| error(Fault::Io(source));
        // Asked before opening: to open a pipe would wait for whoever writes to it.
        if !fs::metadata(path).map_err(io)?.is_file() {
            return Err(error(Fault::NotRegular));
        }
        let mut file = File::open(path).map_err(io)?;
        let stamp = Stamp::of(&file.metadata().map_err(io)?);
        let header = Header::read(path, &mut file, stamp.len)?;
        Ok(Reader { path: path.to_owned(), header, stamp, file, map: OnceLock::new() })
    }

    /// The file it reads.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the header says.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// What the header says, where no data is wanted.
    pub fn into_header(self) -> Header {
        self.header
    }

    /// The tensor of a name.
    ///
    /// # Errors
    /// [`Fault::NoSuchTensor`].
    pub fn info(&self, name: &str) -> Result<&TensorInfo, SafetensorsError> {
        let index = self.header.index_of(name);
        index.map(|index| &self.header.tensors[index]).ok_or_else(|| self.error(Some(name), Fault::NoSuchTensor))
    }

    /// The bytes of a tensor, mapped from the file: little-endian elements, last dimension fastest. They lie in
    /// memory as they lie in the file, so their alignment is that of bytes.
    ///
    /// # Errors
    /// [`Fault::NoSuchTensor`]; [`Fault::Changed`]; [`Fault::Io`] if the system cannot map the file.
    pub fn tensor(&self, name: &str) -> Result<&[u8], SafetensorsError> {
        self.data(self.info(name)?)
    }

    /// The bytes of one of [`Header::tensors`], by its index.
    ///
    /// # Errors
    /// As [`Reader::tensor`]; an index past the end is [`Fault::NoSuchTensor`].
    pub fn tensor_at(&self, index: usize) -> Result<&[u8], SafetensorsError> {
        match self.header.tensors.get(index) {
            Some(info) => self.data(info),
            None => Err(self.error(None, Fault::NoSuchTensor)),
        }
    }

    fn data(&self, info: &TensorInfo) -> Result<&[u8], SafetensorsError> {
        if info.bytes == 0 {
            return Ok(&[]);
        }
        self.check_unchanged(&info.name)?;
        let map = match self.map.get() {
            Some(map) => map,
            None => {
                // SAFETY: the map is read only and private to this reader. Other processes may still write to the
                // file; the bytes are treated as untrusted data of any value, and lengths never come from them.
                let map = unsafe { MmapOptions::new().map(&self.file) };
                let map = map.map_err(|source| self.error(Some(&info.name), Fault::Io(source)))?;
                self.map.get_or_init(|| map)
            }
        };
        let begin = usize::try_from(info.offset).ok();
        let len = usize::try_from(info.bytes).ok();
        begin
            .zip(len)
            .and_then(|(begin, len)| map.get(begin..)?.get(..len))
            .ok_or_else(|| self.error(Some(&info.name), Fault::Changed))
    }

    fn check_unchanged(&self, tensor: &str) -> Result<(), SafetensorsError> {
        let now = self.file.metadata().map_err(|source| self.error(Some(tensor), Fault::Io(source)))?;
        match Stamp::of(&now) == self.stamp {
            true => Ok(()),
            false => Err(self.error(Some(tensor), Fault::Changed)),
        }
    }

    fn error(&self, tensor: Option<&str>, fault: Fault) -> SafetensorsError {
        SafetensorsError { path: self.path.clone(), tensor: tensor.map(str::to_owned), byte: None, fault }
    }
}
