//! The table of operators against coremltools' own (`tests/upstream/graph_operators.py`).

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use bitmill::graph::Opset;
use bitmill::graph::ops::{Accepts, Parameter, operator, operators};
use serde_json::Value;

fn upstream() -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/graph/operators.json.gz");
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    serde_json::from_str::<Vec<Value>>(&text).unwrap()
}

/// What a parameter takes, in the words of upstream's table.
fn described(parameter: &Parameter) -> (bool, bool, &'static str, BTreeSet<String>) {
    let names = |types: &[bitmill::graph::ElementType]| types.iter().map(|element| element.name().to_owned()).collect();
    let (kind, types) = match parameter.accepts {
        Accepts::Tensor(types) | Accepts::Group(_, types) => ("TensorInputType", names(types)),
        Accepts::List => ("ListInputType", BTreeSet::new()),
        Accepts::Tuple | Accepts::Several => ("TupleInputType", BTreeSet::new()),
        Accepts::State => ("StateInputType", BTreeSet::new()),
        Accepts::Any => ("Any", BTreeSet::new()),
    };
    (parameter.required, parameter.constant, kind, types)
}

#[test]
fn every_operator_takes_what_upstream_says() {
    let mut differences = Vec::new();
    let mut versions = BTreeMap::new();
    for row in upstream() {
        let (kind, since) = (row["kind"].as_str().unwrap(), row["since"].as_str().unwrap());
        let set = Opset::by_name(since).unwrap();
        versions.entry(kind.to_owned()).or_insert_with(Vec::new).push(set);
        let Some(version) = operator(kind).and_then(|operator| operator.version(set)) else {
            differences.push(format!("{kind} {since}: missing"));
            continue;
        };
        let wanted = row["parameters"].as_array().unwrap();
        for parameter in wanted {
            let name = parameter["name"].as_str().unwrap();
            let Some(own) = version.parameters.iter().find(|own| own.name == name) else {
                differences.push(format!("{kind} {since}: no parameter {name}"));
                continue;
            };
            let kind_name = match parameter["kind"].as_str().unwrap() {
                "InternalInputType" | "ListOrTensorOrDictInputType" => "Any",
                other => other,
            };
            let types = parameter["types"].as_array().into_iter().flatten();
            let types = types.map(|element| element.as_str().unwrap().to_owned()).collect();
            let required = parameter["required"].as_bool().unwrap();
            // Upstream fails where these are not constant, without saying so in its table.
            let really = kind == "reshape_like" && ["begins", "ends", "end_masks"].contains(&name);
            let constant = really || parameter["constant"].as_bool().unwrap();
            let upstream = (required, constant, kind_name, types);
            if described(own) != upstream {
                differences.push(format!("{kind} {since} {name}: {:?}, upstream {upstream:?}", described(own)));
            }
        }
        if wanted.len() != version.parameters.len() {
            differences.push(format!(
                "{kind} {since}: {} parameters, upstream {}",
                version.parameters.len(),
                wanted.len()
            ));
        }
        // Two parameters share their element type here where they do upstream, and nowhere else.
        for (i, one) in wanted.iter().enumerate() {
            for other in &wanted[i + 1..] {
                let theirs = one["group"].is_string() && one["group"] == other["group"];
                let group = |parameter: &Value| {
                    let name = parameter["name"].as_str().unwrap();
                    version.parameters.iter().find(|own| own.name == name).and_then(|own| match own.accepts {
                        Accepts::Group(group, _) => Some(group),
                        _ => None,
                    })
                };
                let ours = group(one).is_some() && group(one) == group(other);
                // Of one possible type they share it anyway.
                let several = one["types"].as_array().is_some_and(|types| types.len() > 1);
                if several && ours != theirs {
                    let names = (&one["name"], &other["name"]);
                    differences.push(format!("{kind} {since}: {names:?} share a type here {ours}, upstream {theirs}"));
                }
            }
        }
    }
    for operator in operators() {
        match versions.get(operator.kind) {
            None if operator.kind == "write_state" => {}
            None => differences.push(format!("{}: not upstream", operator.kind)),
            Some(sets) => {
                let missing = sets.iter().filter(|set| !operator.versions.iter().any(|own| own.since == **set));
                differences.extend(missing.map(|set| format!("{}: no version of {set}", operator.kind)));
            }
        }
    }
    assert!(differences.is_empty(), "{differences:#?}");
}
