//! How the schema's unions are read: objects with one key, which says what the value is.

/// Declares unions with the key of each variant. A key that is not known, of a later version of the schema, becomes
/// `Unknown` with the key; no key and several are errors.
macro_rules! unions {
    ($($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident($ty:ty) = $key:literal,)+ })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub enum $name {
            $($(#[$variant_doc])* $variant($ty),)+
            /// Something of a later version, by its key.
            Unknown(String),
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl<'de> serde::de::Visitor<'de> for Visitor {
                    type Value = $name;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an object with one key")
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<$name, A::Error> {
                        use serde::de::Error;
                        let key = map.next_key::<std::borrow::Cow<'de, str>>()?;
                        let key = key.ok_or_else(|| A::Error::custom("an object with one key has none"))?;
                        let value = match key.as_ref() {
                            $($key => $name::$variant(map.next_value()?),)+
                            _ => {
                                map.next_value::<serde::de::IgnoredAny>()?;
                                $name::Unknown(key.into_owned())
                            }
                        };
                        match map.next_key::<serde::de::IgnoredAny>()? {
                            None => Ok(value),
                            Some(_) => Err(A::Error::custom("an object with one key has several")),
                        }
                    }
                }
                deserializer.deserialize_map(Visitor)
            }
        }
    )+};
}
pub(super) use unions;
