//! An exported program of PyTorch as a model: its parameters and buffers as weights.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::kinds::Names;
use super::{KnownBy, Location, Model, ModelError, ModelFormat, Role, Weight, share_kinds};
use crate::formats::natural::natural_order;
use crate::formats::pt2::{Archive, Payload, Pt2Error, Pt2Fault, StoredProgram, StoredTensor};
use crate::formats::safetensors::TensorInfo;
use crate::graph::aten::shapes::Takes;
use crate::graph::aten::weights::{Part, Stored, stored};
use crate::graph::aten::{Dim, InputRole, Program, import};
use crate::kind::Kind;
use crate::words::shown;

/// What a model has beside its weights when it is an export.
#[derive(Debug)]
pub struct ExportModel {
    /// The archive.
    pub archive: Archive,
    /// Its programs; one, unless several were saved together.
    pub programs: Vec<Program>,
    /// The tensors that are not in a state dict, by the program's index and their dotted names: buffers that are not
    /// persistent, and tensors that stood in the code.
    pub constants: HashMap<(usize, String), StoredTensor>,
    /// Where each of [`Model::weights`] lies, in their order.
    pub tensors: Vec<StoredTensor>,
    /// Where the dotted names of each program lead in [`Model::weights`].
    pub names: HashMap<(usize, String), usize>,
}

/// Two openings of one archive are the same model.
impl PartialEq for ExportModel {
    fn eq(&self, other: &Self) -> bool {
        self.archive.path() == other.archive.path() && self.programs == other.programs && self.tensors == other.tensors
    }
}

/// Opens an archive.
///
/// # Errors
/// If it is none, is damaged, or its programs make no sense.
pub fn open(path: &Path) -> Result<Model, ModelError> {
    let archive = Archive::open(path)?;
    let mut programs = Vec::with_capacity(archive.programs().len());
    let mut found: Vec<Found> = Vec::new();
    let mut constants = HashMap::new();
    let several = archive.programs().len() > 1;
    for (index, saved) in archive.programs().iter().enumerate() {
        let wrong = |source| ModelError::Export { path: path.to_owned(), source };
        let program = import(&saved.name, &saved.program).map_err(|mut source| {
            let place = source.place.take().map(|place| format!(", {place}")).unwrap_or_default();
            source.place = Some(format!("program `{}`{place}", shown(&saved.name)));
            wrong(source)
        })?;
        check_stored(path, saved, &program)?;
        weights_of(index, several, saved, &program, &archive, &mut found);
        let own = saved.constants.iter().map(|payload| ((index, payload.name.clone()), payload.tensor.clone()));
        constants.extend(own);
        programs.push(program);
    }
    if found.is_empty() {
        return Err(ModelError::Empty(path.to_owned()));
    }
    found.sort_by(|a, b| natural_order(&a.weight.name, &b.weight.name));
    if let Some(pair) = found.windows(2).find(|pair| pair[0].weight.name == pair[1].weight.name) {
        let name = pair[0].weight.name.clone();
        let fault = Pt2Fault::Tensor { name, what: "is there twice, in programs of one archive".into() };
        return Err(Pt2Error { path: path.to_owned(), member: None, fault }.into());
    }
    let mut names = HashMap::new();
    let (mut weights, mut tensors) = (Vec::with_capacity(found.len()), Vec::with_capacity(found.len()));
    for (at, one) in found.into_iter().enumerate() {
        names.extend(one.names.into_iter().map(|name| (name, at)));
        weights.push(one.weight);
        tensors.push(one.tensor);
    }
    share_kinds(&mut weights);
    let takes = programs.first().map(Takes::of);
    let export = ExportModel { archive: archive.without_programs(), programs, constants, tensors, names };
    Ok(Model {
        path: path.to_owned(),
        format: ModelFormat::Export,
        files: vec![path.to_owned()],
        architecture: None,
        weights,
        packed: HashMap::new(),
        program: None,
        export: Some(Arc::new(export)),
        facts: None,
        takes,
        counted: Default::default(),
    })
}

/// A weight with its tensor, and the names that lead to it.
struct Found {
    weight: Weight,
    tensor: StoredTensor,
    names: Vec<(usize, String)>,
}

