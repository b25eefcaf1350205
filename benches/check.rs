//! A keystroke's work at sizes beyond what anyone has: a recipe of 5,000 lines, a model of 100,000 tensors.

use std::fmt::Write;
use std::path::Path;

use bitmill::check::{self, Known};
use bitmill::model::Model;
use bitmill::plan;
use bitmill::recipe::{self, NoImports};
use bitmill::syntax;
use criterion::{Criterion, criterion_group, criterion_main};

fn long_recipe() -> String {
    let mut text = String::from("target iOS18\nlinear => int4 per-group(32)\n");
    for layer in 0..2499 {
        _ = writeln!(text, "# layer {layer}\n\"layers.{layer}.mlp.up_proj\" => int8 per-channel");
    }
    text
}

fn large_model() -> Model {
    let mut listing = String::from("embed_tokens.weight embedding 1024x256 fp16\n");
    for module in ["q_proj", "k_proj", "v_proj", "o_proj", "mlp.up_proj", "mlp.down_proj", "mlp.gate_proj", "norm"] {
        let shape = if module == "norm" { "256" } else { "256x256" };
        _ = writeln!(listing, "layers.{{0..12499}}.{module}.weight {shape} fp16");
    }
    Model::listing(&listing).expect("the listing is well formed")
}

const RECIPE: &str = "target iOS18\nembedding => int8 per-channel\nlinear => int4 per-group(32)\n\
    linear and \"*.layers.{0,1}.*\" => int8\n\"*.mlp.*\" => lut4 per-grouped-channel(16)\n\
    linear where in_features % 32 != 0 => int8\n/.*(q|k)_proj/ => int8\n";

fn benches(c: &mut Criterion) {
    let (recipe, model) = (long_recipe(), large_model());
    let path = Path::new("bench.bitmill");
    c.bench_function("parse 5,000 lines", |b| b.iter(|| syntax::parse(&recipe)));
    c.bench_function("check 5,000 lines", |b| b.iter(|| check::analyze(path, &recipe, &NoImports, Known::Nothing)));
    let resolved = recipe::resolve(path, RECIPE, &NoImports);
    c.bench_function("plan 100,000 tensors", |b| b.iter(|| plan::plan(&resolved, &model)));
    c.bench_function("check against 100,000 tensors", |b| {
        b.iter(|| check::analyze(path, RECIPE, &NoImports, Known::Model(&model)));
    });
}

criterion_group! { name = all; config = Criterion::default().sample_size(10); targets = benches }
criterion_main!(all);
