use std::io::Cursor;

use super::*;
use crate::formats::pt2::testing::{Zip, zip};

const PROGRAM: &str = r#"{"graph_module": {"graph": {"inputs": [], "outputs": [], "nodes": [], "tensor_values": {},
    "sym_int_values": {}, "sym_bool_values": {}}, "signature": {"input_specs": [], "output_specs": []}},
    "range_constraints": {}, "schema_version": {"major": 8, "minor": 20}}"#;
const META: &str = r#"{"dtype": 7, "sizes": [{"as_int": 2}, {"as_int": 3}], "strides": [{"as_int": 3}, {"as_int": 1}],
    "storage_offset": {"as_int": 0}, "layout": 7}"#;

fn archive(program: &str, weights: &str, more: &[(&str, &[u8])]) -> Zip {
    let zip = zip(&[
        ("m/archive_format", b"pt2"),
        ("m/models/model.json", program.as_bytes()),
        ("m/data/weights/model_weights_config.json", weights.as_bytes()),
        ("m/data/weights/weight_0", &[1; 24]),
    ]);
    more.iter().fold(zip, |zip, (name, content)| zip.stored(name, content))
}

fn payload(path: &str, pickled: bool, meta: &str) -> String {
    format!(r#"{{"path_name": "{path}", "is_param": true, "use_pickle": {pickled}, "tensor_meta": {meta}}}"#)
}

fn read(zip: &Zip) -> Result<Contents, String> {
    let bytes = zip.bytes();
    Contents::read(&mut Cursor::new(&bytes), bytes.len() as u64).map_err(|(member, fault)| match member {
        Some(member) => format!("{member}: {fault}"),
        None => fault.to_string(),
    })
}

#[track_caller]
fn refused(zip: &Zip) -> String {
    read(zip).map(|_| ()).expect_err("it is refused")
}

fn weights(entries: &str) -> Zip {
    archive(PROGRAM, &format!(r#"{{"config": {{{entries}}}}}"#), &[])
}

#[test]
fn programs_and_tensors_are_found() {
    let entries =
        format!(r#""a.w": {}, "b.w": {}"#, payload("weight_0", false, META), payload("weight_0", false, META));
    let samples: (&str, &[u8]) = ("m/data/sample_inputs/model.pt", b"pickle");
    let found = read(&archive(PROGRAM, &format!(r#"{{"config": {{{entries}}}}}"#), &[samples])).expect("it is read");
    let [program] = found.programs.as_slice() else { panic!("one program") };
    let names: Vec<&str> = program.weights.iter().map(|payload| payload.name.as_str()).collect();
    assert_eq!((program.name.as_str(), names), ("model", vec!["a.w", "b.w"]));
    assert_eq!(program.weights[0].tensor, program.weights[1].tensor);
    assert_eq!(program.weights[0].tensor.shape, [2, 3]);
    assert_eq!(found.pickles, ["data/sample_inputs/model.pt"]);
}

#[test]
fn other_layouts_are_told_apart() {
    let told = |members: &[(&str, &[u8])]| refused(&zip(members));
    let old = "was exported by PyTorch 2.7 or older, which pickled its weights: unpickling runs what the file says";
    assert_eq!(told(&[("serialized_exported_program.json", b"{}"), ("serialized_state_dict.pt", b"")]), old);
    assert_eq!(told(&[("m/serialized_exported_program.json", b"{}")]), old);
    assert!(told(&[("m/data.pkl", b"")]).starts_with("is a pickled checkpoint of `torch.save`"));
    assert!(told(&[("m/data.pkl", b""), ("m/constants.pkl", b"")]).starts_with("is a TorchScript archive"));
    assert!(told(&[("a/b", b"")]).starts_with("is a zip archive, but not one of `torch.export.save`"));
    assert!(told(&[("m/archive_format", b"pt3")]).ends_with("its `archive_format` is not `pt2`"));
    assert_eq!(told(&[("m/archive_format", b"pt2")]), "holds no exported program");
    let compiled: &[(&str, &[u8])] = &[("m/archive_format", b"pt2"), ("m/data/aotinductor/model/a.so", b"")];
    assert_eq!(told(compiled), "holds a model compiled by AOTInductor, and no exported program");
    let big: &[(&str, &[u8])] = &[("m/archive_format", b"pt2"), ("m/byteorder", b"big")];
    assert_eq!(told(big), "was written on a big-endian machine, whose byte order is not read");
    let pickled: &[(&str, &[u8])] =
        &[("m/archive_format", b"pt2"), ("m/models/model.json", PROGRAM.as_bytes()), ("m/data/weights/model.pt", b"")];
    assert!(told(pickled).starts_with("data/weights/model.pt: holds its weights as one pickle"));
}

#[test]
fn other_schemas_are_told_apart() {
    let of = |major: &str| {
        refused(&archive(&format!(r#"{{"schema_version": {{"major": {major}, "minor": 1}}}}"#), "{}", &[]))
    };
    assert_eq!(of("7"), "models/model.json: its schema is of version 7, and only version 8 is read");
    assert_eq!(of("9"), "models/model.json: its schema is of version 9, and only version 8 is read");
    assert_eq!(of("8"), "models/model.json: cannot be understood: missing field `graph_module` at line 1 column 44");
    let long = format!(r#"{{"schema_version": {{"major": 8, "minor": "{}"}}}}"#, "x".repeat(100_000));
    assert!(refused(&archive(&long, "{}", &[])).len() < 500);
    assert!(refused(&archive("[]", "{}", &[])).starts_with("models/model.json: cannot be understood"));
}

#[test]
fn tensors_that_cannot_be_read_are_refused() {
    let config = "data/weights/model_weights_config.json";
    let of = |path: &str, pickled, meta: &str| refused(&weights(&format!(r#""w": {}"#, payload(path, pickled, meta))));
    assert!(of("weight_0", true, META).starts_with(&format!("{config}: the tensor `w` is pickled")));
    let missing = format!("{config}: the tensor `w` lies in `data/weights/weight_9`, which the archive does not hold");
    assert_eq!(of("weight_9", false, META), missing);
    assert!(of("../../archive_format", false, META).contains("which the archive does not hold"));
    let large = META.replace(r#"{"as_int": 2}"#, r#"{"as_int": 3}"#);
    assert_eq!(
        of("weight_0", false, &large),
        format!("{config}: the tensor `w` reaches beyond the 24 bytes of its storage")
    );
    let dynamic = META.replace(r#"{"as_int": 2}"#, r#"{"as_expr": {"expr_str": "s0"}}"#);
    assert_eq!(of("weight_0", false, &dynamic), format!("{config}: the tensor `w` has a size that is not fixed"));
    let twice = format!(r#""w": {0}, "w": {0}"#, payload("weight_0", false, META));
    assert!(refused(&weights(&twice)).contains("the key `w` stands twice"));
}

#[test]
fn objects_are_passed_over() {
    let found = read(&weights(&format!(r#""o": {}"#, payload("custom_obj_0", true, "null")))).expect("it is read");
    assert_eq!(found.pickles, ["data/weights/custom_obj_0"]);
}
