//! Writing a file whose tensors are known beforehand, each at its place and in any order, from any thread.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
#[cfg(not(unix))]
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Map, Value, json};

use crate::formats::output::{OutputError, PartialFile};
use crate::words::shown;

use super::header::{data_size, is_good_name};
use super::json::METADATA;
use super::{DtypeName, MAX_HEADER, MAX_RANK};

/// A tensor to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct TensorSpec {
    /// Its name.
    pub name: String,
    /// Its element type, as the header names it.
    pub dtype: DtypeName,
    /// Its dimensions, outermost first.
    pub shape: Vec<usize>,
    /// The length of its data in bytes.
    pub bytes: u64,
}

/// A safetensors file that is being written aside. Dropped before [`Writer::commit`], it leaves nothing.
#[derive(Debug)]
pub struct Writer {
    file: PartialFile,
    /// Offset and length of each tensor's data in the file, in the order of the specifications.
    places: Vec<(u64, u64)>,
    /// Which tensors have been written; those without data count as written from the start.
    written: Vec<AtomicBool>,
    len: u64,
    #[cfg(not(unix))]
    position: Mutex<()>,
}

impl Writer {
    /// Writes the header and makes room for the data.
    ///
    /// Tensors lie in the file by falling alignment of their elements and then in the order given, so that each is
    /// aligned to its elements, as readers that map files expect. The bytes of the file depend on the arguments
    /// alone.
    ///
    /// # Errors
    /// If the file cannot be written; a full disk is noticed here where the system reserves room. If readers would
    /// refuse the file: two tensors of one name, sizes that do not fit their shapes, too long a header.
    pub fn create(
        mut file: PartialFile,
        tensors: &[TensorSpec],
        metadata: &[(String, String)],
    ) -> Result<Writer, OutputError> {
        check(tensors).map_err(|why| wrong(file.path(), why))?;
        let mut order: Vec<usize> = (0..tensors.len()).collect();
        order.sort_by_key(|&index| std::cmp::Reverse(alignment(&tensors[index])));
        let mut header = Map::new();
        if !metadata.is_empty() {
            let texts = metadata.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str())));
            header.insert(METADATA.into(), Value::Object(texts.collect()));
        }
        let mut places = vec![(0, 0); tensors.len()];
        let mut end = 0u64;
        for index in order {
            let tensor = &tensors[index];
            let begin = end;
            end = begin.checked_add(tensor.bytes).ok_or_else(|| too_large(file.path()))?;
            places[index] = (begin, tensor.bytes);
            let entry = json!({ "dtype": tensor.dtype.as_str(), "shape": tensor.shape, "data_offsets": [begin, end] });
            header.insert(tensor.name.clone(), entry);
        }
        let mut text = Value::Object(header).to_string().into_bytes();
        text.resize(text.len().next_multiple_of(8), b' ');
        if text.len() as u64 > MAX_HEADER {
            return Err(wrong(file.path(), format!("its header would be longer than {MAX_HEADER} bytes")));
        }
        let data_start = 8 + text.len() as u64;
        for place in &mut places {
            place.0 += data_start;
        }
        let len = data_start.checked_add(end).ok_or_else(|| too_large(file.path()))?;
        let path = file.path().to_owned();
        let io = |error| OutputError::from_io(&path, error);
        file.write_all(&(text.len() as u64).to_le_bytes()).map_err(io)?;
        file.write_all(&text).map_err(io)?;
        file.as_file().set_len(len).map_err(io)?;
        let written = tensors.iter().map(|tensor| AtomicBool::new(tensor.bytes == 0)).collect();
        Ok(Writer {
            file,
            places,
            written,
            len,
            #[cfg(not(unix))]
            position: Mutex::new(()),
        })
    }

    /// The length of the whole file in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether the file has no byte: never, since it has a header.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Writes the data of one tensor, given by its index among the specifications.
    ///
    /// # Errors
    /// If the data has another length than was specified, was written already, or cannot be written.
    pub fn write_at(&self, index: usize, data: &[u8]) -> Result<(), OutputError> {
        let (Some(&(offset, bytes)), Some(written)) = (self.places.get(index), self.written.get(index)) else {
            return Err(wrong(self.file.path(), format!("there is no tensor {index} to write")));
        };
        if bytes != data.len() as u64 {
            let why = format!("a tensor of {bytes} bytes was announced, and has {}", data.len());
            return Err(wrong(self.file.path(), why));
        }
        if bytes > 0 && written.swap(true, Ordering::Relaxed) {
            return Err(wrong(self.file.path(), format!("tensor {index} is written twice")));
        }
        self.write_all_at(self.file.as_file(), data, offset).map_err(|error| {
            // What did not get there is not written: no commit goes on without it.
            written.store(false, Ordering::Relaxed);
            OutputError::from_io(self.file.path(), error)
        })
    }

    #[cfg(unix)]
    fn write_all_at(&self, file: &File, data: &[u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::write_all_at(file, data, offset)
    }

    #[cfg(not(unix))]
    fn write_all_at(&self, mut file: &File, data: &[u8], offset: u64) -> io::Result<()> {
        use std::io::Seek;
        let _one_at_a_time = self.position.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        file.seek(io::SeekFrom::Start(offset))?;
        file.write_all(data)
    }

    /// Puts the complete file in its place.
    ///
    /// # Errors
    /// As [`PartialFile::commit`], and if a tensor has not been written.
    pub fn commit(self) -> Result<(), OutputError> {
        if let Some(index) = self.written.iter().position(|written| !written.load(Ordering::Relaxed)) {
            return Err(wrong(self.file.path(), format!("tensor {index} has not been written")));
        }
        self.file.commit()
    }
}

