//! Throughput of the affine kernels on one 2048 × 8192 weight, in bytes of input, beside a plain copy.

use std::hint::black_box;
use std::time::Duration;

use bitmill::quant::affine::{AffineSpec, quantize};
use bitmill::quant::element::Element;
use bitmill::scheme::{Arithmetic, Mapping, ScaleSearch};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use half::{bf16, f16};

const SHAPE: [usize; 2] = [2048, 8192];

/// Weights that look like a trained layer's: the sum of uniform numbers, from a fixed sequence.
fn weights<T: Element>() -> Vec<T> {
    let mut state = 1u64;
    let mut uniform = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    (0..SHAPE[0] * SHAPE[1]).map(|_| T::from_f32((uniform() + uniform() + uniform()) * 0.05)).collect()
}

fn spec(bits: u8, mapping: Mapping) -> AffineSpec {
    AffineSpec {
        bits,
        signed: true,
        mapping,
        arithmetic: Arithmetic::Torchao,
        scale: None,
        search: ScaleSearch::MinMax,
    }
}

fn kernels<T: Element>(c: &mut Criterion, type_name: &str) {
    let weights = weights::<T>();
    let mut group = c.benchmark_group(type_name);
    group
        .throughput(Throughput::Bytes(size_of_val(weights.as_slice()) as u64))
        .measurement_time(Duration::from_secs(3))
        .warm_up_time(Duration::from_secs(1))
        .sample_size(20);
    let mut copied = weights.clone();
    group.bench_function("copy", |b| {
        b.iter(|| copied.copy_from_slice(black_box(&weights)));
    });
    drop(copied);
    let symmetric = Mapping::Symmetric;
    let int4 = spec(4, symmetric);
    let cases = [
        ("int4 per-group(32)", [1, 32], int4),
        ("int4 per-group(32) asymmetric", [1, 32], spec(4, Mapping::Asymmetric)),
        ("int8 per-channel", [1, SHAPE[1]], spec(8, symmetric)),
        ("int8 per-channel(1)", [SHAPE[0], 1], spec(8, symmetric)),
        ("int8 per-tensor", SHAPE, spec(8, symmetric)),
        ("int4 block[16, 32]", [16, 32], int4),
        ("int4 per-group(32) coremltools", [1, 32], AffineSpec { arithmetic: Arithmetic::Coremltools, ..int4 }),
    ];
    for (name, block, spec) in cases {
        run(&mut group, name, &weights, block, spec);
    }
    group.sample_size(10);
    let by = |search| AffineSpec { search, ..int4 };
    run(&mut group, "int4 per-group(32) by mse", &weights, [1, 32], by(ScaleSearch::Mse));
    run(&mut group, "int4 per-group(32) by hqq", &weights, [1, 32], by(ScaleSearch::Hqq));
    group.finish();
}

fn run<T: Element>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    weights: &[T],
    block: [usize; 2],
    spec: AffineSpec,
) {
    group.bench_function(name, |b| {
        b.iter(|| quantize(black_box(weights), &SHAPE, &block, &spec));
    });
}

fn all(c: &mut Criterion) {
    kernels::<f32>(c, "f32");
    kernels::<f16>(c, "f16");
    kernels::<bf16>(c, "bf16");
}

criterion_group!(benches, all);
criterion_main!(benches);
