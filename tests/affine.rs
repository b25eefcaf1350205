//! The affine kernels against a slow and obvious twin, and against themselves on another number of threads.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::atomic::{AtomicUsize, Ordering};

use bitmill::quant::QuantError;
use bitmill::quant::affine::{AffineSpec, Quantized, quantize, quantize_unless};
use bitmill::quant::element::Element;
use bitmill::quant::power::Power;
use bitmill::scheme::{Arithmetic, FloatType, Mapping, ScaleSearch};
use half::{bf16, f16};
use proptest::prelude::*;

/// The weights of one block after the other, by index arithmetic: each with its place in the tensor.
fn blocks_by_index(shape: &[usize], block: &[usize]) -> Vec<Vec<usize>> {
    let mut blocks = vec![Vec::new(); shape.iter().zip(block).map(|(s, b)| s / b).product()];
    for element in 0..shape.iter().product() {
        let (mut rest, mut group, mut stride) = (element, 0, 1);
        for (&size, &block) in shape.iter().zip(block).rev() {
            group += rest % size / block * stride;
            stride *= size / block;
            rest /= size;
        }
        blocks[group].push(element);
    }
    blocks
}

/// torchao's arithmetic, one operation a line, each rounded to the type it is computed in.
struct Twin {
    codes: Vec<i16>,
    scales: Vec<f32>,
    zero_points: Vec<i16>,
    values: Vec<f32>,
}

fn twin<T: Element>(
    weights: &[T],
    shape: &[usize],
    block: &[usize],
    spec: &AffineSpec,
    round_scale: fn(f32) -> f32,
    round_product: fn(f32) -> f32,
) -> Twin {
    let d = |v: f32| T::from_f32(v).to_f32();
    let half = 1 << (spec.bits - 1);
    let (lowest, highest) = if spec.signed { (-half, half - 1) } else { (0, 2 * half - 1) };
    let (lo, hi) = (lowest as f32, highest as f32);
    let middle = if spec.signed { 0 } else { half };
    let mut twin =
        Twin { codes: vec![0; weights.len()], scales: vec![], zero_points: vec![], values: vec![0.0; weights.len()] };
    for places in blocks_by_index(shape, block) {
        let values: Vec<f32> = places.iter().map(|i| weights[*i].to_f32()).collect();
        let nan = values.iter().any(|v| v.is_nan());
        let min = if nan { f32::NAN } else { values.iter().fold(0.0, |a: f32, b| a.min(*b)) };
        let max = if nan { f32::NAN } else { values.iter().fold(0.0, |a: f32, b| a.max(*b)) };
        let mut scale = match spec.mapping {
            Mapping::Symmetric => d((if nan { max } else { max.max(-min) }) / ((hi - lo) / 2.0)),
            Mapping::SymmetricNoClipping => {
                let below = d(min / -(half as f32));
                let above = d(max / (half - 1) as f32);
                if below > above { below } else { above }
            }
            Mapping::Asymmetric => d(d(max - min) / (hi - lo)),
        };
        if scale < T::SMALLEST_NORMAL {
            scale = T::SMALLEST_NORMAL;
        }
        let zero_point = match spec.mapping {
            Mapping::Asymmetric => {
                let z = lo - d(min / scale).round_ties_even();
                if z.is_nan() { 0 } else { z.clamp(lo, hi) as i16 }
            }
            _ => middle as i16,
        };
        let scale = round_scale(scale);
        let inverse = round_scale(1.0 / scale);
        for place in places {
            let product = round_product(weights[place].to_f32() * inverse);
            let code = product.round_ties_even() + f32::from(zero_point);
            let code = if code.is_nan() { 0 } else { code.clamp(lo, hi) as i16 };
            twin.codes[place] = code;
            twin.values[place] = d(round_product(d(f32::from(code - zero_point)) * scale));
        }
        twin.scales.push(scale);
        twin.zero_points.push(zero_point);
    }
    twin
}

fn same(a: &[f32], b: &[f32]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()))
}

