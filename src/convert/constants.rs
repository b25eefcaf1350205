//! What the large constants of a converted program hold: tensors of the archive, as they are or folded.

use std::sync::Arc;

use bytes::Bytes;
use half::{bf16, f16};

use super::Tensors;
use super::fold::Fold;
use crate::graph::aten::ScalarType;
use crate::graph::{BlobRef, Blobs, Name, TensorType};
use crate::words::shown;

/// The file that blobs of converted programs are in until they are written.
const FILE: &str = "@export";

/// What a constant is made of.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// A tensor of the archive.
    Stored {
        /// Its dotted name.
        name: Name,
        /// Its type there.
        from: ScalarType,
    },
    /// A convolution's weight with a normalization in it.
    FoldedWeight(Arc<Fold>),
    /// The bias that goes with it.
    FoldedBias(Arc<Fold>),
    /// The rows of stored tensors added up, in blocks of another order: gates of a recurrent layer.
    Blocks {
        /// The tensors, of one shape.
        stored: Vec<(Name, ScalarType)>,
        /// For each block of rows the one that stands there.
        order: Vec<usize>,
    },
    /// Computed while the program was converted.
    Made(Bytes),
}

/// What the large constants of a converted program hold.
#[derive(Debug, Clone, Default)]
pub struct Constants {
    sources: Vec<Source>,
}

impl Constants {
    pub(super) fn add(&mut self, source: Source) -> BlobRef {
        self.sources.push(source);
        BlobRef { file: FILE.into(), offset: self.sources.len() as u64 - 1 }
    }

    /// The elements of a constant that was computed while the program was converted.
    pub(super) fn made(&self, blob: &BlobRef) -> Option<Bytes> {
        let index = usize::try_from(blob.offset).ok().filter(|_| &*blob.file == FILE)?;
        match self.sources.get(index)? {
            Source::Made(bytes) => Some(bytes.clone()),
            _ => None,
        }
    }

    /// The elements of a constant, as the program has them.
    ///
    /// # Errors
    /// If there is no such constant, or the archive does not hold what it is made of.
    pub fn elements(&self, blob: &BlobRef, tensors: &dyn Tensors) -> Result<Vec<u8>, String> {
        let index = usize::try_from(blob.offset).ok().filter(|_| &*blob.file == FILE);
        let source = index.and_then(|index| self.sources.get(index)).ok_or("a constant is missing")?;
        source.bytes(tensors)
    }

    /// The constants as the blobs of the program, to run it as it is.
    pub fn blobs<'a>(&'a self, tensors: &'a dyn Tensors) -> impl Blobs + 'a {
        Read { constants: self, tensors }
    }
}

struct Read<'a> {
    constants: &'a Constants,
    tensors: &'a dyn Tensors,
}

impl Blobs for Read<'_> {
    fn bytes(&self, blob: &BlobRef, ty: &TensorType) -> Option<Bytes> {
        let bytes = self.constants.elements(blob, self.tensors).ok()?;
        (ty.bytes() == Some(bytes.len() as u64)).then(|| bytes.into())
    }
}

impl Source {
    /// The elements as the program has them.
    pub(super) fn bytes(&self, tensors: &dyn Tensors) -> Result<Vec<u8>, String> {
        match self {
            Source::Stored { name, from } => {
                let bytes = tensors.elements(name).ok_or_else(|| missing(name))?;
                converted(name, *from, &bytes)
            }
            Source::FoldedWeight(fold) => Ok(as_bytes(&fold.weight(tensors)?)),
            Source::FoldedBias(fold) => Ok(as_bytes(&fold.bias(tensors)?)),
            Source::Blocks { stored, order } => blocks(stored, order, tensors),
            Source::Made(bytes) => Ok(bytes.to_vec()),
        }
    }
}

fn blocks(stored: &[(Name, ScalarType)], order: &[usize], tensors: &dyn Tensors) -> Result<Vec<u8>, String> {
    let mut all = stored.iter().map(|(name, from)| floats(name, *from, tensors));
    let mut sum = all.next().ok_or("a constant is made of nothing")??;
    for more in all {
        sum.iter_mut().zip(more?).for_each(|(sum, more)| *sum += more);
    }
    let size = sum.len() / order.len().max(1);
    let block = |at: &usize| sum.get(at * size..(at + 1) * size).unwrap_or_default().to_vec();
    Ok(as_bytes(&order.iter().flat_map(block).collect::<Vec<f32>>()))
}

fn missing(name: &str) -> String {
    format!("the tensor `{}` cannot be read", shown(name))
}

fn as_bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// The values of a stored tensor of floats.
pub(super) fn floats(name: &Name, from: ScalarType, tensors: &dyn Tensors) -> Result<Vec<f32>, String> {
    let bytes = tensors.elements(name).ok_or_else(|| missing(name))?;
    let bytes = &*bytes;
    Ok(match from {
        ScalarType::Float32 => bytes.as_chunks().0.iter().map(|raw| f32::from_le_bytes(*raw)).collect(),
        ScalarType::Float64 => bytes.as_chunks().0.iter().map(|raw| f64::from_le_bytes(*raw) as f32).collect(),
        ScalarType::Float16 => bytes.as_chunks().0.iter().map(|raw| f16::from_le_bytes(*raw).to_f32()).collect(),
        ScalarType::Bfloat16 => bytes.as_chunks().0.iter().map(|raw| bf16::from_le_bytes(*raw).to_f32()).collect(),
        other => return Err(format!("the tensor `{}` of {other} is taken as floats", shown(name))),
    })
}

/// Elements of a type of PyTorch as fp32, int32 or truth values.
fn converted(name: &Name, from: ScalarType, bytes: &[u8]) -> Result<Vec<u8>, String> {
    use ScalarType as S;
    let all = |values: &mut dyn Iterator<Item = i64>| {
        let narrow = |value: i64| i32::try_from(value).map(i32::to_le_bytes);
        let bytes: Result<Vec<[u8; 4]>, _> = values.map(narrow).collect();
        let large = |_| format!("the tensor `{}` holds an integer beyond 32 bits", shown(name));
        Ok(bytes.map_err(large)?.concat())
    };
    match from {
        S::Float32 | S::Int32 => Ok(bytes.to_vec()),
        S::Float16 => {
            Ok(bytes.as_chunks().0.iter().flat_map(|raw| f16::from_le_bytes(*raw).to_f32().to_le_bytes()).collect())
        }
        S::Bfloat16 => {
            Ok(bytes.as_chunks().0.iter().flat_map(|raw| bf16::from_le_bytes(*raw).to_f32().to_le_bytes()).collect())
        }
        S::Float64 => {
            Ok(bytes.as_chunks().0.iter().flat_map(|raw| (f64::from_le_bytes(*raw) as f32).to_le_bytes()).collect())
        }
        S::Bool => Ok(bytes.iter().map(|byte| u8::from(*byte != 0)).collect()),
        S::Uint8 => all(&mut bytes.iter().map(|byte| i64::from(*byte))),
        S::Int8 => all(&mut bytes.iter().map(|byte| i64::from(byte.cast_signed()))),
        S::Int16 => all(&mut bytes.as_chunks().0.iter().map(|raw| i64::from(i16::from_le_bytes(*raw)))),
        S::Uint16 => all(&mut bytes.as_chunks().0.iter().map(|raw| i64::from(u16::from_le_bytes(*raw)))),
        S::Int64 => all(&mut bytes.as_chunks().0.iter().map(|raw| i64::from_le_bytes(*raw))),
        other => Err(format!("the tensor `{}` is of {other}, which is not converted", shown(name))),
    }
}