/// The power of two, in bits, at which the elements of a tensor lie, told from its size where its type is not
/// known.
fn alignment(tensor: &TensorSpec) -> u64 {
    let elements: u64 = tensor.shape.iter().map(|&dimension| dimension as u64).product();
    let told = || tensor.bytes.checked_mul(8).filter(|bits| bits.is_multiple_of(elements))?.checked_div(elements);
    let width = tensor.dtype.bits().or_else(told).unwrap_or(0);
    width & width.wrapping_neg()
}

/// Checks what readers check, before anything is written.
fn check(tensors: &[TensorSpec]) -> Result<(), String> {
    let mut names = HashSet::with_capacity(tensors.len());
    for TensorSpec { name, dtype, shape, bytes } in tensors {
        if !is_good_name(name) || name == METADATA {
            return Err(format!("`{}` cannot be the name of a tensor", shown(name)));
        }
        if !names.insert(name.as_str()) {
            return Err(format!("two tensors have the name `{}`", shown(name)));
        }
        if shape.len() > MAX_RANK {
            return Err(format!("`{}` has more than {MAX_RANK} dimensions", shown(name)));
        }
        let size = data_size(shape, dtype).map_err(|fault| format!("`{}`: {fault}", shown(name)))?;
        if size.is_some_and(|size| size != *bytes) {
            return Err(format!("`{}` is announced with {bytes} bytes, which do not fit its shape", shown(name)));
        }
    }
    Ok(())
}

fn wrong(path: &Path, why: String) -> OutputError {
    OutputError::from_io(path, io::Error::new(io::ErrorKind::InvalidInput, why))
}

fn too_large(path: &Path) -> OutputError {
    OutputError::from_io(path, io::Error::from(io::ErrorKind::FileTooLarge))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::output::Destination;
    use crate::formats::safetensors::Reader;

    fn spec(name: &str, dtype: &str, shape: &[usize], bytes: u64) -> TensorSpec {
        TensorSpec { name: name.into(), dtype: DtypeName::new(dtype), shape: shape.to_vec(), bytes }
    }

    #[test]
    fn what_is_written_in_any_order_reads_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.safetensors");
        let partial = PartialFile::create(&Destination { path: &path, overwrite: false, inputs: &[] }).unwrap();
        let tensors = [
            spec("codes", "U8", &[3], 3),
            spec("scale", "F32", &[2], 8),
            spec("none", "F16", &[0, 4], 0),
            spec("s", "F16", &[], 2),
        ];
        let writer = Writer::create(partial, &tensors, &[("format".into(), "pt".into())]).unwrap();
        writer.write_at(1, &[1, 2, 3, 4, 5, 6, 7, 8]).unwrap();
        writer.write_at(0, &[9, 8, 7]).unwrap();
        writer.write_at(3, &[4, 2]).unwrap();
        assert!(writer.write_at(0, &[0]).is_err());
        assert!(writer.write_at(0, &[9, 8, 7]).unwrap_err().to_string().contains("twice"));
        writer.commit().unwrap();
        let reader = Reader::open(&path).unwrap();
        assert_eq!(reader.tensor("codes").unwrap(), [9, 8, 7]);
        assert_eq!(reader.tensor("scale").unwrap(), [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(reader.tensor("none").unwrap(), [0u8; 0]);
        assert_eq!(reader.header().metadata, [("format".to_string(), "pt".to_string())]);
        let bytes = std::fs::read(&path).unwrap();
        let theirs = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(theirs.tensor("s").unwrap().data(), [4, 2]);
    }

    #[test]
    fn what_no_reader_takes_is_not_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.safetensors");
        let refused = |tensors: &[TensorSpec]| {
            let partial = PartialFile::create(&Destination { path: &path, overwrite: false, inputs: &[] }).unwrap();
            Writer::create(partial, tensors, &[]).unwrap_err().to_string()
        };
        assert!(refused(&[spec("a", "U8", &[1], 1), spec("a", "U8", &[1], 1)]).contains("two tensors"));
        assert!(refused(&[spec("__metadata__", "U8", &[1], 1)]).contains("cannot be the name"));
        assert!(refused(&[spec("a", "F32", &[2], 4)]).contains("do not fit its shape"));
        assert!(refused(&[spec("a", "F32", &[usize::MAX], 4)]).contains("too many elements"));
        assert!(refused(&[spec("a", "U8", &[1; 65], 1)]).contains("more than 64 dimensions"));
    }

    #[test]
    fn every_tensor_is_written_before_the_file_is_there() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.safetensors");
        let partial = PartialFile::create(&Destination { path: &path, overwrite: false, inputs: &[] }).unwrap();
        let writer = Writer::create(partial, &[spec("a", "U8", &[1], 1), spec("b", "U8", &[1], 1)], &[]).unwrap();
        writer.write_at(0, &[1]).unwrap();
        assert!(writer.commit().unwrap_err().to_string().contains("tensor 1 has not been written"));
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_dropped_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.safetensors");
        let partial = PartialFile::create(&Destination { path: &path, overwrite: false, inputs: &[] }).unwrap();
        drop(Writer::create(partial, &[spec("a", "U8", &[1], 1)], &[]).unwrap());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
