use super::*;

fn spec(bits: u8, block: &[usize]) -> PaletteSpec {
    PaletteSpec {
        bits,
        block: block.to_vec(),
        fit: PaletteFit::Kmeans,
        vector: 1,
        axis: 0,
        int8_entries: false,
        scaled: false,
        entry: FloatType::Fp32,
    }
}

fn run(weights: &[f32], shape: &[usize], spec: &PaletteSpec) -> Palettized {
    quantize(weights, shape, spec, None, &|| false).unwrap()
}

/// Values from a fixed generator, about normally distributed.
fn normal(count: usize) -> Vec<f32> {
    let mut state = 1u32;
    let mut uniform = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32
    };
    (0..count).map(|_| (0..6).map(|_| uniform()).sum::<f32>() - 3.0).collect()
}

fn error(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum()
}

#[test]
fn each_block_has_its_own_table() {
    let weights = [1.0, 2.0, 10.0, 20.0, 1.0, 2.0, 10.0, 20.0];
    let by_rows = run(&weights, &[2, 4], &spec(2, &[1, 4]));
    assert_eq!(by_rows.tables, [1.0, 2.0, 10.0, 20.0, 1.0, 2.0, 10.0, 20.0]);
    let by_columns = run(&weights, &[2, 4], &spec(1, &[2, 2]));
    assert_eq!(by_columns.tables, [1.0, 2.0, 10.0, 20.0]);
    assert_eq!(by_columns.codes, [0, 1, 0, 1, 0, 1, 0, 1]);
    assert_eq!(by_columns.dequantize::<f32>(), weights);
    let middle = run(&weights, &[2, 2, 2], &spec(1, &[2, 1, 2]));
    assert_eq!(middle.dequantize::<f32>(), weights);
}

#[test]
fn uniform_entries_are_evenly_spaced() {
    let uniform = PaletteSpec { fit: PaletteFit::Uniform, ..spec(2, &[4]) };
    let made = run(&[0.0, 0.4, 3.0, 1.5], &[4], &uniform);
    assert_eq!(made.tables, [0.0, 1.0, 2.0, 3.0]);
    assert_eq!(made.codes, [0, 0, 3, 1]);
}

#[test]
fn unique_keeps_every_value_or_refuses() {
    let unique = PaletteSpec { fit: PaletteFit::Unique, ..spec(1, &[4]) };
    assert_eq!(run(&[5.0, -1.0, 5.0, -1.0], &[4], &unique).dequantize::<f32>(), [5.0, -1.0, 5.0, -1.0]);
    let refused = quantize(&[1.0f32, 2.0, 3.0, 3.0], &[4], &unique, None, &|| false);
    assert_eq!(refused, Err(QuantError::Distinct(3)));
    let vectors = PaletteSpec { vector: 2, axis: 0, ..unique };
    let made = run(&[1.0, 2.0, 3.0, 4.0, 1.0, 2.0, 3.0, 4.0], &[8], &PaletteSpec { block: vec![8], ..vectors });
    assert_eq!(made.dequantize::<f32>(), [1.0, 2.0, 3.0, 4.0, 1.0, 2.0, 3.0, 4.0]);
}

#[test]
fn masks_int8_entries_and_scales() {
    let weights = normal(64 * 32);
    let plain = run(&weights, &[64, 32], &spec(4, &[16, 32]));
    let plain_error = error(&weights, &plain.dequantize::<f32>());
    let sum: f64 = plain.table_errors.iter().sum();
    assert!((sum - plain_error).abs() < 1e-3 * plain_error, "{sum} {plain_error}");

    let int8 = run(&weights, &[64, 32], &PaletteSpec { int8_entries: true, ..spec(4, &[16, 32]) });
    let (codes, scale) = int8.int8.clone().unwrap();
    assert!(codes.iter().zip(&int8.tables).all(|(c, t)| f32::from(*c) * scale == *t));
    assert!(error(&weights, &int8.dequantize::<f32>()) < 1.2 * plain_error);

    let scaled = run(&weights, &[64, 32], &PaletteSpec { scaled: true, ..spec(4, &[64, 32]) });
    assert_eq!(scaled.channel_scales.as_ref().unwrap().len(), 64);
    assert!(error(&weights, &scaled.dequantize::<f32>()) < 2.0 * plain_error);

    let mask = crate::quant::prune::by_threshold(&weights, 0.5).unwrap();
    let masked = quantize(&weights, &[64, 32], &spec(4, &[16, 32]), Some(&mask), &|| false).unwrap();
    assert!(masked.codes.iter().enumerate().all(|(at, code)| mask.contains(at) || *code == 0));
    let kept = mask.select(&weights).unwrap();
    assert!(error(&kept, &mask.select(&masked.dequantize::<f32>()).unwrap()) < plain_error);
}

#[test]
fn vectors_along_either_axis_read_back() {
    let weights = normal(32 * 16);
    let mut last = f64::INFINITY;
    for bits in [2, 4, 6] {
        for axis in [0, 1] {
            let made = run(&weights, &[32, 16], &PaletteSpec { vector: 2, axis, ..spec(bits, &[32, 16]) });
            assert_eq!(made.codes.len(), 256);
            let now = error(&weights, &made.dequantize::<f32>());
            assert!(axis == 1 || now < last, "{bits} bits: {now} after {last}");
            last = now;
        }
    }
}

#[test]
fn nothing_depends_on_threads() {
    let weights = normal(256 * 256);
    let on = |threads: usize, spec: &PaletteSpec| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| run(&weights, &[256, 256], spec))
    };
    for spec in [spec(3, &[16, 256]), PaletteSpec { vector: 4, ..spec(3, &[256, 256]) }] {
        assert_eq!(on(1, &spec), on(3, &spec));
    }
}

#[test]
fn what_is_not_finite_is_refused_and_work_can_be_stopped() {
    assert_eq!(quantize(&[1.0f32, f32::NAN], &[2], &spec(1, &[2]), None, &|| false), Err(QuantError::NonFinite));
    let stopped = quantize(&normal(1 << 16), &[1 << 16], &spec(4, &[1 << 16]), None, &|| true);
    assert_eq!(stopped, Err(QuantError::Cancelled));
}