fn agrees_with_twin<T: Element>(
    patterns: &[u32],
    shape: &[usize],
    block: &[usize],
    spec: &AffineSpec,
) -> Result<(), TestCaseError> {
    let weights: Vec<T> = patterns.iter().map(|p| T::from_f32(f32::from_bits(*p))).collect();
    let round_scale: fn(f32) -> f32 = match spec.scale.unwrap_or(T::FLOAT) {
        FloatType::Fp16 => f16::round,
        FloatType::Bf16 => bf16::round,
        _ => f32::round_trip,
    };
    let own = spec.scale.is_none_or(|s| s == T::FLOAT);
    let round_product: fn(f32) -> f32 = if own { T::round } else { f32::round_trip };
    let expected = twin(&weights, shape, block, spec, round_scale, round_product);
    let found = quantize(&weights, shape, block, spec).unwrap();
    prop_assert!(same(&found.scales, &expected.scales), "{:?} {:?}", found.scales, expected.scales);
    let zero_points: Vec<i16> = (0..found.zero_points.len()).filter_map(|i| found.zero_point(i)).collect();
    prop_assert_eq!(zero_points, expected.zero_points);
    let codes: Vec<i16> = (0..weights.len()).filter_map(|i| found.code(i)).collect();
    prop_assert_eq!(codes, expected.codes);
    let values: Vec<f32> = found.dequantize::<T>().unwrap().iter().map(|v| v.to_f32()).collect();
    prop_assert!(same(&values, &expected.values), "{:?} {:?}", values, expected.values);
    Ok(())
}

trait RoundTrip {
    fn round_trip(self) -> f32;
}

impl RoundTrip for f32 {
    fn round_trip(self) -> f32 {
        self
    }
}

prop_compose! {
    fn any_spec()(
        bits in 1u8..=8,
        signed in any::<bool>(),
        mapping in prop::sample::select(Mapping::ALL.iter().map(|(m, ..)| *m).collect::<Vec<_>>()),
        scale in prop::sample::select(vec![
            None, Some(FloatType::Fp16), Some(FloatType::Bf16), Some(FloatType::Fp32),
        ]),
    ) -> AffineSpec {
        AffineSpec {
            bits, signed, mapping, scale,
            arithmetic: Arithmetic::Torchao,
            search: ScaleSearch::MinMax,
        }
    }
}

/// Bit patterns of weights: mostly ordinary, sometimes anything at all, sometimes ties and zeros.
fn pattern() -> impl Strategy<Value = u32> {
    prop_oneof![
        20 => (-1.0f32..1.0).prop_map(f32::to_bits),
        4 => (-20i8..20).prop_map(|i| (f32::from(i) * 0.5).to_bits()),
        2 => Just(0),
        1 => (-1e-5f32..1e-5).prop_map(f32::to_bits),
    ]
}

/// The number of blocks and the size of a block along up to three axes, not too large for the twin.
fn axes() -> impl Strategy<Value = Vec<(usize, usize)>> {
    let axis = (1usize..4, prop_oneof![1usize..6, 30usize..70]);
    proptest::collection::vec(axis, 0..4).prop_map(|mut axes| {
        while axes.iter().map(|(n, b)| n * b).product::<usize>() > 20_000 {
            axes.pop();
        }
        axes
    })
}

prop_compose! {
    fn tensor()(axes in axes())(
        patterns in proptest::collection::vec(
            pattern(),
            axes.iter().map(|(n, b)| n * b).product::<usize>().min(3000),
        ),
        wild in proptest::option::weighted(0.3, (any::<prop::sample::Index>(), any::<u32>())),
        axes in Just(axes),
    ) -> (Vec<usize>, Vec<usize>, Vec<u32>) {
        let (shape, block): (Vec<usize>, Vec<usize>) = axes.iter().map(|(n, b)| (n * b, *b)).unzip();
        let len: usize = shape.iter().product();
        let mut patterns: Vec<u32> = patterns.iter().cycle().take(len).copied().collect();
        if let Some((index, wild)) = wild {
            let index = index.index(len);
            patterns[index] = wild;
        }
        (shape, block, patterns)
    }
}

