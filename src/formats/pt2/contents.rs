//! What an archive holds: its programs, and where their tensors lie. No tensor is read.

use std::collections::HashMap;
use std::io::{Read, Seek};

use serde::Deserialize;

use super::schema::{ExportedProgram, MAJOR, PayloadConfig, SchemaVersion};
use super::tensor::StoredTensor;
use super::zip::{self, Member};
use super::{MAX_JSON, Pt2Fault};
use crate::formats::natural::natural_order;

/// The longest of the members that hold a word: formats, versions.
const MAX_WORD: u64 = 64;

/// The programs of an archive and the places of their tensors.
#[derive(Debug)]
pub struct Contents {
    /// Every file of the archive.
    pub members: Vec<Member>,
    /// The programs, in the natural order of their names.
    pub programs: Vec<StoredProgram>,
    /// Members that are pickles and are passed over: sample inputs and objects.
    pub pickles: Vec<String>,
}

/// A program with its tensors.
#[derive(Debug)]
pub struct StoredProgram {
    /// Its name: `model`, unless several were saved together.
    pub name: String,
    /// The program.
    pub program: ExportedProgram,
    /// Parameters and persistent buffers, in the order of the state dict.
    pub weights: Vec<Payload>,
    /// Other buffers, and tensors that stood in the code.
    pub constants: Vec<Payload>,
}

/// A tensor by its dotted name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// The dotted name: `layers.0.q_proj.weight`.
    pub name: String,
    /// Whether it is a parameter.
    pub is_param: bool,
    /// Where it is.
    pub tensor: StoredTensor,
}

impl Contents {
    /// Reads the programs of an archive of `len` bytes.
    ///
    /// # Errors
    /// What is wrong, with the member that it is about.
    pub fn read(source: &mut (impl Read + Seek), len: u64) -> Result<Contents, (Option<String>, Pt2Fault)> {
        let members = zip::members(source, len).map_err(|fault| (None, fault.into()))?;
        let root = root_of(&members).map_err(|fault| (None, fault))?;
        let index = members.iter().enumerate().filter_map(|(at, member)| Some((member.name.strip_prefix(&*root)?, at)));
        let index = index.map(|(name, at)| (name.to_owned(), at)).collect();
        let mut reader = Reader { source, len, members: &members, index, pickles: Vec::new() };
        reader.check_head()?;
        let mut names: Vec<String> =
            reader.index.keys().filter_map(|name| program_name(name)).map(str::to_owned).collect();
        names.sort_by(|a, b| natural_order(a, b));
        if names.is_empty() {
            let compiled = reader.index.keys().any(|name| name.starts_with("data/aotinductor/"));
            return Err((None, if compiled { Pt2Fault::Compiled } else { Pt2Fault::NoProgram }));
        }
        let programs = names.into_iter().map(|name| reader.program(name)).collect::<Result<Vec<_>, _>>()?;
        let mut pickles = reader.pickles;
        pickles.sort_by(|a, b| natural_order(a, b));
        pickles.dedup();
        Ok(Contents { members, programs, pickles })
    }
}

/// The name of the program that a member is: `models/NAME.json`.
fn program_name(member: &str) -> Option<&str> {
    member.strip_prefix("models/")?.strip_suffix(".json").filter(|name| !name.is_empty())
}

/// The folder in which everything lies, with its slash.
fn root_of(members: &[Member]) -> Result<String, Pt2Fault> {
    let inner =
        |member: &'_ Member| member.name.split_once('/').map_or(member.name.clone(), |(_, rest)| rest.to_owned());
    let mut roots = members.iter().filter_map(|member| member.name.strip_suffix("archive_format"));
    let root = roots.find(|root| root.is_empty() || root.find('/') == Some(root.len() - 1));
    if let Some(root) = root {
        return Ok(root.to_owned());
    }
    let has = |name: &str| members.iter().any(|member| member.name == name || inner(member) == name);
    Err(if has("serialized_exported_program.json") {
        Pt2Fault::OldLayout
    } else if has("data.pkl") {
        if has("constants.pkl") { Pt2Fault::TorchScript } else { Pt2Fault::Checkpoint }
    } else {
        Pt2Fault::Foreign("it has no member `archive_format`")
    })
}

/// Members by their names in the root folder.
struct Reader<'a, R> {
    source: &'a mut R,
    len: u64,
    members: &'a [Member],
    index: HashMap<String, usize>,
    pickles: Vec<String>,
}

