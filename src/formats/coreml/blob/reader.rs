//! Reading blobs from the bytes of a file.

use crate::element::ElementType;

use super::{ALIGNMENT, BlobError, BlobFault, SENTINEL, VERSION};

/// A blob in a file of weights: a vector of elements; the program knows its shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blob<'a> {
    /// The element type.
    pub element: ElementType,
    /// The elements, little-endian; those narrower than a byte packed, lowest bits first.
    pub bytes: &'a [u8],
    /// The high bits of the last byte that belong to no element; 0 for types of whole bytes.
    pub padding_bits: u8,
}

impl Blob<'_> {
    /// How many elements it has.
    pub fn elements(&self) -> u64 {
        let bits = (self.bytes.len() as u64) * 8 - u64::from(self.padding_bits);
        bits / self.element.bits()
    }
}

/// The bytes of a file of weights, its header checked.
#[derive(Debug, Clone, Copy)]
pub struct BlobReader<'a> {
    bytes: &'a [u8],
    count: u32,
}

impl<'a> BlobReader<'a> {
    /// Checks the header of a whole file.
    ///
    /// # Errors
    /// [`BlobFault::TooShort`], [`BlobFault::Version1`], [`BlobFault::Version`].
    pub fn new(bytes: &'a [u8]) -> Result<BlobReader<'a>, BlobError> {
        let error = |offset, fault| Err(BlobError { offset, fault });
        if (bytes.len() as u64) < ALIGNMENT {
            return error(0, BlobFault::TooShort(bytes.len() as u64));
        }
        let header = Record(&bytes[..ALIGNMENT as usize]);
        match header.u32(4) {
            VERSION => Ok(BlobReader { bytes, count: header.u32(0) }),
            1 => error(4, BlobFault::Version1),
            other => error(4, BlobFault::Version(other)),
        }
    }

    /// How many blobs the header says that there are. Nothing checks it: programs refer to blobs by their place.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The blob whose record begins at a byte of the file.
    ///
    /// # Errors
    /// If there is no record of a known type there, or its data are not whole elements within the file.
    pub fn read(&self, offset: u64) -> Result<Blob<'a>, BlobError> {
        self.read_record(offset).map_err(|fault| BlobError { offset, fault })
    }

    fn read_record(&self, offset: u64) -> Result<Blob<'a>, BlobFault> {
        if offset < ALIGNMENT || !offset.is_multiple_of(ALIGNMENT) {
            return Err(BlobFault::Unaligned);
        }
        let file = self.bytes.len() as u64;
        let record = self.part(offset, ALIGNMENT).map(Record).ok_or(BlobFault::RecordBeyondFile { file })?;
        let found = record.u32(0);
        if found != SENTINEL {
            return Err(BlobFault::Sentinel { found });
        }
        let element = ElementType::from_storage(record.u32(4)).ok_or(BlobFault::Type(record.u32(4)))?;
        let (bytes, begin) = (record.u64(8), record.u64(16));
        let data = self.part(begin, bytes).ok_or(BlobFault::DataBeyondFile { begin, bytes, file })?;
        if bytes > 0 && (begin < ALIGNMENT || (begin < offset + ALIGNMENT && offset < begin + bytes)) {
            return Err(BlobFault::DataOverRecord { begin, bytes });
        }
        // Of a type of whole bytes the field means nothing: before iOS 18 it was reserved and held garbage.
        let padding = if element.is_sub_byte() { record.u64(24) } else { 0 };
        let part_element = BlobFault::PartElement { bytes, padding, element };
        match u8::try_from(padding) {
            Ok(padding_bits) if is_whole(bytes, padding_bits, element.bits()) => {
                Ok(Blob { element, bytes: data, padding_bits })
            }
            _ => Err(part_element),
        }
    }

    /// Every blob with its offset, one behind the other, as many as the header counts. It ends after the first
    /// error.
    pub fn blobs(&self) -> impl Iterator<Item = Result<(u64, Blob<'a>), BlobError>> {
        let reader = *self;
        let mut left = self.count;
        let mut offset = ALIGNMENT;
        std::iter::from_fn(move || {
            left = left.checked_sub(1)?;
            let at = offset;
            let blob = reader.read(at);
            match &blob {
                // Within the file, so this is no overflow. Never backwards, whatever the record says.
                Ok(blob) => {
                    let end = reader.end_of(blob).max(at + ALIGNMENT);
                    offset = end.next_multiple_of(ALIGNMENT);
                }
                Err(_) => left = 0,
            }
            Some(blob.map(|blob| (at, blob)))
        })
    }

    fn end_of(&self, blob: &Blob) -> u64 {
        let begin = blob.bytes.as_ptr() as usize - self.bytes.as_ptr() as usize;
        (begin + blob.bytes.len()) as u64
    }

    fn part(&self, begin: u64, len: u64) -> Option<&'a [u8]> {
        let begin = usize::try_from(begin).ok()?;
        self.bytes.get(begin..)?.get(..usize::try_from(len).ok()?)
    }
}

/// Whether bytes with some unused bits are a whole number of elements.
fn is_whole(bytes: u64, padding: u8, bits: u64) -> bool {
    let used = bytes.checked_mul(8).and_then(|all| all.checked_sub(padding.into()));
    padding < 8 && used.is_some_and(|used| used.is_multiple_of(bits))
}

/// The 64 bytes of the header or of a record.
struct Record<'a>(&'a [u8]);

impl Record<'_> {
    fn u32(&self, at: usize) -> u32 {
        self.array(at).map_or(0, u32::from_le_bytes)
    }

    fn u64(&self, at: usize) -> u64 {
        self.array(at).map_or(0, u64::from_le_bytes)
    }

    fn array<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.0.get(at..)?.first_chunk().copied()
    }
}