/// How far a quantized tensor is from its weights.
fn noise<T: Element>(weights: &[T], quantized: &Quantized) -> Power {
    Power::between(weights, &quantized.dequantize::<T>().unwrap()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn f32_agrees_with_the_twin((shape, block, patterns) in tensor(), spec in any_spec()) {
        agrees_with_twin::<f32>(&patterns, &shape, &block, &spec)?;
    }

    #[test]
    fn f16_agrees_with_the_twin((shape, block, patterns) in tensor(), spec in any_spec()) {
        agrees_with_twin::<f16>(&patterns, &shape, &block, &spec)?;
    }

    #[test]
    fn bf16_agrees_with_the_twin((shape, block, patterns) in tensor(), spec in any_spec()) {
        agrees_with_twin::<bf16>(&patterns, &shape, &block, &spec)?;
    }

    #[test]
    fn a_search_by_squared_error_is_never_worse(
        (shape, block, patterns) in tensor(),
        spec in any_spec(),
        arithmetic in prop::sample::select(vec![Arithmetic::Torchao, Arithmetic::Coremltools]),
    ) {
        let weights: Vec<f16> = patterns.iter().map(|p| f16::from_f32(f32::from_bits(*p))).collect();
        let spec = AffineSpec { arithmetic, ..spec };
        let mse = AffineSpec { search: ScaleSearch::Mse, ..spec };
        match (quantize(&weights, &shape, &block, &spec), quantize(&weights, &shape, &block, &mse)) {
            (Ok(plain), Ok(searched)) => {
                let plain = noise(&weights, &plain);
                let searched = noise(&weights, &searched);
                // The sums have other orders.
                prop_assert!(searched.noise <= plain.noise * (1.0 + 1e-12));
            }
            (plain, searched) => prop_assert_eq!(plain.err(), searched.err()),
        }
    }
}

/// Weights of a fixed sequence, with a few blocks of other magnitudes.
fn sequence(len: usize) -> Vec<f32> {
    let mut state = 7u64;
    (0..len)
        .map(|i| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let uniform = (state >> 40) as f32 / (1 << 23) as f32 - 1.0;
            uniform * if i % 1000 < 30 { 5.0 } else { 0.1 }
        })
        .collect()
}

/// Every path through the driver, on tensors of several pieces: one thread and several give the same bits.
#[test]
fn the_number_of_threads_does_not_matter() {
    let shapes: [(&[usize], &[usize]); 7] = [
        (&[150, 1024], &[1, 32]),
        (&[150, 1024], &[1, 1024]),
        (&[150, 1024], &[150, 1]),
        (&[150, 1024], &[150, 1024]),
        (&[150, 1024], &[50, 64]),
        (&[2, 150_000], &[1, 150_000]),
        (&[20, 64, 16, 16], &[1, 64, 1, 1]),
    ];
    let pool = |n| rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap();
    let (one, two, five) = (pool(1), pool(2), pool(5));
    for (shape, block) in shapes {
        let weights = sequence(shape.iter().product());
        for search in [ScaleSearch::MinMax, ScaleSearch::Hqq, ScaleSearch::Mse] {
            for arithmetic in [Arithmetic::Torchao, Arithmetic::Coremltools] {
                let spec = AffineSpec {
                    bits: 4,
                    signed: true,
                    mapping: Mapping::Asymmetric,
                    arithmetic,
                    scale: Some(FloatType::Fp16),
                    search,
                };
                let run = || {
                    let quantized = quantize(&weights, shape, block, &spec).unwrap();
                    let power = noise(&weights, &quantized);
                    (quantized, power)
                };
                let alone = one.install(run);
                assert_eq!(alone, two.install(run), "{shape:?} {block:?} {spec:?}");
                assert_eq!(alone, five.install(run), "{shape:?} {block:?} {spec:?}");
                let values = alone.0.dequantize::<f32>().unwrap();
                let plain = Power::between(&weights, &values).unwrap();
                assert_eq!(plain, alone.1);
            }
        }
    }
}

/// The slow twin on tensors large enough for every path through the driver.
#[test]
fn large_tensors_agree_with_the_twin() {
    let spec = AffineSpec {
        bits: 8,
        signed: true,
        mapping: Mapping::Asymmetric,
        arithmetic: Arithmetic::Torchao,
        scale: None,
        search: ScaleSearch::MinMax,
    };
    for (shape, block) in
        [([300, 1024], [1, 32]), ([300, 1024], [300, 1]), ([300, 1024], [300, 1024]), ([300, 1024], [50, 16])]
    {
        let weights = sequence(300 * 1024);
        let patterns: Vec<u32> = weights.iter().map(|w| w.to_bits()).collect();
        agrees_with_twin::<f32>(&patterns, &shape, &block, &spec).unwrap();
        agrees_with_twin::<f16>(&patterns, &shape, &block, &spec).unwrap();
    }
}

