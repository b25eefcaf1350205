//! Palettizing one weight of a large linear layer, beside a plain copy of it. GB/s are of input.

use std::hint::black_box;

use bitmill::quant::element::Element;
use bitmill::quant::palette::{PaletteSpec, quantize};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use half::{bf16, f16};

const ROWS: usize = 2048;
const COLUMNS: usize = 8192;

/// Normally distributed weights from a fixed generator (SplitMix64, Box-Muller).
fn weights<T: Element>() -> Vec<T> {
    let mut state = 1u64;
    let mut uniform = move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    };
    (0..ROWS * COLUMNS)
        .map(|_| {
            let radius = (-2.0 * (1.0 - uniform()).ln()).sqrt();
            let normal = radius * (std::f64::consts::TAU * uniform()).cos();
            T::from_f32((0.02 * normal) as f32)
        })
        .collect()
}

fn case<T: Element>(group: &mut BenchmarkGroup<WallTime>, name: &str, weights: &[T], bits: u8, block: [usize; 2]) {
    let spec = PaletteSpec { block: Some(block.to_vec()), ..PaletteSpec::per_tensor(bits) };
    group.bench_function(name, |b| {
        b.iter(|| {
            let shape = [ROWS, COLUMNS];
            quantize(black_box(weights), &shape, &spec, None, &|| false)
                .expect("the weights are finite and the blocks divide")
        });
    });
}

fn of_type<T: Element>(c: &mut Criterion, name: &str) {
    let weights: Vec<T> = weights();
    let mut group = c.benchmark_group(format!("2048x8192 {name}"));
    group.sample_size(10);
    group.throughput(Throughput::Bytes(size_of_val(&*weights) as u64));
    let mut copy = weights.clone();
    group.bench_function("copy", |b| {
        b.iter(|| black_box(&mut copy).copy_from_slice(black_box(&weights)));
    });
    for bits in [4, 2, 3, 6, 8] {
        let name = format!("{bits} bits, per 16 rows");
        case(&mut group, &name, &weights, bits, [16, COLUMNS]);
    }
    for bits in [4, 8] {
        let name = format!("{bits} bits, per tensor");
        case(&mut group, &name, &weights, bits, [ROWS, COLUMNS]);
    }
    case(&mut group, "4 bits, per 16 columns", &weights, 4, [ROWS, 16]);
    case(&mut group, "4 bits, per row", &weights, 4, [1, COLUMNS]);
    group.finish();
}

fn all(c: &mut Criterion) {
    of_type::<f32>(c, "f32");
    of_type::<f16>(c, "f16");
    of_type::<bf16>(c, "bf16");
}

criterion_group!(benches, all);
criterion_main!(benches);
