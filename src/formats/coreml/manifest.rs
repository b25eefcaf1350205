//! `Manifest.json`: which file of a package is what. CT:modelpackage/src/ModelPackage.cpp:36-52, 255-424.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use serde_json::ser::{PrettyFormatter, Serializer};
use serde_json::{Map, Value};

use serde::Serialize;

use crate::words::shown;

/// The newest version of the file format, and the one that is written.
const VERSION: [u32; 3] = [1, 0, 0];

/// Who writes the items that Core ML looks for.
pub const APPLE: &str = "com.apple.CoreML";

/// The manifest of a package.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Manifest {
    /// The items, in the order in which they stand.
    pub items: Vec<Item>,
    /// The identifier of the item that is the model.
    pub root: String,
    /// Anything else in it, which is kept.
    pub extra: Map<String, Value>,
}

/// A file or directory of a package.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Its identifier, unique in the package; usually a UUID.
    pub identifier: String,
    /// Where it lies, relative to the package's `Data` directory.
    pub path: String,
    /// Its name.
    pub name: String,
    /// Who made it, as a reversed domain name.
    pub author: String,
    /// A sentence about it.
    pub description: String,
    /// Anything else in the entry, which is kept.
    pub extra: Map<String, Value>,
}

/// What is wrong with a manifest.
#[derive(Debug, thiserror::Error)]
pub enum ManifestFault {
    /// Not JSON.
    #[error("it is not JSON: {0}")]
    Json(serde_json::Error),
    /// Not of the expected form.
    #[error("`{}` is missing or is not {expected}", shown(.place))]
    Form {
        /// The keys that lead there.
        place: String,
        /// What should stand there.
        expected: &'static str,
    },
    /// A version that is not known.
    #[error("`fileFormatVersion` is `{}`; versions up to 1.0.0 are known", shown(.0))]
    Version(String),
    /// A path that leads out of the package.
    #[error("`{}` is `{}`, which leads out of the package", shown(.place), shown(.path))]
    Leaves {
        /// The keys that lead there.
        place: String,
        /// The path.
        path: String,
    },
    /// The root is no item.
    #[error("`rootModelIdentifier` is `{}`, and no entry has this identifier", shown(.0))]
    NoRoot(String),
}

impl Manifest {
    /// Reads the text of a manifest. Every path in it stays in the package; whether something lies there is not
    /// looked at.
    ///
    /// # Errors
    /// [`ManifestFault`].
    pub fn parse(text: &[u8]) -> Result<Manifest, ManifestFault> {
        let value: Value = serde_json::from_slice(text).map_err(ManifestFault::Json)?;
        let Value::Object(mut extra) = value else {
            return Err(form("the manifest", "an object"));
        };
        let version = take_text(&mut extra, "", "fileFormatVersion")?;
        if !is_known_version(&version) {
            return Err(ManifestFault::Version(version));
        }
        let root = take_text(&mut extra, "", "rootModelIdentifier")?;
        let entries = match extra.shift_remove("itemInfoEntries") {
            None => Map::new(),
            Some(Value::Object(entries)) => entries,
            Some(_) => return Err(form("itemInfoEntries", "an object")),
        };
        let items: Vec<Item> =
            entries.into_iter().map(|(key, value)| Item::parse(key, value)).collect::<Result<_, _>>()?;
        if !items.iter().any(|item| item.identifier == root) {
            return Err(ManifestFault::NoRoot(root));
        }
        Ok(Manifest { items, root, extra })
    }

    /// The item that is the model.
    pub fn root_item(&self) -> Option<&Item> {
        self.items.iter().find(|item| item.identifier == self.root)
    }

    /// The text, as upstream lays it out: keys sorted, four blanks to a level, a newline at the end.
    pub fn to_text(&self) -> String {
        let version = VERSION.map(|part| part.to_string()).join(".");
        let entries = self.items.iter().map(|item| (item.identifier.clone(), sorted(item.to_map())));
        let mut all = self.extra.clone();
        all.insert("fileFormatVersion".into(), version.into());
        all.insert("itemInfoEntries".into(), sorted(entries.collect()));
        all.insert("rootModelIdentifier".into(), self.root.as_str().into());
        let mut text = vec![];
        let mut serializer = Serializer::with_formatter(&mut text, PrettyFormatter::with_indent(b"    "));
        sorted(all).serialize(&mut serializer).expect("a JSON value can be written to memory");
        text.push(b'\n');
        String::from_utf8(text).expect("serde_json writes UTF-8")
    }
}

impl Item {
    fn parse(identifier: String, value: Value) -> Result<Item, ManifestFault> {
        let place = format!("itemInfoEntries.{identifier}");
        let Value::Object(mut extra) = value else {
            return Err(form(&place, "an object"));
        };
        let mut text = |key| take_text(&mut extra, &place, key);
        let (path, name, author, description) = (text("path")?, text("name")?, text("author")?, text("description")?);
        if inner_path(&path).is_none() {
            return Err(ManifestFault::Leaves { place: format!("{place}.path"), path });
        }
        Ok(Item { identifier, path, name, author, description, extra })
    }

    fn to_map(&self) -> Map<String, Value> {
        let mut map = self.extra.clone();
        for (key, text) in
            [("path", &self.path), ("name", &self.name), ("author", &self.author), ("description", &self.description)]
        {
            map.insert(key.into(), text.as_str().into());
        }
        map
    }
}

