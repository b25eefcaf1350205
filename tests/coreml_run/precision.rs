//! `precision fp16`: a program of fp32 computes in fp16, whole and valid, and quantizes the weights that it means.

use std::path::Path;

use bitmill::check::{Fact, Known};
use bitmill::element::ElementType::{self, Bool, Fp16, Fp32};
use bitmill::formats::coreml::PackageWriter;
use bitmill::formats::coreml::proto::{
    ArrayDataType, ArrayFeatureType, Block, BlockEntry, Entry, FeatureDescription, FeatureKind, FeatureType, Function,
    FunctionEntry, Kept, Model as Message, ModelDescription, ModelKind, Operation, Program,
};
use bitmill::formats::output::Destination;
use bitmill::graph::function::Opset;
use bitmill::graph::index::Index;
use bitmill::lower::message;
use bitmill::model::Model;
use bitmill::recipe::{NoImports, resolve};
use bitmill::run::OutputFormat;

use super::prove::{Archive, analyze, parts, valid, write};
use super::upstream::Judge;

const X: &[usize] = &[1, 48];

fn operation(kind: &str, name: &str, inputs: &[(&str, &str)], output: (ElementType, &[usize])) -> Operation {
    Operation {
        r#type: kind.to_owned(),
        inputs: inputs.iter().map(|(parameter, value)| message::reference(parameter, value)).collect(),
        attributes: vec![message::attribute("name", message::text(name))],
        outputs: vec![message::named(name, output.0, output.1)],
        ..Default::default()
    }
}

fn number(name: &str, value: f32) -> Operation {
    let mut constant = operation("const", name, &[], (Fp32, &[]));
    let value = message::elements(Fp32, &[], value.to_le_bytes().to_vec());
    constant.attributes.push(message::attribute("val", value));
    constant
}