#[test]
fn a_run_stops_when_told() {
    let weights = sequence(1 << 20);
    for search in [ScaleSearch::MinMax, ScaleSearch::Hqq, ScaleSearch::Mse] {
        for block in [32, 1 << 20] {
            let spec = AffineSpec {
                bits: 4,
                signed: true,
                mapping: Mapping::Symmetric,
                arithmetic: Arithmetic::Torchao,
                scale: None,
                search,
            };
            let asked = AtomicUsize::new(0);
            let enough = || asked.fetch_add(1, Ordering::Relaxed) >= 3;
            let result = quantize_unless(&weights, &[1 << 20], &[block], &spec, &enough);
            assert_eq!(result, Err(QuantError::Cancelled));
        }
    }
}

fn int4(arithmetic: Arithmetic) -> AffineSpec {
    AffineSpec {
        bits: 4,
        signed: true,
        mapping: Mapping::Symmetric,
        arithmetic,
        scale: Some(FloatType::Fp16),
        search: ScaleSearch::MinMax,
    }
}

/// Where coremltools divides by zero.
#[test]
fn dead_blocks_get_a_scale_of_one_in_coremltools_arithmetic() {
    let weights = [0.0f32, 0.0, 1e-9, -1e-9, 1.0, -7.0];
    let quantized = quantize(&weights, &[3, 2], &[1, 2], &int4(Arithmetic::Coremltools)).unwrap();
    assert_eq!(quantized.scales, [1.0, 1.0, 1.0]);
    assert_eq!(quantized.codes, [0, 0, 0, 0, 1, -7]);
    assert_eq!(quantized.dead_blocks, 2);
}

#[test]
fn what_is_not_finite_is_an_error_in_coremltools_arithmetic_only() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let weights = [1.0, bad];
        for search in [ScaleSearch::MinMax, ScaleSearch::Mse, ScaleSearch::Hqq] {
            let of = |arithmetic| {
                let spec = AffineSpec { search, ..int4(arithmetic) };
                quantize(&weights, &[2], &[2], &spec)
            };
            assert_eq!(of(Arithmetic::Coremltools), Err(QuantError::NonFinite));
            assert!(of(Arithmetic::Torchao).is_ok());
        }
    }
}

/// Ranges that binary16 cannot hold are computed in binary64, where upstream gives an infinite scale.
#[test]
fn a_range_beyond_binary16_is_no_obstacle() {
    let weights = [f16::from_f32(60000.0), f16::from_f32(-60000.0), f16::from_f32(30000.0)];
    for mapping in [Mapping::Symmetric, Mapping::Asymmetric] {
        let spec = AffineSpec { mapping, bits: 8, ..int4(Arithmetic::Coremltools) };
        let quantized = quantize(&weights, &[3], &[3], &spec).unwrap();
        let power = noise(&weights, &quantized);
        assert!(power.signal > 1e4 * power.noise, "{quantized:?}");
    }
}

#[test]
fn what_does_not_exist_is_an_error() {
    let spec = int4(Arithmetic::Torchao);
    let error = |spec: AffineSpec| quantize(&[1.0f32], &[1], &[1], &spec).unwrap_err();
    assert_eq!(error(AffineSpec { bits: 0, ..spec }), QuantError::Bits(0));
    assert_eq!(error(AffineSpec { bits: 9, ..spec }), QuantError::Bits(9));
    let fp8 = Some(FloatType::Fp8E4m3);
    assert_eq!(error(AffineSpec { scale: fp8, ..spec }), QuantError::ScaleType(FloatType::Fp8E4m3));
    let one = AffineSpec { bits: 1, ..int4(Arithmetic::Coremltools) };
    assert_eq!(error(one), QuantError::SingleCode);
    assert!(quantize(&[1.0f32], &[2], &[1], &spec).is_err());
    assert!(quantize::<f32>(&[], &[0, 4], &[1, 4], &spec).unwrap().codes.is_empty());
}

#[test]
fn parts_that_do_not_belong_together_are_not_dequantized() {
    let good = quantize(&[1.0f32; 8], &[8], &[4], &int4(Arithmetic::Torchao)).unwrap();
    let broken: [fn(&mut Quantized); 5] = [
        |q| q.codes.truncate(7),
        |q| q.scales.truncate(1),
        |q| q.zero_points.clear(),
        |q| q.block = vec![3],
        |q| q.scale_type = FloatType::Fp8E5m2,
    ];
    for breaking in broken {
        let mut quantized = good.clone();
        breaking(&mut quantized);
        assert!(quantized.dequantize::<f32>().is_err());
    }
}
