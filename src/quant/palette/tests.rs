//! Palettization as a whole.

use half::{bf16, f16};
use proptest::prelude::*;

use super::*;
use crate::scheme::PaletteFit;

/// Deterministic, roughly normal weights, rows of growing magnitude.
fn weights<T: Element>(rows: usize, columns: usize) -> Vec<T> {
    let mut state = 1u64;
    let mut uniform = move || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 40) as f32 / (1u64 << 24) as f32
    };
    (0..rows * columns)
        .map(|i| {
            let x: f32 = (0..4).map(|_| uniform() - 0.5).sum();
            T::from_f32(x * (1 + i / columns) as f32)
        })
        .collect()
}

fn run<T: Element>(w: &[T], shape: &[usize], spec: &PaletteSpec) -> Palettized {
    quantize(w, shape, spec, None, &|| false).unwrap()
}

/// The squared error of dequantized weights.
fn error<T: Element>(ours: &Palettized, w: &[T]) -> f64 {
    let again: Vec<f32> = ours.dequantize();
    let off = |(a, &b): (&T, &f32)| (f64::from(a.to_f32()) - f64::from(b)).powi(2);
    w.iter().zip(&again).map(off).sum()
}

fn sse(ours: &Palettized) -> f64 {
    ours.sse.iter().sum()
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-6 * a.abs() + 1e-12
}

/// Blocks of a shape; 0 is the whole axis.
fn blocks(shape: &[usize], sizes: &[usize]) -> Option<Vec<usize>> {
    Some(shape.iter().zip(sizes).map(|(&whole, &size)| if size == 0 { whole } else { size }).collect())
}

#[test]
fn every_granularity_reports_the_error_it_makes() {
    let w: Vec<f32> = weights(24, 60);
    for (shape, block) in [
        (vec![24, 60], vec![8, 0]),
        (vec![24, 60], vec![0, 15]),
        (vec![24, 60], vec![0, 1]),
        (vec![24, 60], vec![6, 20]),
        (vec![4, 6, 5, 12], vec![2, 3, 0, 4]),
        (vec![1440], vec![360]),
    ] {
        for bits in [1, 3, 6] {
            let spec = PaletteSpec { block: blocks(&shape, &block), ..PaletteSpec::per_tensor(bits) };
            let ours = run(&w, &shape, &spec);
            assert!(near(sse(&ours), error(&ours, &w)), "{shape:?} {block:?}");
            let tables: usize = ours.grid.iter().product();
            assert_eq!(ours.tables.len(), tables << bits);
            assert!(ours.tables.chunks(1 << bits).all(<[f32]>::is_sorted));
        }
    }
}

/// Long runs take other ways through sorting and coding than short ones.
#[test]
fn large_tables_of_every_type() {
    fn check<T: Element>() {
        let w: Vec<T> = weights(16, 1 << 12);
        for bits in [4, 7] {
            let ours = run(&w, &[16, 1 << 12], &PaletteSpec::per_tensor(bits));
            assert!(near(sse(&ours), error(&ours, &w)));
            let wide: Vec<f32> = w.iter().map(|w| w.to_f32()).collect();
            let by_sorting = run(&wide, &[16, 1 << 12], &PaletteSpec::per_tensor(bits));
            assert_eq!(ours.codes, by_sorting.codes);
        }
    }
    check::<f32>();
    check::<f16>();
    check::<bf16>();
}

#[test]
fn the_number_of_threads_does_not_matter() {
    let w: Vec<f32> = weights(64, 1 << 15);
    let spec = |vector| PaletteSpec { vector, int8_entries: true, ..PaletteSpec::per_tensor(3) };
    let small: Vec<f32> = weights(32, 512);
    let both = || {
        let vector = Some(PaletteVector { size: 2, axis: 0 });
        let one = run(&w, &[64, 1 << 15], &spec(None));
        (one, run(&small, &[32, 512], &spec(vector)))
    };
    let threads = |n| rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap();
    assert_eq!(threads(1).install(both), threads(3).install(both));
}

#[test]
fn pruned_weights_are_left_out() {
    let mut w: Vec<f16> = weights(8, 100);
    let mask: Vec<bool> = (0..800).map(|i| i >= 400 && i % 3 != 0).collect();
    w[3] = f16::NAN;
    let spec = PaletteSpec { block: blocks(&[8, 100], &[4, 0]), ..PaletteSpec::per_tensor(2) };
    let ours = quantize(&w, &[8, 100], &spec, Some(&mask), &|| false).unwrap();
    let kept: Vec<f16> = (400..800).filter(|i| mask[*i]).map(|i| w[i]).collect();
    let alone = run(&kept, &[kept.len()], &PaletteSpec::per_tensor(2));
    assert_eq!(ours.tables[..4], [0.0; 4]);
    assert_eq!(ours.entries_used, [0, 4]);
    assert_eq!(ours.tables[4..], alone.tables);
    assert_eq!(sse(&ours), sse(&alone));
    let pruned = |i: &usize| !mask[*i];
    let again: Vec<f16> = ours.dequantize();
    assert!((0..800).filter(pruned).all(|i| ours.codes[i] == 0 && again[i].to_f32() == 0.0));
}

