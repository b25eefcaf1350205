//! The protobuf messages of Core ML models, as far as ML Programs need them.
//!
//! Every message is used through [`Kept`], which carries along the fields that are not named here. Maps are lists
//! of entries, so that their order survives; a key that stands twice means its last entry ([`find`]). Enumerations
//! are `i32`, so that unknown values pass.
//!
//! Names are those of coremltools' `mlmodel/format/{Model,FeatureTypes,MIL}.proto`, in Rust's spelling.

mod features;
mod kept;
mod mil;
mod model;

pub use features::*;
pub use kept::{Kept, Known};
pub use mil::*;
pub use model::*;

/// Defines a message: its struct, its oneofs, and the numbers of its fields from the same lines.
///
/// A field is `(NUMBER KIND) NAME: TYPE`, KIND in the words of `prost`'s attribute. A oneof follows the struct and
/// becomes its field, an `Option` of the enum.
macro_rules! message {
    (
        $(#[$meta:meta])*
        struct $Name:ident {
            $( $(#[$field_meta:meta])* ($tag:tt $($kind:tt)+) $field:ident: $Type:ty, )*
        }
        $(
            $(#[$oneof_meta:meta])*
            oneof $oneof:ident: $Oneof:ident {
                $( $(#[$arm_meta:meta])* ($arm_tag:tt $($arm_kind:tt)+) $Arm:ident($Inner:ty), )+
            }
        )*
    ) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, ::prost::Message)]
        pub struct $Name {
            $( $(#[$field_meta])* #[prost($($kind)+, tag = $tag)] pub $field: $Type, )*
            $( $(#[$oneof_meta])* #[prost(oneof($Oneof), tags($($arm_tag),+))] pub $oneof: Option<$Oneof>, )*
        }

        impl $crate::formats::coreml::proto::Known for $Name {
            const TAGS: &'static [u32] = &[$($tag,)* $($($arm_tag,)+)*];
        }

        $(
            $(#[$oneof_meta])*
            #[derive(Clone, PartialEq, ::prost::Oneof)]
            pub enum $Oneof {
                $( $(#[$arm_meta])* #[prost($($arm_kind)+, tag = $arm_tag)] $Arm($Inner), )+
            }
        )*
    };
}

/// Defines the entry of a map from strings to messages.
macro_rules! map_entry {
    ($(#[$meta:meta])* $Name:ident => $Value:ty) => {
        $crate::formats::coreml::proto::message! {
            $(#[$meta])*
            struct $Name {
                /// The key.
                (1 string) key: String,
                /// The value; none stands for an empty message.
                (2 message, optional) value: Option<Kept<$Value>>,
            }
        }

        impl $crate::formats::coreml::proto::Entry for $Name {
            type Value = $Value;

            fn entry(key: String, value: Kept<$Value>) -> $Name {
                $Name { key, value: Some(value) }
            }

            fn key(&self) -> &str {
                &self.key
            }

            fn value(&self) -> Option<&Kept<$Value>> {
                self.value.as_ref()
            }
        }
    };
}

use {map_entry, message};

/// An entry of a map from strings to messages.
pub trait Entry {
    /// The message that is the value.
    type Value;

    /// The entry of a key and a value.
    fn entry(key: String, value: Kept<Self::Value>) -> Self;

    /// The key.
    fn key(&self) -> &str;

    /// The value; none stands for an empty message.
    fn value(&self) -> Option<&Kept<Self::Value>>;
}

/// The value of a key in a map: of several entries the last, as protobuf has it.
pub fn find<'a, E: Entry>(map: &'a [Kept<E>], key: &str) -> Option<&'a Kept<E::Value>> {
    map.iter().rev().find(|entry| entry.key() == key)?.value()
}

#[cfg(test)]
mod tests;
