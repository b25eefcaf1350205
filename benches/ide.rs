//! What an editor waits for, at sizes beyond what anyone has: a recipe of 5,000 lines, a model of 100,000 tensors.

use std::fmt::Write;
use std::hint::black_box;
use std::path::Path;

use bitmill::ide::code_lenses::code_lenses;
use bitmill::ide::completion::completion;
use bitmill::ide::diagnostics::diagnostics;
use bitmill::ide::hover::hover;
use bitmill::ide::inlay_hints::inlay_hints;
use bitmill::ide::semantic_tokens::semantic_tokens;
use bitmill::ide::symbols::outline;
use bitmill::ide::{Cancel, Workspace};
use bitmill::model::Model;
use criterion::{Criterion, criterion_group, criterion_main};

/// A rule a line: names, patterns of one layer, patterns over all, conditions.
fn long_recipe() -> String {
    let mut text = String::from("model \"m\"\ntarget iOS18\nscheme w4 = int4 per-group(32)\nlinear => w4\n");
    for layer in 0..2498 {
        let rule = match layer % 8 {
            0..=3 => format!("\"layers.{layer}.mlp.up_proj\" => int8 per-channel"),
            4 | 5 => format!("\"layers.{layer}.mlp.*\" => lut4 per-grouped-channel(16)"),
            6 => format!("\"*.{layer}.q_proj\" => w4 scale fp16"),
            _ => format!("linear where layer == {layer} and in_features % 64 == 0 => int8"),
        };
        _ = writeln!(text, "# layer {layer}\n{rule}");
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

fn benches(c: &mut Criterion) {
    let path = Path::new("/nowhere/bench.bitmill");
    let mut workspace = Workspace::new();
    workspace.give_model(Path::new("/nowhere/m"), large_model());
    let text = long_recipe();
    workspace.open(path, text.as_str());
    let cancel = Cancel::default();
    let analysis = workspace.world().analysis(path, &cancel).expect("it is open");
    let middle = text.find("\"layers.1201.mlp").expect("there is such a rule");
    let mut keystrokes = 0;
    c.bench_function("keystroke to findings", |b| {
        b.iter(|| {
            // Another layer is typed each time.
            keystrokes += 1;
            let mut typed = text.clone();
            typed.replace_range(middle + 8..middle + 12, &format!("{}", 1000 + keystrokes % 9000));
            workspace.open(path, typed);
            let analysis = workspace.world().analysis(path, &cancel).expect("it is open");
            black_box(diagnostics(&analysis).len())
        });
    });
    let arrow = middle + text[middle..].find("int8").expect("it has a scheme");
    let name = middle + 8;
    c.bench_function("complete a scheme", |b| b.iter(|| completion(&analysis, arrow).len()));
    c.bench_function("complete a name", |b| b.iter(|| completion(&analysis, name).len()));
    c.bench_function("hover a selector", |b| b.iter(|| hover(&analysis, name).map(|found| found.markdown.len())));
    c.bench_function("hover a scheme", |b| b.iter(|| hover(&analysis, arrow).map(|found| found.markdown.len())));
    c.bench_function("hints", |b| b.iter(|| inlay_hints(&analysis, None).len()));
    c.bench_function("lenses", |b| b.iter(|| code_lenses(&analysis).len()));
    c.bench_function("highlighting", |b| b.iter(|| semantic_tokens(&analysis, None).len()));
    c.bench_function("outline", |b| b.iter(|| outline(&analysis).len()));
}

criterion_group! { name = all; config = Criterion::default().sample_size(10); targets = benches }
criterion_main!(all);