fn array(name: &str) -> Kept<FeatureDescription> {
    let array = ArrayFeatureType { shape: vec![1, 48], data_type: ArrayDataType::Float32 as i32, ..Default::default() };
    let ty = FeatureType { kind: Some(FeatureKind::MultiArray(array.into())), ..Default::default() };
    FeatureDescription { name: name.to_owned(), r#type: Some(ty.into()), ..Default::default() }.into()
}

/// A branch that takes a weight and a constant beyond fp16 from outside, and one that only hands on what became fp16.
fn package(path: &Path) {
    scaled(path, 8.0);
}

/// As [`package`], with a second weight of values as large as that.
fn scaled(path: &Path, largest: f32) {
    let mut writer = PackageWriter::create(&Destination { path, overwrite: false, inputs: &[] }).unwrap();
    let mut weight = |name: &str, factor: f32| {
        let bytes: Vec<u8> =
            (0..48 * 48).flat_map(|at| (((at * 7919 % 1013) as f32 / 506.0 - 1.0) * factor).to_le_bytes()).collect();
        let offset = writer.push(Fp32, 48 * 48, &bytes).unwrap();
        let mut constant = operation("const", name, &[], (Fp32, &[48, 48]));
        constant.attributes.push(message::attribute("val", message::blob(Fp32, &[48, 48], offset)));
        constant
    };
    let (first, second) = (weight("first_weight", 1.0), weight("second_weight", largest));
    let yes = Block {
        operations: vec![
            operation("linear", "yes", &[("x", "root"), ("weight", "first_weight")], (Fp32, X)).into(),
            operation("mul", "large", &[("x", "yes"), ("y", "beyond")], (Fp32, X)).into(),
        ],
        outputs: vec!["large".to_owned()],
        ..Default::default()
    };
    let no = Block { outputs: vec!["root".to_owned()], ..Default::default() };
    let mut cond = operation("cond", "chosen", &[("pred", "flag")], (Fp32, X));
    cond.blocks = vec![yes.into(), no.into()];
    let operations = [
        number("tiny", 1e-12),
        number("beyond", 1e6),
        number("lowest", f32::MIN),
        first,
        operation("linear", "fc1", &[("x", "x"), ("weight", "first_weight")], (Fp32, X)),
        operation("square", "squared", &[("x", "fc1")], (Fp32, X)),
        operation("rsqrt", "root", &[("x", "squared"), ("epsilon", "tiny")], (Fp32, X)),
        operation("maximum", "masked", &[("x", "root"), ("y", "lowest")], (Fp32, X)),
        operation("reduce_max", "most", &[("x", "masked")], (Fp32, &[])),
        operation("greater", "flag", &[("x", "most"), ("y", "tiny")], (Bool, &[])),
        cond,
        second,
        operation("linear", "fc2", &[("x", "chosen"), ("weight", "second_weight")], (Fp32, X)),
    ];
    let block = Block {
        operations: operations.into_iter().map(Kept::from).collect(),
        outputs: vec!["fc2".to_owned(), "root".to_owned()],
        ..Default::default()
    };
    let set = Opset::CoreML6;
    let function = Function {
        inputs: vec![message::named("x", Fp32, X)],
        opset: set.name().to_owned(),
        block_specializations: vec![BlockEntry::entry(set.name().to_owned(), block.into()).into()],
        ..Default::default()
    };
    let functions = vec![FunctionEntry::entry("main".to_owned(), function.into()).into()];
    let program = Program { version: 1, functions, ..Default::default() };
    let description =
        ModelDescription { input: vec![array("x")], output: vec![array("fc2"), array("root")], ..Default::default() };
    let model = Kept::from(Message {
        specification_version: set.specification(),
        description: Some(description.into()),
        kind: Some(ModelKind::MlProgram(program.into())),
        ..Default::default()
    });
    writer.commit(&model).unwrap();
}

/// The element type that the value of a name has.
fn element(model: &Model, name: &str) -> ElementType {
    let function = &parts(model).program.functions[0];
    let index = Index::new(function);
    let mut outputs = index.operations().flat_map(|(_, operation)| &operation.outputs);
    let found = outputs.find(|output| &*output.name == name).unwrap_or_else(|| panic!("no {name}"));
    match &found.ty {
        bitmill::graph::types::Type::Tensor(tensor) => tensor.element,
        other => panic!("{name}: {other}"),
    }
}

#[test]
fn programs_become_fp16() {
    let archive = Archive::open("run-packages");
    let at = tempfile::tempdir().unwrap();
    let branches = at.path().join("branches.mlpackage");
    package(&branches);
    valid(parts(&Model::open(&branches).unwrap()), "the input");
    let packages = [branches, archive.package("floats"), archive.package("nested")];
    let mut jobs = Vec::new();
    for (number, path) in packages.iter().enumerate() {
        let model = Model::open(path).unwrap();
        for (rule, changed) in [("keep", false), ("fp16", true), ("int8 per-channel", true), ("lut4", true)] {
            for target in ["iOS16", "iOS17", "iOS18"] {
                let recipe = format!("target {target}\nprecision fp16\nthreshold 40\nall => {rule}\n");
                let name = format!("{number}-{target}-{}", rule.replace(' ', "-"));
                let output = at.path().join(format!("{name}.mlpackage"));
                write(&model, &analyze(&model, &recipe), OutputFormat::MlPackage, &output);
                let written = Model::open(&output).unwrap();
                valid(parts(&written), &recipe);
                let plain = at.path().join(format!("{name}-plain.mlpackage"));
                write(&model, &analyze(&model, &recipe), OutputFormat::Dequantized, &plain);
                let plain = Model::open(&plain).unwrap();
                valid(parts(&plain), &recipe);
                // Every weight is what was planned for it, and not for its neighbour.
                let found = bitmill::diff::compare(&plain, &written).unwrap();
                assert!(found.pairs.iter().all(|pair| pair.values == bitmill::diff::ValueChange::Same), "{recipe}");
                let found = bitmill::diff::compare(&model, &written).unwrap();
                assert_eq!((found.only_before.len(), found.only_after.len()), (0, 0), "{recipe}");
                let near = |pair: &bitmill::diff::Pair| pair.values.sqnr() > if changed { 12.0 } else { 60.0 };
                assert!(found.pairs.iter().all(near), "{recipe}{:#?}", found.pairs);
                jobs.push(serde_json::json!({ "name": name, "package": output }));
                if number == 0 {
                    for (value, expected) in [
                        ("fc1", Fp16),
                        ("masked", Fp16),
                        ("yes", Fp16),
                        ("large", Fp32),
                        ("chosen", Fp32),
                        ("beyond", Fp32),
                        ("root", Fp32),
                        ("fc2", Fp32),
                        ("first_weight", Fp16),
                        ("second_weight", Fp16),
                    ] {
                        assert_eq!(element(&written, value), expected, "{value}: {recipe}");
                    }
                }
            }
        }
    }
    let Some(judge) = Judge::found("packages made fp16 are not judged by coremltools") else { return };
    assert_eq!(judge.packages(&jobs, at.path()).len(), jobs.len());
}

/// The plan, an expectation before and after a run, the report and the output tell one size.
#[test]
fn there_is_one_size() {
    let archive = Archive::open("run-packages");
    let at = tempfile::tempdir().unwrap();
    let model = Model::open(&archive.package("floats")).unwrap();
    let sparse = at.path().join("sparse.mlpackage");
    write(&model, &analyze(&model, "target iOS16\nlinear => sparse 50%\n"), OutputFormat::MlPackage, &sparse);
    let codes = at.path().join("codes.mlpackage");
    write(&model, &analyze(&model, "target iOS16\nlinear => int8 per-tensor\n"), OutputFormat::MlPackage, &codes);
    let tables = at.path().join("tables.mlpackage");
    write(
        &model,
        &analyze(&model, "target iOS18\nlinear => lut4 per-grouped-channel(8)\n"),
        OutputFormat::MlPackage,
        &tables,
    );
    let branches = at.path().join("branches.mlpackage");
    package(&branches);
    let paths = [sparse, codes, tables, branches];
    let models: Vec<Model> =
        std::iter::once(model).chain(paths.iter().map(|path| Model::open(path).unwrap())).collect();
    let mut failed = Vec::new();
    for (number, model) in models.iter().enumerate() {
        for rule in ["all => keep", "conv => keep\nlinear => lut4"] {
            let recipe = format!("target iOS18\nprecision fp16\nthreshold 40\n{rule}\n");
            let analysis = analyze(model, &recipe);
            let output = at.path().join(format!("{number}-{}.mlpackage", rule.len()));
            let report = write(model, &analysis, OutputFormat::MlPackage, &output);
            let written: u64 = Model::open(&output).unwrap().weights.iter().map(|weight| weight.bytes).sum();
            let planned = analysis.plan.as_ref().unwrap().totals(model, |_| true).after;
            if planned != written || report.after != written {
                failed.push(format!("{recipe}{planned} {} {written}", report.after));
            }
            let expected = format!("{recipe}expect size <= {planned} B\nexpect all size <= {planned} B\n");
            let analysis = analyze(model, &expected);
            let known = Known::Model(model);
            let facts = report.facts();
            let after = bitmill::check::analyze_recipe(analysis.recipe, known, Some(&facts));
            if after.has_errors() {
                failed.push(format!("{:#?}", after.findings));
            }
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

/// A weight with values beyond fp16 stays what it is: it would be written with infinities.
#[test]
fn what_fp16_cannot_hold_is_kept() {
    let at = tempfile::tempdir().unwrap();
    let path = at.path().join("large.mlpackage");
    scaled(&path, 1e6);
    let model = Model::open(&path).unwrap();
    for (number, scheme) in ["fp16", "int8 per-channel", "lut4", "sparse 50%"].iter().enumerate() {
        let recipe = format!("target iOS16\nprecision fp16\nthreshold 40\nall => {scheme}\n");
        let output = at.path().join(format!("{number}.mlpackage"));
        let report = write(&model, &analyze(&model, &recipe), OutputFormat::MlPackage, &output);
        let [(name, Fact::BeyondFp16(count))] = &report.kept[..] else { panic!("{scheme}: {:?}", report.kept) };
        assert!(name.starts_with("second") && *count > 1000, "{name} {count}");
        let written = Model::open(&output).unwrap();
        valid(parts(&written), &recipe);
        assert_eq!(element(&written, "second_weight"), Fp32, "{scheme}");
        let bytes: u64 = written.weights.iter().map(|weight| weight.bytes).sum();
        // CoreML6 stores zero points where the packed format, whose sizes are told, needs none.
        let zero_points = if scheme.starts_with("int8") { 48 } else { 0 };
        assert_eq!(report.after + zero_points, bytes, "{scheme}");
        let size = |name: &str| written.weights.iter().find(|weight| weight.name.starts_with(name)).unwrap().bytes;
        let expected = format!("{recipe}expect \"second*\" size = {} B\n", size("second"));
        let facts = report.facts();
        let recipe = resolve(Path::new("test.bitmill"), &expected, &NoImports);
        let after = bitmill::check::analyze_recipe(recipe, Known::Model(&model), Some(&facts));
        let claims: Vec<_> = after.findings.iter().filter(|finding| finding.code == "expect-failed").collect();
        assert!(claims.is_empty(), "{scheme}: {claims:#?}");
    }
}
