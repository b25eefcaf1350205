//! Throughput of the affine kernels on one 2048 × 8192 weight, in bytes of input, beside a plain copy.

use std::hint::black_box;
use std::time::Duration;

use bitmill::quant::affine::{AffineSpec, quantize};
use bitmill::quant::element::Element;
use bitmill::quant::pack::{pack, unpack};
use bitmill::quant::power::Power;
use bitmill::quant::prune::{by_magnitude, n_of_m};
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
        b.iter(|| black_box(&mut copied).copy_from_slice(black_box(&weights)));
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
    quantize(weights, &SHAPE, &block, &spec).expect("what is measured works");
    group.bench_function(name, |b| {
        b.iter(|| quantize(black_box(weights), &SHAPE, &block, &spec));
    });
}

fn all(c: &mut Criterion) {
    kernels::<f32>(c, "f32");
    kernels::<f16>(c, "f16");
    kernels::<bf16>(c, "bf16");
}

/// What is done with codes, in bytes of codes; and what is done with weights around them.
fn codes_and_masks(c: &mut Criterion) {
    let weights = weights::<f32>();
    let quantized = quantize(&weights, &SHAPE, &[1, 32], &spec(4, Mapping::Symmetric)).expect("it divides");
    let codes = &quantized.codes;
    let mut group = c.benchmark_group("codes");
    group.throughput(Throughput::Bytes(codes.len() as u64)).sample_size(20);
    for bits in [4, 6] {
        let packed = pack(codes, bits).expect("the codes have 4 bits");
        group.bench_function(format!("pack {bits}"), |b| b.iter(|| pack(black_box(codes), bits)));
        group.bench_function(format!("unpack {bits}"), |b| {
            b.iter(|| unpack::<i8>(black_box(&packed), codes.len(), bits));
        });
    }
    group.finish();
    let mut group = c.benchmark_group("weights");
    group.throughput(Throughput::Bytes(size_of_val(weights.as_slice()) as u64)).sample_size(20);
    group.bench_function("dequantize", |b| b.iter(|| black_box(&quantized).dequantize::<f32>()));
    let decoded = quantized.dequantize::<f32>().expect("its parts belong together");
    group.bench_function("power of noise", |b| {
        b.iter(|| Power::between(black_box(&weights), &decoded));
    });
    group.bench_function("prune 50%", |b| b.iter(|| by_magnitude(black_box(&weights), 0.5)));
    group.bench_function("prune 2:4", |b| b.iter(|| n_of_m(black_box(&weights), &SHAPE, 1, 2, 4)));
    group.finish();
}

criterion_group!(benches, all, codes_and_masks);
criterion_main!(benches);
