//! The files of weights of a package, opened when they are first asked for.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bytes::Bytes;
use memmap2::{Mmap, MmapOptions};

use crate::element::ElementType;
use crate::formats::coreml::blob::{Blob, BlobError, BlobFault, BlobReader};

use super::{PackageError, PackageFault};

/// A blob, its bytes shared with the file that is mapped into memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredBlob {
    /// The element type.
    pub element: ElementType,
    /// The elements, little-endian; those narrower than a byte packed, lowest bits first.
    pub bytes: Bytes,
    /// The high bits of the last byte that belong to no element; 0 for types of whole bytes.
    pub padding_bits: u8,
}

impl StoredBlob {
    /// The blob as [`super::super::blob::BlobWriter::copy`] takes it.
    pub fn as_blob(&self) -> Blob<'_> {
        Blob { element: self.element, bytes: &self.bytes, padding_bits: self.padding_bits }
    }

    /// How many elements it has.
    pub fn elements(&self) -> u64 {
        self.as_blob().elements()
    }
}

/// A file of weights that is open.
///
/// The file is mapped into memory. One that is cut short while its bytes are being looked at ends the process on
/// most systems (`SIGBUS`), which no library can turn into an error; so each request compares the length and time of
/// modification with those at opening and reports [`PackageFault::Changed`].
#[derive(Debug)]
pub struct WeightFile {
    path: PathBuf,
    file: File,
    len: u64,
    modified: Option<SystemTime>,
    bytes: Bytes,
}

impl WeightFile {
    /// Opens a file and checks its header.
    ///
    /// # Errors
    /// If there is none, or it is no file of weights.
    pub(super) fn open(path: &Path) -> Result<WeightFile, PackageError> {
        let error = |fault| PackageError { path: path.to_owned(), fault };
        let file = super::reader::open_regular(path)?;
        let metadata = file.metadata().map_err(|source| error(PackageFault::Io(source)))?;
        let len = metadata.len();
        if len < 64 {
            // Also because an empty file cannot be mapped.
            return Err(error(BlobError { offset: 0, fault: BlobFault::TooShort(len) }.into()));
        }
        // SAFETY: the map is read only. Other processes may still write to the file; what then changes are elements
        // of weights, any of which is valid; that the file is not cut short is checked as far as it can be.
        let map = unsafe { MmapOptions::new().map(&file) };
        let bytes = Bytes::from_owner(Map(map.map_err(|source| error(PackageFault::Io(source)))?));
        BlobReader::new(&bytes).map_err(|fault| error(fault.into()))?;
        Ok(WeightFile { path: path.to_owned(), file, len, modified: metadata.modified().ok(), bytes })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its blobs, by their place.
    ///
    /// # Errors
    /// If the file was changed.
    pub fn reader(&self) -> Result<BlobReader<'_>, PackageError> {
        let metadata = self.file.metadata().map_err(|source| self.error(PackageFault::Io(source)))?;
        if metadata.len() != self.len || metadata.modified().ok() != self.modified {
            return Err(self.error(PackageFault::Changed));
        }
        BlobReader::new(&self.bytes).map_err(|error| self.error(error.into()))
    }

    /// The blob whose record begins at a byte of the file.
    ///
    /// # Errors
    /// As [`BlobReader::read`]; [`PackageFault::Changed`].
    pub fn read(&self, offset: u64) -> Result<StoredBlob, PackageError> {
        let blob = self.reader()?.read(offset).map_err(|error| self.error(error.into()))?;
        // Of an empty slice nothing tells where it lies.
        let bytes = if blob.bytes.is_empty() { Bytes::new() } else { self.bytes.slice_ref(blob.bytes) };
        Ok(StoredBlob { element: blob.element, bytes, padding_bits: blob.padding_bits })
    }

    fn error(&self, fault: PackageFault) -> PackageError {
        PackageError { path: self.path.clone(), fault }
    }
}

/// A mapped file as the owner of [`Bytes`].
struct Map(Mmap);

impl AsRef<[u8]> for Map {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}