/// A relative path that stays below where it begins, made of plain names only; `None` for any other.
pub(super) fn inner_path(path: &str) -> Option<PathBuf> {
    if path.contains(['\\', '\0']) {
        return None;
    }
    let mut inner = PathBuf::new();
    for component in Path::new(path).components() {
        match component {
            Component::Normal(name) => inner.push(name),
            Component::CurDir => {}
            _ => return None,
        }
    }
    (inner != Path::new("")).then_some(inner)
}

fn take_text(map: &mut Map<String, Value>, place: &str, key: &str) -> Result<String, ManifestFault> {
    match map.shift_remove(key) {
        Some(Value::String(text)) => Ok(text),
        _ if place.is_empty() => Err(form(key, "a string")),
        _ => Err(form(&format!("{place}.{key}"), "a string")),
    }
}

fn form(place: &str, expected: &'static str) -> ManifestFault {
    ManifestFault::Form { place: place.to_owned(), expected }
}

fn is_known_version(text: &str) -> bool {
    let parts: Option<Vec<u32>> = text.split('.').map(|part| part.parse().ok()).collect();
    parts.is_some_and(|parts| parts.len() == 3 && parts[..] <= VERSION[..])
}

fn sorted(map: Map<String, Value>) -> Value {
    let sorted: BTreeMap<String, Value> = map.into_iter().collect();
    Value::Object(sorted.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const REAL: &str = r#"{
    "fileFormatVersion": "1.0.0",
    "itemInfoEntries": {
        "0b3c2d14-7e0e-4a56-9c4e-3a8f5c2d9a01": {
            "author": "com.apple.CoreML",
            "description": "CoreML Model Specification",
            "name": "model.mlmodel",
            "path": "com.apple.CoreML/model.mlmodel"
        },
        "b1a7c9e2-11aa-4f0e-8a5b-5d1f7e3c2b02": {
            "author": "com.apple.CoreML",
            "description": "CoreML Model Weights",
            "name": "weights",
            "path": "com.apple.CoreML/weights"
        }
    },
    "rootModelIdentifier": "0b3c2d14-7e0e-4a56-9c4e-3a8f5c2d9a01"
}
"#;

    /// What is wrong with the manifest after a replacement in it.
    fn fault(from: &str, to: &str) -> String {
        assert!(REAL.contains(from), "{from}");
        Manifest::parse(REAL.replace(from, to).as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn a_manifest_is_written_as_upstream_writes_it() {
        let manifest = Manifest::parse(REAL.as_bytes()).unwrap();
        assert_eq!(manifest.root_item().map(|item| item.path.as_str()), Some("com.apple.CoreML/model.mlmodel"));
        assert_eq!(manifest.to_text(), REAL);
    }

    #[test]
    fn what_is_not_known_is_kept_and_keys_are_sorted() {
        let text = REAL.replace("{\n    \"file", "{\n    \"zoo\": [1, {\"b\": null}],\n    \"file");
        let text = text.replace("\"name\": \"weights\"", "\"tag\": true, \"name\": \"weights\"");
        let manifest = Manifest::parse(text.as_bytes()).unwrap();
        let again = Manifest::parse(manifest.to_text().as_bytes()).unwrap();
        assert_eq!(again, manifest);
        assert_eq!((again.extra.len(), again.items[1].extra.len()), (1, 1));
        assert!(manifest.to_text().find("\"zoo\"") > manifest.to_text().find("\"rootModelIdentifier\""));
    }

    #[test]
    fn manifests_that_lie() {
        insta::assert_snapshot!(fault("{", "{,"), @"it is not JSON: key must be a string at line 1 column 2");
        insta::assert_snapshot!(fault("\"1.0.0\"", "100"), @"`fileFormatVersion` is missing or is not a string");
        insta::assert_snapshot!(fault("1.0.0", "2.0.0"), @"`fileFormatVersion` is `2.0.0`; versions up to 1.0.0 are known");
        insta::assert_snapshot!(fault("1.0.0", "1.0.1"), @"`fileFormatVersion` is `1.0.1`; versions up to 1.0.0 are known");
        insta::assert_snapshot!(fault("1.0.0", "1.0"), @"`fileFormatVersion` is `1.0`; versions up to 1.0.0 are known");
        insta::assert_snapshot!(fault("rootModelIdentifier", "root"), @"`rootModelIdentifier` is missing or is not a string");
        insta::assert_snapshot!(fault("itemInfoEntries", "items"), @"`rootModelIdentifier` is `0b3c2d14-7e0e-4a56-9c4e-3a8f5c2d9a01`, and no entry has this identifier");
        insta::assert_snapshot!(fault("\"author\": \"com.apple.CoreML\",\n", ""), @"`itemInfoEntries.0b3c2d14-7e0e-4a56-9c4e-3a8f5c2d9a01.author` is missing or is not a string");
        insta::assert_snapshot!(fault("com.apple.CoreML/weights", "../weights"), @"`itemInfoEntries.b1a7c9e2-11aa-4f0e-8a5b-5d1f7e3c2b02.path` is `../weights`, which leads out of the package");
        assert!(Manifest::parse(b"[]").unwrap_err().to_string().contains("an object"));
        assert!(Manifest::parse(&b"[".repeat(100_000)).unwrap_err().to_string().contains("recursion limit"));
        assert!(Manifest::parse(b"").is_err());
    }

    #[test]
    fn paths_stay_below() {
        for bad in ["", ".", "/etc/passwd", "..", "a/../../b", "a/..", "a\\..\\b", "a\0b"] {
            assert_eq!(inner_path(bad), None, "{bad}");
        }
        assert_eq!(inner_path("a/./b//c/"), Some(PathBuf::from("a/b/c")));
        assert_eq!(inner_path("..a"), Some(PathBuf::from("..a")));
    }
}
