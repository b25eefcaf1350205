//! What other programs read: JSON, SARIF, annotations.

use serde_json::Value;

use super::world::World;

fn world() -> World {
    World::new().file("a b.bitmill", "target iOS16\n# ü: 100%\nlinear => int4 per-channel # now\nlinaer => int8\n")
}

fn of(world: &World, format: &str) -> String {
    let output = world.command(&["check", "a b.bitmill", "--format", format]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stderr.is_empty());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn json_has_every_place_and_fix() {
    insta::assert_snapshot!(of(&world(), "json"));
}

#[test]
fn github_annotations_are_escaped() {
    insta::assert_snapshot!(of(&world(), "github"));
}

#[test]
fn sarif_points_where_the_text_says() {
    let log: Value = serde_json::from_str(&of(&world(), "sarif")).unwrap();
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let results = run["results"].as_array().unwrap();
    assert_eq!((rules.len(), results.len()), (2, 2));
    let text = world().read("a b.bitmill");
    let lines: Vec<&str> = text.lines().collect();
    for result in results {
        let rule = &rules[result["ruleIndex"].as_u64().unwrap() as usize];
        assert_eq!(rule["id"], result["ruleId"]);
        assert!(rule["help"]["markdown"].as_str().unwrap().starts_with("# "));
        let location = &result["locations"][0]["physicalLocation"];
        assert_eq!(location["artifactLocation"]["uri"], "a%20b.bitmill");
        let region = &location["region"];
        let at = |name: &str| region[name].as_u64().unwrap() as usize;
        assert_eq!(at("startLine"), at("endLine"));
        let part = &lines[at("startLine") - 1][at("startColumn") - 1..at("endColumn") - 1];
        assert!(["int4", "linaer"].contains(&part), "{part}");
    }
    let fixes = results.iter().flat_map(|result| result["fixes"].as_array().unwrap());
    let replaced: Vec<&str> = fixes
        .map(|fix| fix["artifactChanges"][0]["replacements"][0]["insertedContent"]["text"].as_str().unwrap())
        .collect();
    assert!(replaced.contains(&"linear") && replaced.contains(&"iOS18"), "{replaced:?}");
}

#[test]
fn recipes_that_cannot_be_read_are_in_every_format() {
    let world = world();
    let run = |format| world.run(&format!("check missing.bitmill --format {format}"));
    let json: Value = serde_json::from_str(&run("json").stdout).unwrap();
    assert_eq!(json["failed"][0]["path"], "missing.bitmill");
    let sarif: Value = serde_json::from_str(&run("sarif").stdout).unwrap();
    assert_eq!(sarif["runs"][0]["invocations"][0]["executionSuccessful"], false);
    let github = run("github");
    assert!(github.stdout.starts_with("::error file=missing.bitmill,"), "{}", github.stdout);
    assert_eq!(github.status, Some(3));
}

#[test]
fn every_json_is_json_of_version_1() {
    let world = World::new()
        .model("digits.safetensors")
        .file("d.bitmill", "model \"digits.safetensors\"\ntarget iOS18\nconv or linear => int8 per-channel\n");
    let lines = [
        "check d.bitmill --format json",
        "plan d.bitmill --json",
        "plan d.bitmill --targets --json",
        "inspect digits.safetensors --json",
        "inspect digits.safetensors head --json --values",
        "rules --json",
        "presets --json",
        "run d.bitmill --json -o out.safetensors",
        "plan d.bitmill -m PACKAGE --json",
        "plan d.bitmill -m PACKAGE --targets --json",
        "inspect PACKAGE --json --values",
        "diff PACKAGE PACKAGE --json",
        "decompress PACKAGE --json",
        "run d.bitmill -m PACKAGE --json -o out.mlpackage",
        "decompress out.mlpackage --json",
        "diff out.mlpackage out.mlpackage --json --all",
    ];
    let package = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/models/digits.mlpackage");
    for line in lines {
        let ran = world.run(&line.replace("PACKAGE", package));
        assert_eq!(ran.status, Some(0), "{line}: {}", ran.all());
        let json: Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(json["version"], 1, "{line}");
    }
    let head: Value =
        serde_json::from_str(&world.run("inspect digits.safetensors head --json --values").stdout).unwrap();
    let tensors = head["tensors"].as_array().unwrap();
    assert_eq!(tensors.iter().map(|t| t["name"].as_str().unwrap()).collect::<Vec<_>>(), ["head.bias", "head.weight"]);
    let bars: u64 = tensors[1]["values"]["histogram"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).sum();
    assert_eq!(bars, 640);
    let rules: Value = serde_json::from_str(&world.run("rules --json").stdout).unwrap();
    for rule in rules["rules"].as_array().unwrap() {
        let has = |name: &str| !rule[name].as_str().unwrap().is_empty();
        assert!(["code", "severity", "title", "page", "failing", "mended"].iter().all(|name| has(name)), "{rule}");
    }
}