#[test]
fn int8_tables_lose_little_and_stay_consistent() {
    let w: Vec<f32> = weights(32, 256);
    for scaled in [None, Some(0)] {
        let spec = PaletteSpec {
            block: blocks(&[32, 256], &[8, 0]),
            int8_entries: true,
            entries: EntryType::Fp16,
            scaled,
            ..PaletteSpec::per_tensor(4)
        };
        let ours = run(&w, &[32, 256], &spec);
        let plain = run(&w, &[32, 256], &PaletteSpec { int8_entries: false, ..spec });
        let int8 = ours.int8_tables.as_ref().unwrap();
        assert_eq!(f16::from_f32(int8.scale).to_f32(), int8.scale);
        for (&q, &entry) in int8.values.iter().zip(&ours.tables) {
            assert_eq!(f16::from_f32(f32::from(q) * int8.scale).to_f32(), entry);
        }
        assert!(near(sse(&ours), error(&ours, &w)));
        assert!(sse(&ours) >= sse(&plain) * 0.999);
        assert!(sse(&ours) <= sse(&plain) * 1.2);
    }
}

/// Scales of int8 tables that are subnormal numbers of the entries' type: rounded down, they would cut off the greatest
/// entries, or be zero.
#[test]
fn int8_tables_of_tiny_weights() {
    for greatest in [1e-3, 1.1e-5, 4e-6, 1e-6] {
        let w: Vec<f16> = (0..256).map(|i| f16::from_f32(greatest * (i as f32 / 255.0))).collect();
        let ours = run(&w, &[256], &PaletteSpec { int8_entries: true, ..PaletteSpec::per_tensor(8) });
        let int8 = ours.int8_tables.as_ref().unwrap();
        let worst = w.iter().zip(ours.dequantize::<f32>()).map(|(a, b)| (a.to_f32() - b).abs()).fold(0.0, f32::max);
        assert!(worst <= int8.scale * 0.51, "{greatest}: {worst} with steps of {}", int8.scale);
        assert!(int8.scale < 2.0 * (greatest / 127.0).max(6e-8), "{greatest}: {}", int8.scale);
    }
}

#[test]
fn scales_are_per_output_channel() {
    let w: Vec<f16> = weights(16, 128);
    let spec = PaletteSpec { scaled: Some(0), ..PaletteSpec::per_tensor(4) };
    let ours = run(&w, &[16, 128], &spec);
    let scale = ours.channel_scale.as_ref().unwrap();
    let greatest = |row: &[f16]| row.iter().map(|w| w.to_f32().abs()).fold(0.0, f32::max);
    let expected: Vec<f32> = w.chunks(128).map(greatest).collect();
    assert_eq!(scale.scales, expected);
    assert!(near(sse(&ours), error(&ours, &w)));
    // Rows of very different magnitude share one table.
    assert!(sse(&ours) < sse(&run(&w, &[16, 128], &PaletteSpec::per_tensor(4))));
    let zero = run(&[f16::ZERO; 4], &[2, 2], &spec);
    assert_eq!(zero.channel_scale.unwrap().scales, [1.0, 1.0]);
}

#[test]
fn vectors_along_each_axis() {
    let w: Vec<f32> = weights(12, 80);
    let mut last = f64::INFINITY;
    for axis in [0, 1] {
        for bits in [2, 4, 6] {
            let spec = PaletteSpec {
                block: blocks(&[12, 80], &[6, 40]),
                vector: Some(PaletteVector { size: 2, axis }),
                ..PaletteSpec::per_tensor(bits)
            };
            let ours = run(&w, &[12, 80], &spec);
            assert_eq!(ours.codes.len(), 480);
            assert_eq!(ours.codes_shape(), [[6, 80], [12, 40]][axis]);
            assert_eq!(ours.table_shape(), [2, 2, 1 << bits, 2]);
            assert!(near(sse(&ours), error(&ours, &w)));
            assert!(bits == 2 || sse(&ours) < last);
            last = sse(&ours);
        }
    }
    let one = Some(PaletteVector { size: 1, axis: 1 });
    let spec = PaletteSpec { vector: one, ..PaletteSpec::per_tensor(3) };
    assert_eq!(run(&w, &[12, 80], &spec), run(&w, &[12, 80], &PaletteSpec::per_tensor(3)));
}

