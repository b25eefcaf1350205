//! What must hold of every run on a package.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use bitmill::check::{self, Analysis, Known};
use bitmill::formats::coreml::proto::BlobFileValue;
use bitmill::graph::check as programs;
use bitmill::graph::index::Index;
use bitmill::graph::mil::check_interface;
use bitmill::graph::value::Content;
use bitmill::graph::{Binding, Operation, Program};
use bitmill::model::Model;
use bitmill::model::package::PackageModel;
use bitmill::plan::{Outcome, Plan};
use bitmill::recipe::NoImports;
use bitmill::run::{self, Job, OutputFormat, Quiet, Report};
use safetensors::Dtype;
use safetensors::tensor::TensorView;

/// The packages of an archive in the repository, unpacked.
pub struct Archive {
    root: PathBuf,
    _unpacked: tempfile::TempDir,
}

impl Archive {
    pub fn open(name: &str) -> Archive {
        let path = root().join("tests/data/conformance").join(format!("{name}.tar.gz"));
        let file = fs::File::open(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let unpacked = tempfile::tempdir().unwrap();
        tar::Archive::new(flate2::read::GzDecoder::new(file)).unpack(unpacked.path()).unwrap();
        Archive { root: unpacked.path().join(name), _unpacked: unpacked }
    }

    pub fn package(&self, name: &str) -> PathBuf {
        self.root.join(name).join("model.mlpackage")
    }
}

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A run that held what it must.
pub struct Proved {
    /// The package that was written.
    pub package: PathBuf,
    /// Every changed weight by the name of its value, as it must decompress.
    pub values: PathBuf,
    /// How many weights were changed.
    pub changed: usize,
}

pub fn analyze(model: &Model, recipe: &str) -> Analysis {
    let analysis = check::analyze(Path::new("test.bitmill"), recipe, &NoImports, Known::Model(model));
    assert!(!analysis.has_errors(), "{recipe}{:#?}", analysis.findings);
    analysis
}

pub fn write(model: &Model, analysis: &Analysis, format: OutputFormat, output: &Path) -> Report {
    let plan = analysis.plan.as_ref().unwrap();
    let job = Job { recipe: &analysis.recipe, model, plan, format, output, overwrite: false, inputs: &[] };
    run::run(&job, &Quiet, &AtomicBool::new(false)).unwrap()
}

/// Runs a recipe on a package and checks whatever can be checked here: the package is a valid one, each weight
/// decompresses to the planned values, everything else is as it was, and the bytes are always the same.
pub fn prove(input: &Path, recipe: &str, at: &Path) -> Proved {
    let model = Model::open(input).unwrap();
    let analysis = analyze(&model, recipe);
    let (package, plain, again) = (at.join("out.mlpackage"), at.join("plain.mlpackage"), at.join("again.mlpackage"));
    write(&model, &analysis, OutputFormat::MlPackage, &package);
    write(&model, &analysis, OutputFormat::Dequantized, &plain);
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    alone.install(|| write(&model, &analysis, OutputFormat::MlPackage, &again));
    assert!(files(&package) == files(&again), "not the same bytes again: {recipe}");
    let (written, plain) = (Model::open(&package).unwrap(), Model::open(&plain).unwrap());
    for model in [&written, &plain] {
        valid(parts(model), recipe);
        same_operations(&parts(model).program, &parts(&model_of(input)).program);
    }
    let plan = analysis.plan.as_ref().unwrap();
    let changed = values(&model, &written, &plain, plan, recipe);
    let values = at.join("values.safetensors");
    let views = changed
        .iter()
        .map(|(name, (dtype, shape, bytes))| (name.clone(), TensorView::new(*dtype, shape.clone(), bytes).unwrap()));
    safetensors::serialize_to_file(views, None, &values).unwrap();
    Proved { package, values, changed: changed.len() }
}

fn model_of(path: &Path) -> Model {
    Model::open(path).unwrap()
}

pub fn parts(model: &Model) -> &PackageModel {
    model.program.as_ref().unwrap()
}

pub fn valid(model: &PackageModel, recipe: &str) {
    let problems = programs::check(&model.program, &model.package);
    let text: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert!(text.is_empty(), "{recipe}{text:#?}");
    assert_eq!(check_interface(model.package.model(), &model.program), [], "{recipe}");
}

type Tensor = (Dtype, Vec<usize>, Vec<u8>);

/// Compares every weight; gives the changed ones.
fn values(input: &Model, written: &Model, plain: &Model, plan: &Plan, recipe: &str) -> BTreeMap<String, Tensor> {
    let names = |model: &Model| model.weights.iter().map(|weight| weight.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(input), names(written), "{recipe}");
    assert_eq!(names(input), names(plain), "{recipe}");
    let mut changed = BTreeMap::new();
    for (index, decision) in plan.decisions.iter().enumerate() {
        let weight = &input.weights[index];
        assert_eq!(weight.shape, written.weights[index].shape);
        let bytes = held(parts(plain), index);
        let Outcome::Change(_) = decision.outcome else {
            let before = held(parts(input), index);
            assert!(before == bytes && before == held(parts(written), index), "{}: {recipe}", weight.name);
            continue;
        };
        let found = parts(written).decompress(index).unwrap().unwrap_or_else(|| panic!("{}: {recipe}", weight.name));
        assert_eq!(found.shape, weight.shape, "{}: {recipe}", weight.name);
        assert!(found.bytes[..] == bytes[..], "{}: {recipe}", weight.name);
        let dtype = if found.bytes.len() == 2 * weight.elements() as usize { Dtype::F16 } else { Dtype::F32 };
        for place in &parts(written).constants[index].places {
            let name = parts(written).operation(place).unwrap().outputs.last().unwrap().name.to_string();
            changed.insert(name, (dtype, weight.shape.clone(), bytes.clone()));
        }
    }
    changed
}

/// The values of a constant, compressed or not.
pub fn held(model: &PackageModel, index: usize) -> Vec<u8> {
    if let Some(values) = model.decompress(index).unwrap() {
        return values.bytes.to_vec();
    }
    match &model.constants[index].first.literal.as_ref().unwrap().content {
        Content::Blob(blob) => {
            let reference = BlobFileValue { file_name: blob.file.to_string(), offset: blob.offset };
            model.package.blob(&reference).unwrap().bytes.to_vec()
        }
        Content::Bytes(bytes) => bytes.to_vec(),
        other => panic!("{other:?}"),
    }
}

/// What is no constant is the same in both programs, in the same order.
fn same_operations(one: &Program, two: &Program) {
    let text = |program: &Program| -> Vec<String> {
        let functions = program.functions.iter();
        let operations = functions.flat_map(|function| {
            let index = Index::new(function);
            let all: Vec<String> = index
                .operations()
                .filter(|(_, operation)| !operation.is_const() && !operation.is_constexpr())
                .map(|(id, operation)| format!("{} {}", index.path(id).through.len(), line(operation)))
                .collect();
            all
        });
        operations.collect()
    };
    assert_eq!(text(one), text(two));
}

fn line(operation: &Operation) -> String {
    let bound = |binding: &Binding| match binding {
        Binding::Value(name) => name.to_string(),
        Binding::Literal(literal) => format!("{literal:?}"),
    };
    let inputs = operation.inputs.iter();
    let inputs: Vec<String> = inputs
        .map(|input| format!("{}: {:?}", input.parameter, input.bindings.iter().map(bound).collect::<Vec<_>>()))
        .collect();
    format!("{} {} {inputs:?} {:?}", operation.kind, operation.name, operation.outputs)
}

/// Every file of a directory with its bytes.
pub fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut pending = vec![directory.to_owned()];
    while let Some(at) = pending.pop() {
        for entry in fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else {
                all.insert(path.strip_prefix(directory).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    all
}
