//! A Core ML package as a model: its constants as weights.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::program::{self, ProgramFault};
use super::{KnownBy, Location, Model, ModelError, ModelFormat, Role, Weight};
use crate::dtype::DType;
use crate::element::ElementType;
use crate::exec::constexpr::{self, Constant as Values, ConstexprError};
use crate::formats::coreml::Package;
use crate::formats::coreml::proto::{BlobFileValue, ModelKind};
use crate::formats::natural::natural_order;
use crate::graph::function::{Opset, Program};
use crate::graph::index::{Index, Path as GraphPath};
use crate::graph::mil;
use crate::graph::types::TensorType;
use crate::graph::value::{BlobRef, Blobs, Content, Literal};
use crate::graph::weights::{self, Constant, Stored, Use};
use crate::graph::{Binding, Name, Operation};
use crate::kind::Kind;

/// What a model has beside its weights when it is a package.
#[derive(Debug)]
pub struct PackageModel {
    /// The package.
    pub package: Package,
    /// Its program.
    pub program: Program,
    /// Where each of [`Model::weights`] stands in the program, in their order.
    pub constants: Vec<Constant>,
    /// Where each compressed constant is defined, by function and value.
    compressed: HashMap<(Name, Name), GraphPath>,
    /// Faults by operator set, once they were asked for.
    faults: [OnceLock<Vec<ProgramFault>>; Opset::ALL.len()],
}

/// Two openings of one package are the same model.
impl PartialEq for PackageModel {
    fn eq(&self, other: &Self) -> bool {
        self.package.path() == other.package.path() && self.program == other.program
    }
}

/// The blobs of a package, for the program form.
pub struct PackageBlobs<'a>(pub &'a Package);

impl Blobs for PackageBlobs<'_> {
    fn bytes(&self, blob: &BlobRef, ty: &TensorType) -> Option<Bytes> {
        let reference = BlobFileValue { file_name: blob.file.to_string(), offset: blob.offset };
        let stored = self.0.blob(&reference).ok()?;
        (stored.element == ty.element && ty.count() == Some(stored.elements())).then_some(stored.bytes)
    }
}

/// Opens a package.
///
/// # Errors
/// If it is none, is damaged, or its program makes no sense.
pub fn open(path: &Path) -> Result<Model, ModelError> {
    let package = Package::open(path)?;
    let Some(ModelKind::MlProgram(message)) = &package.model().kind else {
        return Err(ModelError::NoTensors(path.to_owned()));
    };
    let program = mil::import(message).map_err(|source| ModelError::Program { path: path.to_owned(), source })?;
    let constants = weights::constants(&program, &PackageBlobs(&package));
    let mut names = HashSet::new();
    let mut all: Vec<(Weight, Constant)> = Vec::new();
    for constant in constants {
        if let Some(weight) = weight(&package, &constant, &mut names)? {
            all.push((weight, constant));
        }
    }
    all.sort_by(|a, b| natural_order(&a.0.name, &b.0.name));
    let (weights, constants): (Vec<Weight>, Vec<Constant>) = all.into_iter().unzip();
    let files = files(&package, &constants)?;
    let compressed = compressed(&program);
    let facts = program::facts(package.model(), &program, &constants, kind_of);
    let program = Arc::new(PackageModel { package, program, constants, compressed, faults: Default::default() });
    Ok(Model {
        path: path.to_owned(),
        format: ModelFormat::MlPackage,
        files,
        architecture: None,
        weights,
        packed: HashMap::new(),
        program: Some(program),
        facts: Some(facts),
    })
}

fn files(package: &Package, constants: &[Constant]) -> Result<Vec<std::path::PathBuf>, ModelError> {
    let mut files = vec![package.model_path().to_owned()];
    for blob in constants.iter().filter_map(blob) {
        let path = package.weight_file(&blob.file)?.path().to_owned();
        if !files.contains(&path) {
            files.push(path);
        }
    }
    Ok(files)
}

fn blob(constant: &Constant) -> Option<&BlobRef> {
    match &constant.stored {
        Stored::Plain(literal) => match &literal.content {
            Content::Blob(blob) => Some(blob),
            _ => None,
        },
        Stored::Compressed(_) => None,
    }
}

