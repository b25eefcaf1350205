//! Cases recorded from the upstream tools: pairs of a `.json` (the recipe) and a `.safetensors`.
//!
//! `tests/data/conformance/NAME.tar.gz` holds the folder `NAME` of the full set, packed reproducibly:
//!
//! ```text
//! tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX -cf - NAME | gzip -9n
//! ```
//!
//! The environment variable `BITMILL_CONFORMANCE` may name a directory with the full set, which is then
//! tested too.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;

/// One folder of cases, in memory.
pub struct Golden {
    /// Where it came from, for messages.
    pub origin: String,
    files: BTreeMap<String, Vec<u8>>,
}

impl Golden {
    /// The folder from the archive in the repository and, if there is one, from the full set.
    pub fn sources(name: &str) -> Vec<Self> {
        let mut sources = vec![Self::from_archive(name)];
        if let Some(root) = std::env::var_os("BITMILL_CONFORMANCE") {
            sources.push(Self::from_directory(&PathBuf::from(root).join(name)));
        }
        sources
    }

    fn from_archive(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/conformance").join(format!("{name}.tar.gz"));
        let file = std::fs::File::open(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
        let mut files = BTreeMap::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            if !entry.header().entry_type().is_file() {
                continue;
            }
            let path = entry.path().unwrap().into_owned();
            let inside = path.strip_prefix(name).unwrap().to_str().unwrap().to_owned();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            files.insert(inside, bytes);
        }
        Self { origin: format!("{name}.tar.gz"), files }
    }

    fn from_directory(directory: &Path) -> Self {
        let entries = std::fs::read_dir(directory).unwrap_or_else(|e| panic!("{}: {e}", directory.display()));
        let files = entries
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_file())
            .map(|path| {
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                (name, std::fs::read(path).unwrap())
            })
            .collect();
        Self { origin: directory.display().to_string(), files }
    }

    /// Every case that has a recipe: its name and the recipe file.
    pub fn cases(&self) -> impl Iterator<Item = (&str, serde_json::Value)> {
        self.files.iter().filter_map(|(file, bytes)| {
            let name = file.strip_suffix(".json")?;
            Some((name, serde_json::from_slice(bytes).unwrap()))
        })
    }

    /// The tensors of a `.safetensors` file, named without its ending.
    pub fn tensors(&self, name: &str) -> SafeTensors<'_> {
        let file = format!("{name}.safetensors");
        let bytes = self.files.get(&file).unwrap_or_else(|| panic!("{file} is missing"));
        SafeTensors::deserialize(bytes).unwrap()
    }
}
