//! Writing blobs one behind the other.

use std::io::{self, Seek, SeekFrom, Write};

use crate::element::ElementType;

use super::{ALIGNMENT, Blob, BlobWriteError, SENTINEL, VERSION};

/// A file of weights that is being written. Nothing is held in memory; give it a buffered writer.
///
/// As upstream writes it: each blob at a multiple of 64, zeros between, none behind the last.
#[derive(Debug)]
pub struct BlobWriter<W> {
    out: W,
    /// Where the file begins in `out`.
    start: u64,
    count: u32,
    /// Where the next byte goes.
    position: u64,
    /// Whether a write failed, so that what follows would not be where it should.
    broken: bool,
}

impl<W: Write + Seek> BlobWriter<W> {
    /// Begins a file where `out` stands.
    ///
    /// # Errors
    /// If it cannot be written to.
    pub fn create(mut out: W) -> io::Result<BlobWriter<W>> {
        let start = out.stream_position()?;
        out.write_all(&header(0))?;
        Ok(BlobWriter { out, start, count: 0, position: ALIGNMENT, broken: false })
    }

    /// How many blobs were written.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The length of the file so far in bytes.
    pub fn len(&self) -> u64 {
        self.position
    }

    /// Whether no blob was written.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Writes a blob, its elements as they lie in the file, and gives the offset by which programs refer to it.
    ///
    /// # Errors
    /// If the bytes are not those of so many elements, the type is none that files of weights hold, or writing
    /// fails. After an error of writing, the file is broken and takes no more.
    pub fn push(&mut self, element: ElementType, elements: u64, bytes: &[u8]) -> Result<u64, BlobWriteError> {
        let (_, needed) = storable(element, elements)?;
        check_length(element, elements, needed, bytes.len() as u64)?;
        self.push_with(element, elements, |out| out.write_all(bytes))
    }

    /// Writes a blob of another file as it is.
    ///
    /// # Errors
    /// As [`BlobWriter::push`].
    pub fn copy(&mut self, blob: &Blob) -> Result<u64, BlobWriteError> {
        self.push(blob.element, blob.elements(), blob.bytes)
    }

    /// As [`BlobWriter::push`], with a function that writes the elements piece by piece.
    ///
    /// # Errors
    /// As [`BlobWriter::push`]; if the function writes more or less than it should, the file is broken.
    pub fn push_with(
        &mut self,
        element: ElementType,
        elements: u64,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<u64, BlobWriteError> {
        if self.broken {
            return Err(BlobWriteError::Broken);
        }
        let unstorable = BlobWriteError::Unstorable { elements, element };
        let (storage, needed) = storable(element, elements)?;
        let count = self.count.checked_add(1).ok_or(BlobWriteError::TooMany)?;
        let places = self.position.checked_next_multiple_of(ALIGNMENT).and_then(|offset| {
            let data = offset.checked_add(ALIGNMENT)?;
            Some((offset, data, data.checked_add(needed)?))
        });
        let (offset, data, end) = places.ok_or(unstorable)?;
        // Until it is written whole.
        self.broken = true;
        let gap = (offset - self.position) as usize; // Less than 64.
        self.out.write_all(&[0; ALIGNMENT as usize][..gap])?;
        self.out.write_all(&record(storage, needed, data, element.padding_bits(elements)))?;
        let mut counted = Counted { out: &mut self.out, left: needed, given: 0 };
        write(&mut counted)?;
        check_length(element, elements, needed, counted.given)?;
        self.broken = false;
        self.position = end;
        self.count = count;
        Ok(offset)
    }

    /// Completes the file with the number of its blobs, and gives back what it was written to, at its end.
    ///
    /// # Errors
    /// If that cannot be written, or an earlier blob could not be.
    pub fn finish(mut self) -> Result<W, BlobWriteError> {
        if self.broken {
            return Err(BlobWriteError::Broken);
        }
        self.out.seek(SeekFrom::Start(self.start))?;
        self.out.write_all(&header(self.count))?;
        self.out.seek(SeekFrom::Start(self.start + self.position))?;
        self.out.flush()?;
        Ok(self.out)
    }
}

/// The number of a type in the file, and the bytes that its elements take.
fn storable(element: ElementType, elements: u64) -> Result<(u32, u64), BlobWriteError> {
    let both = element.storage().zip(element.bytes_for(elements));
    both.ok_or(BlobWriteError::Unstorable { elements, element })
}

fn check_length(element: ElementType, elements: u64, needed: u64, given: u64) -> Result<(), BlobWriteError> {
    if given == needed { Ok(()) } else { Err(BlobWriteError::Length { elements, element, needed, given }) }
}

fn header(count: u32) -> [u8; ALIGNMENT as usize] {
    let mut bytes = [0; ALIGNMENT as usize];
    bytes[0..4].copy_from_slice(&count.to_le_bytes());
    bytes[4..8].copy_from_slice(&VERSION.to_le_bytes());
    bytes
}

fn record(storage: u32, len: u64, data: u64, padding: u8) -> [u8; ALIGNMENT as usize] {
    let mut bytes = [0; ALIGNMENT as usize];
    bytes[0..4].copy_from_slice(&SENTINEL.to_le_bytes());
    bytes[4..8].copy_from_slice(&storage.to_le_bytes());
    bytes[8..16].copy_from_slice(&len.to_le_bytes());
    bytes[16..24].copy_from_slice(&data.to_le_bytes());
    bytes[24] = padding;
    bytes
}

/// A writer that counts, and writes nothing beyond the bytes that a blob has room for.
struct Counted<'a, W> {
    out: &'a mut W,
    left: u64,
    given: u64,
}

impl<W: Write> Write for Counted<'_, W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if data.len() as u64 > self.left {
            // Counted and not written: the length is reported, with both numbers.
            self.given = self.given.saturating_add(data.len() as u64);
            return Ok(data.len());
        }
        let written = self.out.write(data)?;
        self.left -= written as u64;
        self.given = self.given.saturating_add(written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