type Placed<T> = Result<T, (Option<String>, Pt2Fault)>;

impl<R: Read + Seek> Reader<'_, R> {
    fn text(&mut self, name: &str, limit: u64) -> Placed<Option<Vec<u8>>> {
        let Some(&at) = self.index.get(name) else { return Ok(None) };
        let read = zip::read(self.source, &self.members[at], limit);
        read.map(Some).map_err(|fault| (None, fault.into()))
    }

    /// Checks the words that say what the archive is.
    fn check_head(&mut self) -> Placed<()> {
        if self.text("archive_format", MAX_WORD)?.is_none_or(|format| format.trim_ascii() != b"pt2") {
            return Err((None, Pt2Fault::Foreign("its `archive_format` is not `pt2`")));
        }
        if let Some(version) = self.text("archive_version", MAX_WORD)?
            && !version.trim_ascii().iter().all(u8::is_ascii_digit)
        {
            return Err((Some("archive_version".into()), Pt2Fault::Version));
        }
        match self.text("byteorder", MAX_WORD)? {
            Some(order) if order.trim_ascii() == b"big" => Err((None, Pt2Fault::BigEndian)),
            _ => Ok(()),
        }
    }

    fn json<T: for<'de> Deserialize<'de>>(&mut self, name: &str) -> Placed<T> {
        let placed = |fault| (Some(name.to_owned()), fault);
        let text = self.text(name, MAX_JSON)?.ok_or_else(|| placed(Pt2Fault::Missing))?;
        serde_json::from_slice(&text).map_err(|error| placed(schema_fault(&text).unwrap_or(Pt2Fault::Json(error))))
    }

    fn program(&mut self, name: String) -> Placed<StoredProgram> {
        let member = format!("models/{name}.json");
        let program: ExportedProgram = self.json(&member)?;
        if program.schema_version.major != MAJOR {
            return Err((Some(member), Pt2Fault::Schema(program.schema_version.major)));
        }
        let samples = format!("data/sample_inputs/{name}.pt");
        self.pickles.extend(self.index.contains_key(&samples).then_some(samples));
        let config = format!("data/weights/{name}_weights_config.json");
        if !self.index.contains_key(&config) && self.index.contains_key(&format!("data/weights/{name}.pt")) {
            return Err((Some(format!("data/weights/{name}.pt")), Pt2Fault::PickledWeights));
        }
        let weights = self.payloads(&config, "data/weights/")?;
        let config = format!("data/constants/{name}_constants_config.json");
        let constants = match self.index.contains_key(&config) {
            true => self.payloads(&config, "data/constants/")?,
            false => Vec::new(),
        };
        Ok(StoredProgram { name, program, weights, constants })
    }

    /// The tensors of a configuration, whose members lie in `directory`.
    fn payloads(&mut self, config: &str, directory: &str) -> Placed<Vec<Payload>> {
        let entries: PayloadConfig = self.json(config)?;
        let mut payloads = Vec::with_capacity(entries.config.0.len());
        for (name, meta) in entries.config.0 {
            let path = format!("{directory}{}", meta.path_name);
            let placed = |fault| (Some(config.to_owned()), fault);
            let Some(tensor) = &meta.tensor_meta else {
                // An object of a class of its own; only graphs that use it mind.
                self.pickles.push(path);
                continue;
            };
            if meta.use_pickle {
                return Err(placed(Pt2Fault::PickledTensor(name)));
            }
            let Some(&member) = self.index.get(&path) else {
                let what = format!("lies in `{}`, which the archive does not hold", super::super::shown(&path));
                return Err(placed(Pt2Fault::Tensor { name, what }));
            };
            let tensor = StoredTensor::new(&name, tensor, member, self.members[member].size, self.len);
            payloads.push(Payload { is_param: meta.is_param, tensor: tensor.map_err(placed)?, name });
        }
        Ok(payloads)
    }
}

/// The fault of a program that is of another version of the schema, which is why it is not understood.
fn schema_fault(text: &[u8]) -> Option<Pt2Fault> {
    #[derive(Deserialize)]
    struct Versioned {
        schema_version: SchemaVersion,
    }
    let versioned: Versioned = serde_json::from_slice(text).ok()?;
    (versioned.schema_version.major != MAJOR).then_some(Pt2Fault::Schema(versioned.schema_version.major))
}

#[cfg(test)]
#[path = "contents_tests.rs"]
mod tests;