#[test]
fn few_vectors_are_exact() {
    let w: Vec<f32> = (0..64).map(|i| [1.0, 2.0, -3.0, 0.5][i / 2 % 2 * 2 + i % 2]).collect();
    for fit in [PaletteFit::Unique, PaletteFit::Kmeans] {
        let spec = PaletteSpec { fit, vector: Some(PaletteVector { size: 2, axis: 1 }), ..PaletteSpec::per_tensor(1) };
        let ours = run(&w, &[8, 8], &spec);
        assert_eq!(ours.tables, [-3.0, 0.5, 1.0, 2.0]);
        assert_eq!(ours.dequantize::<f32>(), w);
    }
}

#[test]
fn wrong_calls_are_errors() {
    let base = PaletteSpec::per_tensor(4);
    let call = |w: &[f32], shape: &[usize], spec: &PaletteSpec, mask: Option<&[bool]>| {
        quantize(w, shape, spec, mask, &|| false).unwrap_err().to_string()
    };
    let w = [1.0f32; 12];
    let bits = PaletteSpec { bits: 9, ..base.clone() };
    let vector = |size, axis| PaletteSpec { vector: Some(PaletteVector { size, axis }), ..base.clone() };
    let uniform = PaletteSpec { fit: PaletteFit::Uniform, ..vector(2, 1) };
    let scaled = PaletteSpec { scaled: Some(2), ..base.clone() };
    let half = PaletteSpec { entries: EntryType::Fp16, ..base.clone() };
    let infinite = [1.0, 2.0, f32::NEG_INFINITY, f32::NAN];
    let messages = [
        call(&w, &[3, 5], &base, None),
        call(&w, &[usize::MAX, 2], &base, None),
        call(&[], &[0, 4], &base, None),
        call(&w, &[3, 4], &bits, None),
        call(&w, &[3, 4], &base, Some(&[true])),
        call(&w, &[3, 4], &vector(3, 1), None),
        call(&w, &[3, 4], &vector(0, 1), None),
        call(&w, &[3, 4], &vector(2, 2), None),
        call(&w, &[3, 4], &vector(2, 1), Some(&[true; 12])),
        call(&w, &[3, 4], &uniform, None),
        call(&w, &[3, 4], &scaled, None),
        call(&infinite, &[2, 2], &base, None),
        call(&[1e5; 4], &[4], &half, None),
    ];
    insta::assert_snapshot!(messages.join("\n"), @r"
    12 elements for shape [3, 5]
    12 elements for shape [18446744073709551615, 2]
    a weight of shape [0, 4] has no elements
    palettes have codes of 1 to 8 bits, not 9
    a mask of 1 elements for a weight of 12
    4 along axis 1 is not divisible by 3
    4 along axis 1 is not divisible by 0
    a weight of rank 2 has no axis 2
    a mask cannot be combined with entries of several weights
    fit uniform has no entries of several weights
    a weight of rank 2 has no axis 2
    -inf at [1, 0]
    100000 does not fit in fp16
    ");
}

#[test]
fn cancellation() {
    let w: Vec<f32> = weights(16, 256);
    let vector = Some(PaletteVector { size: 2, axis: 0 });
    for vector in [None, vector] {
        let spec = PaletteSpec { vector, ..PaletteSpec::per_tensor(4) };
        let stopped = quantize(&w, &[16, 256], &spec, None, &|| true);
        assert_eq!(stopped.unwrap_err(), PaletteError::Cancelled);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Nothing panics, and what comes back is consistent.
    #[test]
    fn anything(
        bits in prop::collection::vec(any::<u16>(), 24),
        width in 1u8..9,
        block in prop::sample::select(vec![[0, 0], [2, 0], [0, 3], [1, 1], [4, 2]]),
        fit in prop::sample::select(vec![PaletteFit::Kmeans, PaletteFit::Uniform, PaletteFit::Unique]),
        vector in prop::option::of((1usize..4, 0usize..2)),
        flags in any::<(bool, bool, bool)>(),
    ) {
        let w: Vec<f16> = bits.into_iter().map(f16::from_bits).collect();
        let spec = PaletteSpec {
            bits: width,
            block: blocks(&[4, 6], &block),
            fit,
            vector: vector.map(|(size, axis)| PaletteVector { size, axis }),
            entries: if flags.0 { EntryType::Fp32 } else { EntryType::Weight },
            int8_entries: flags.1,
            scaled: flags.2.then_some(0),
        };
        if let Ok(ours) = quantize(&w, &[4, 6], &spec, None, &|| false) {
            prop_assert!(ours.codes.iter().all(|&c| usize::from(c) < ours.entries()));
            let squares: f64 = w.iter().map(|w| w.to_f64().powi(2)).sum();
            prop_assert!((sse(&ours) - error(&ours, &w)).abs() <= 1e-6 * squares);
        }
    }
}