fn dtype(element: ElementType) -> DType {
    match element {
        ElementType::Fp16 => DType::F16,
        ElementType::Fp32 => DType::F32,
        ElementType::Fp64 => DType::F64,
        ElementType::Bf16 => DType::BF16,
        ElementType::Fp8E4M3 => DType::F8E4M3,
        ElementType::Fp8E5M2 => DType::F8E5M2,
        ElementType::Int8 => DType::I8,
        ElementType::Int16 => DType::I16,
        ElementType::Int32 => DType::I32,
        ElementType::Int64 => DType::I64,
        ElementType::Uint8 => DType::U8,
        ElementType::Uint16 => DType::U16,
        ElementType::Uint32 => DType::U32,
        ElementType::Uint64 => DType::U64,
        ElementType::Bool => DType::Bool,
        _ => DType::Opaque,
    }
}

/// A constant as a weight; `None` for one whose shape is not fixed.
fn weight(package: &Package, constant: &Constant, names: &mut HashSet<String>) -> Result<Option<Weight>, ModelError> {
    let Some(shape) = constant.ty.sizes() else { return Ok(None) };
    let shape: Vec<usize> = shape.iter().map(|&size| usize::try_from(size).unwrap_or(usize::MAX)).collect();
    let Some(bytes) = constant.ty.bytes() else { return Ok(None) };
    if let Some(blob) = blob(constant) {
        let reference = BlobFileValue { file_name: blob.file.to_string(), offset: blob.offset };
        let stored = package.blob(&reference)?;
        if stored.element != constant.ty.element || stored.bytes.len() as u64 != bytes {
            return Err(ModelError::Blob { path: package.path().to_owned(), value: constant.value.to_string() });
        }
    }
    let first = constant.uses.first();
    let full = weights::dotted(&constant.value).or_else(|| first.map(of_operation));
    let full = unique(full.unwrap_or_else(|| constant.value.to_string()), names);
    let module_len = full.rfind('.').unwrap_or(0);
    let (kind, role) = kind(constant, shape.len());
    let channels = constant.uses.iter().find_map(|one| match one.role {
        weights::Role::Weight { output, input } => Some((output, input)),
        _ => None,
    });
    let transposed = match kind {
        Kind::Matmul => channels.is_some_and(|(output, input)| output < input),
        _ => false,
    };
    Ok(Some(Weight {
        name: full,
        tied: Vec::new(),
        module_len,
        kind,
        known_by: KnownBy::Program,
        role,
        transposed,
        shape,
        dtype: dtype(constant.ty.element),
        bytes,
        location: Location::default(),
    }))
}

/// A name made of the operation that takes a constant.
fn of_operation(one: &Use) -> String {
    format!("{}.{}", one.operation, one.parameter)
}

fn unique(name: String, names: &mut HashSet<String>) -> String {
    let mut free = name.clone();
    let mut number = 1;
    while !names.insert(free.clone()) {
        free = format!("{name}_{number}");
        number += 1;
    }
    free
}

fn kind(constant: &Constant, rank: usize) -> (Kind, Role) {
    let weight =
        constant.uses.iter().find(|one| matches!(one.role, weights::Role::Weight { .. } | weights::Role::Table));
    let Some(one) = weight.or_else(|| constant.uses.first()) else { return (Kind::Other, Role::Buffer) };
    let role = match one.role {
        weights::Role::Bias => Role::Bias,
        _ if !constant.ty.element.is_float() => Role::Buffer,
        _ => Role::Weight,
    };
    (kind_of(&one.operator, rank), role)
}

/// The kind of module that an operator with a weight of some rank is.
fn kind_of(operator: &str, rank: usize) -> Kind {
    match (operator, rank) {
        ("linear", _) => Kind::Linear,
        ("conv", 3) => Kind::Conv1d,
        ("conv", 5) => Kind::Conv3d,
        ("conv", _) => Kind::Conv2d,
        ("conv_transpose", _) => Kind::ConvTranspose,
        ("matmul" | "einsum", _) => Kind::Matmul,
        ("gather" | "gather_nd" | "gather_along_axis", _) => Kind::Embedding,
        ("lstm", _) => Kind::Lstm,
        ("gru", _) => Kind::Gru,
        ("rnn", _) => Kind::Rnn,
        ("layer_norm" | "batch_norm" | "instance_norm" | "l2_norm" | "local_response_norm", _) => Kind::Norm,
        _ => Kind::Other,
    }
}

/// Every operation that gives a compressed constant, or a part of one.
fn compressed(program: &Program) -> HashMap<(Name, Name), GraphPath> {
    let mut all = HashMap::new();
    for function in &program.functions {
        let index = Index::new(function);
        for (id, operation) in index.operations().filter(|(_, operation)| operation.is_constexpr()) {
            for output in &operation.outputs {
                all.insert((function.name.clone(), output.name.clone()), index.path(id));
            }
        }
    }
    all
}

