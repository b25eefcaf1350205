//! Every recipe in `examples/` is formatted and free of errors: with its model where that is shipped, else alone.

// Helpers of tests are tests too, which clippy does not see.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use bitmill::check::{self, Known, Severity};
use bitmill::model::Model;
use bitmill::project::Disk;
use bitmill::recipe::preset::PRESETS;
use bitmill::syntax;

fn recipes(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|e| e == "bitmill")).collect();
    found.sort();
    found
}

#[test]
fn examples_are_formatted_and_without_errors() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut all = recipes(&examples);
    all.extend(recipes(&examples.join("presets")));
    assert!(all.len() >= 7 + PRESETS.len(), "{all:?}");
    for path in all {
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(syntax::format(&text), text, "{} is not formatted", path.display());
        let alone = check::analyze(&path, &text, &Disk, Known::Nothing);
        let named = alone.recipe.model.as_ref().map(|model| path.parent().unwrap().join(&model.value));
        let model = named.filter(|path| path.exists()).map(|path| Model::open(&path).unwrap());
        let known = model.as_ref().map_or(Known::Nothing, Known::Model);
        let findings = check::analyze(&path, &text, &Disk, known).findings;
        let worse: Vec<_> = findings.iter().filter(|finding| finding.severity > Severity::Hint).collect();
        assert!(worse.is_empty(), "{}: {worse:#?}", path.display());
    }
}

#[test]
fn every_preset_has_an_example() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/presets");
    for preset in PRESETS {
        let text = fs::read_to_string(directory.join(format!("{}.bitmill", preset.name))).unwrap();
        assert!(text.contains(&format!("extend \"{}\"", preset.name)));
    }
}

/// A directory as Llama 3.2 1B has one, with headers only: 16 layers, and one tensor that is the embedding and the output
/// layer.
fn llama(at: &Path) {
    let mut tensors = vec![("embed_tokens".to_owned(), [128_256, 2048])];
    for layer in 0..16 {
        let mut linear = |name: &str, shape| tensors.push((format!("layers.{layer}.{name}"), shape));
        for (name, rows) in [("q", 2048), ("k", 512), ("v", 512), ("o", 2048)] {
            linear(&format!("self_attn.{name}_proj"), [rows, 2048]);
        }
        linear("mlp.gate_proj", [8192, 2048]);
        linear("mlp.up_proj", [8192, 2048]);
        linear("mlp.down_proj", [2048, 8192]);
    }
    let (mut header, mut end) = (serde_json::Map::new(), 0);
    for (name, shape) in tensors {
        let begin = end;
        end += 2 * shape[0] * shape[1];
        let entry = serde_json::json!({ "dtype": "BF16", "shape": shape, "data_offsets": [begin, end] });
        header.insert(format!("model.{name}.weight"), entry);
    }
    let header = serde_json::to_vec(&header).unwrap();
    let path = at.join("model.safetensors");
    fs::write(&path, [&(header.len() as u64).to_le_bytes()[..], &header].concat()).unwrap();
    // The tensors are a hole: a file system stores none of it.
    fs::File::options().write(true).open(&path).unwrap().set_len((8 + header.len() + end) as u64).unwrap();
    let config = r#"{ "architectures": ["LlamaForCausalLM"], "model_type": "llama", "tie_word_embeddings": true }"#;
    fs::write(at.join("config.json"), config).unwrap();
}

#[test]
fn the_llama_of_the_example_is_quantized_as_its_comments_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/llama.bitmill");
    let text = fs::read_to_string(&path).unwrap();
    let directory = tempfile::tempdir().unwrap();
    llama(directory.path());
    let model = Model::open(directory.path()).unwrap();
    let analysis = check::analyze(&path, &text, &Disk, Known::Model(&model));
    let worse: Vec<_> = analysis.findings.iter().filter(|finding| finding.severity > Severity::Hint).collect();
    assert!(worse.is_empty(), "{worse:#?}");
    let plan = analysis.plan.unwrap();
    let scheme = |name: &str| {
        let index = model.weights.iter().position(|weight| weight.name == name).unwrap();
        let decision = &plan.decisions[index];
        assert!(decision.outcome.is_change(), "{name}: {:?}", decision.outcome);
        analysis.recipe.text(analysis.recipe.rules[decision.rule.unwrap()].scheme_place)
    };
    assert_eq!(model.weights.iter().find(|weight| !weight.tied.is_empty()).unwrap().tied, ["lm_head.weight"]);
    assert_eq!(scheme("model.embed_tokens.weight"), "int8 per-channel");
    assert_eq!(scheme("model.layers.1.mlp.down_proj.weight"), "int8 per-channel");
    assert_eq!(scheme("model.layers.15.self_attn.k_proj.weight"), "w4");
}
