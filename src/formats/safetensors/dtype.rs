//! Element types as headers name them.

use std::borrow::Cow;
use std::fmt;

use safetensors::Dtype;
use serde::de::value::{Error as ValueError, StrDeserializer};
use serde::{Deserialize, de};

use crate::dtype::DType;

/// An element type under the name a header gives it, known to bitmill or not, so that it can be written again
/// unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DtypeName(Cow<'static, str>);

impl DtypeName {
    /// The type of this name.
    pub fn new(name: &str) -> DtypeName {
        DtypeName(match DType::NAMES.iter().find(|(_, known, _)| *known == name) {
            Some((_, known, _)) => Cow::Borrowed(known),
            None => Cow::Owned(name.to_owned()),
        })
    }

    /// The name in the header: `F16`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The element type it names; [`DType::Opaque`] for those that bitmill does not read.
    pub fn dtype(&self) -> DType {
        let named = DType::NAMES.iter().find(|(_, known, _)| *known == self.0);
        named.map_or(DType::Opaque, |(dtype, ..)| *dtype)
    }

    /// The type as the `safetensors` crate knows it; `None` for types newer than the crate.
    pub(super) fn standard(&self) -> Option<Dtype> {
        Dtype::deserialize(StrDeserializer::<ValueError>::new(&self.0)).ok()
    }

    /// Width of an element in bits, where it is known.
    pub(super) fn bits(&self) -> Option<u64> {
        match self.dtype() {
            DType::Opaque => self.standard().map(|dtype| dtype.bitsize() as u64),
            dtype => Some(dtype.bits() as u64),
        }
    }
}

impl From<DType> for DtypeName {
    /// The name of a type; `OPAQUE`, which no reader takes, for [`DType::Opaque`].
    fn from(dtype: DType) -> DtypeName {
        DtypeName(Cow::Borrowed(dtype.safetensors_name().unwrap_or("OPAQUE")))
    }
}

impl fmt::Display for DtypeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for DtypeName {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl de::Visitor<'_> for Name {
            type Value = DtypeName;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of an element type")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<DtypeName, E> {
                // Names are words of capitals and digits; anything else is not a type of any version.
                let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
                if name.is_empty() || name.len() > 32 || !name.bytes().all(word) {
                    return Err(E::invalid_value(de::Unexpected::Str(name), &self));
                }
                Ok(DtypeName::new(name))
            }
        }
        deserializer.deserialize_str(Name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_agree_with_the_crate() {
        for (dtype, name, _) in DType::NAMES {
            let standard = DtypeName::new(name).standard().expect("the crate knows every type that we do");
            assert_eq!(standard.bitsize(), dtype.bits(), "{name}");
            assert_eq!(DtypeName::from(*dtype).dtype(), *dtype);
        }
        assert_eq!(DtypeName::new("F4").bits(), Some(4));
        assert_eq!((DtypeName::new("F12").bits(), DtypeName::new("F12").dtype()), (None, DType::Opaque));
    }
}