/// Checks that the archive holds every tensor that a program takes, as the program describes it.
fn check_stored(path: &Path, saved: &StoredProgram, program: &Program) -> Result<(), ModelError> {
    let weights: HashMap<&str, &Payload> = saved.weights.iter().map(|payload| (&*payload.name, payload)).collect();
    let constants: HashMap<&str, &Payload> = saved.constants.iter().map(|payload| (&*payload.name, payload)).collect();
    for input in &program.inputs {
        let (Some(name), Some(value)) = (input.role.stored(), input.value) else { continue };
        let (first, second) = match &input.role {
            InputRole::Parameter(_) | InputRole::Buffer { persistent: true, .. } => (&weights, &constants),
            _ => (&constants, &weights),
        };
        let wrong = |what: String| {
            let fault = Pt2Fault::Tensor { name: name.to_string(), what };
            let member = Some(format!("models/{}.json", saved.name));
            ModelError::from(Pt2Error { path: path.to_owned(), member, fault })
        };
        let payload = first.get(&**name).or_else(|| second.get(&**name));
        let payload =
            payload.ok_or_else(|| wrong("is an input of the program, and the archive does not hold it".into()))?;
        let Some(ty) = program.graph.tensor(value) else { return Err(wrong("is no tensor in the program".into())) };
        let same = |(dim, size): (&Dim, &usize)| dim.known() == Some(*size as u64);
        let tensor = &payload.tensor;
        let fits = ty.shape.len() == tensor.shape.len() && ty.shape.iter().zip(&tensor.shape).all(same);
        if !fits || ty.dtype != tensor.dtype {
            let sizes: Vec<String> = tensor.shape.iter().map(usize::to_string).collect();
            let holds = format!("{}[{}]", tensor.dtype, sizes.join(", "));
            return Err(wrong(format!("is {ty} in the program, and {holds} in the archive")));
        }
    }
    Ok(())
}

/// The weights of a program: what its state dict holds, each tensor once, under the first of its names.
fn weights_of(
    program_index: usize,
    several: bool,
    saved: &StoredProgram,
    program: &Program,
    archive: &Archive,
    found: &mut Vec<Found>,
) {
    let told: Vec<Stored> = stored(program);
    let told: HashMap<&str, &Stored> = told.iter().map(|one| (&*one.name, one)).collect();
    let names = Names::new(None, saved.weights.iter().map(|payload| payload.name.as_str()));
    let full = |name: &str| if several { format!("{}.{name}", saved.name) } else { name.to_owned() };
    // Tensors of one place, type and shape are one tensor: tied weights.
    let mut groups: Vec<Vec<&Payload>> = Vec::new();
    let mut known: HashMap<&StoredTensor, usize> = HashMap::new();
    for payload in &saved.weights {
        // What holds nothing lies nowhere.
        let shared = known.get(&payload.tensor).copied().filter(|_| payload.tensor.bytes > 0);
        match shared {
            Some(group) => groups[group].push(payload),
            None => {
                known.insert(&payload.tensor, groups.len());
                groups.push(vec![payload]);
            }
        }
    }
    for group in groups {
        let Some(first) = group.first() else { continue };
        let facts = group.iter().filter_map(|payload| told.get(payload.name.as_str()).copied());
        let name = full(&first.name);
        let mut weight = Weight {
            tied: group.iter().skip(1).map(|payload| full(&payload.name)).collect(),
            module_len: name.rfind('.').unwrap_or(0),
            kind: Kind::Other,
            known_by: KnownBy::Shape,
            role: Role::Buffer,
            transposed: false,
            groups: None,
            shape: first.tensor.shape.clone(),
            dtype: first.tensor.dtype.dtype(),
            bytes: first.tensor.bytes,
            halved: None,
            compressed: None,
            location: Location { file: 0, offset: archive.offset(&first.tensor) },
            name,
        };
        tell(&mut weight, &first.name, first.is_param, facts.collect(), &names);
        let of_program = group.iter().map(|payload| (program_index, payload.name.clone())).collect();
        found.push(Found { weight, tensor: first.tensor.clone(), names: of_program });
    }
}

/// Tells kind and role: by the program where it does, else by the name.
fn tell(weight: &mut Weight, name: &str, is_param: bool, facts: Vec<&Stored>, names: &Names) {
    let guess = names.tell(name, &weight.shape);
    // The first of tied names gives the kind, as it gives the name; PyTorch's graphs take all under one of them.
    let by_program = facts.iter().find_map(|one| Some((one.kind?, one.transposed)));
    let part = facts.iter().find_map(|one| one.part);
    (weight.kind, weight.known_by, weight.transposed) = match by_program {
        Some((kind, transposed)) => (kind, KnownBy::Program, transposed),
        None => (guess.kind, guess.known_by, guess.transposed),
    };
    let groups = facts.iter().find_map(|one| one.groups);
    weight.groups = groups.and_then(|groups| usize::try_from(groups).ok());
    weight.role = match (is_param, part) {
        (false, _) | (_, Some(Part::State)) => Role::Buffer,
        (true, Some(Part::Weight)) => Role::Weight,
        (true, Some(Part::Bias)) => Role::Bias,
        (true, None) => guess.role,
    };
}

impl ExportModel {
    /// What stands for each weight in a safetensors file, in the order of [`Model::weights`]; `None` for types that
    /// those have no name for.
    pub(super) fn tensor_infos(&self, model: &Model) -> Vec<Option<TensorInfo>> {
        let info = |(weight, tensor): (&Weight, &StoredTensor)| {
            Some(TensorInfo {
                name: weight.name.clone(),
                dtype: tensor.dtype.safetensors()?,
                shape: weight.shape.clone(),
                offset: weight.location.offset,
                bytes: weight.bytes,
            })
        };
        model.weights.iter().zip(&self.tensors).map(info).collect()
    }
}