/// Operators of a chain; longer ones are no compressed weights.
const MAX_CHAIN: usize = 16;

impl PackageModel {
    /// The bytes of the constants that are not compressed, by full name.
    pub(super) fn plain(&self, model: &Model) -> Result<HashMap<String, Bytes>, ModelError> {
        let mut all = HashMap::new();
        for (weight, constant) in model.weights.iter().zip(&self.constants) {
            let Stored::Plain(literal) = &constant.stored else { continue };
            let bytes = match &literal.content {
                Content::Blob(blob) => {
                    let reference = BlobFileValue { file_name: blob.file.to_string(), offset: blob.offset };
                    self.package.blob(&reference)?.bytes
                }
                Content::Bytes(bytes) => bytes.clone(),
                _ => continue,
            };
            all.insert(weight.name.clone(), bytes);
        }
        Ok(all)
    }

    /// An operation of the program.
    pub fn operation(&self, path: &GraphPath) -> Option<&Operation> {
        let mut block = &self.program.function(&path.function)?.block;
        for (operation, nested) in &path.through {
            block = block.operations.get(*operation as usize)?.blocks.get(*nested as usize)?;
        }
        block.operations.get(path.index as usize)
    }

    /// The values of a compressed constant; `None` for one that is plain.
    ///
    /// # Errors
    /// If its operators do not fit each other, or a blob is missing.
    pub fn decompress(&self, index: usize) -> Result<Option<Values>, ConstexprError> {
        let Some(constant) = self.constants.get(index) else { return Ok(None) };
        let (Stored::Compressed(_), Some(place)) = (&constant.stored, constant.places.first()) else { return Ok(None) };
        self.evaluate(place, 0).map(|mut outputs| outputs.pop())
    }

    fn evaluate(&self, place: &GraphPath, depth: usize) -> Result<Vec<Values>, ConstexprError> {
        let operation = self.operation(place).filter(|_| depth < MAX_CHAIN);
        let operation = operation.ok_or_else(|| ConstexprError::Operator(place.to_string()))?;
        let blobs = PackageBlobs(&self.package);
        let failed = std::cell::RefCell::new(None);
        let literal = |literal: &Literal| -> Option<Values> {
            let ty = literal.ty.as_tensor()?;
            let shape = ty.sizes()?.into_iter().map(|size| usize::try_from(size).ok()).collect::<Option<_>>()?;
            let bytes = match &literal.content {
                // Text: the one parameter of the kind says what is known anyway.
                Content::Strings(_) => return None,
                _ => literal.tensor_bytes(&blobs)?,
            };
            Some(Values { element: ty.element, shape, bytes })
        };
        let bound = |name: &str| match operation.attribute(name) {
            Some(value) => literal(value),
            None => match operation.input(name).first()? {
                Binding::Literal(value) => literal(value),
                Binding::Value(value) => {
                    let inner = self.compressed.get(&(place.function.clone(), value.clone()))?;
                    match self.evaluate(inner, depth + 1) {
                        Ok(outputs) => {
                            let producer = self.operation(inner)?;
                            let at = producer.outputs.iter().position(|output| output.name == *value)?;
                            outputs.into_iter().nth(at)
                        }
                        Err(error) => {
                            failed.borrow_mut().get_or_insert(error);
                            None
                        }
                    }
                }
            },
        };
        let outputs = constexpr::evaluate(&operation.kind, &bound);
        match failed.into_inner() {
            Some(error) => Err(error),
            None => outputs,
        }
    }

    /// What is wrong with the program as it would be in an operator set, its own or a newer one.
    pub fn faults(&self, set: Opset) -> &[ProgramFault] {
        self.faults[set as usize].get_or_init(|| program::faults(&self.program, set, &PackageBlobs(&self.package)))
    }

    /// The operator set of its functions; `None` for one that is not known.
    pub fn opset(&self) -> Option<Opset> {
        self.program.functions.iter().filter_map(|function| function.set()).max()
    }

    /// The elements of an fp32 blob, if that is what it is.
    pub fn floats(&self, file: &str, offset: u64) -> Option<Vec<f32>> {
        let stored = self.package.blob(&BlobFileValue { file_name: file.to_string(), offset }).ok()?;
        let floats = stored.bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
        (stored.element == ElementType::Fp32).then(|| floats.collect())
    }
}
