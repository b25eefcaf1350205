use super::*;
use crate::check::{self, Known};
use crate::model::Model;
use crate::plan::Outcome;
use crate::recipe::NoImports;

/// What becomes of a weight of 16 × 16 values.
fn made(scheme: &str, values: &Values, format: OutputFormat) -> Result<Made, Stop> {
    let dtype = if matches!(values, Values::F32(_)) { "fp32" } else { "bf16" };
    let model = Model::listing(&format!("fc.weight  linear  16x16  {dtype}\n")).unwrap();
    let recipe = format!("threshold 0\nlinear => {scheme}\n");
    let analysis = check::analyze(std::path::Path::new("a.bitmill"), &recipe, &NoImports, Known::Model(&model));
    let Outcome::Change(fitted) = &analysis.plan.unwrap().decisions[0].outcome else { panic!("{scheme}") };
    make(&model.weights[0], values, fitted, format, &AtomicBool::new(false))
}

#[test]
fn what_is_not_made_is_an_error() {
    let values = Values::F32((0..256).map(|at| at as f32 / 100.0).collect());
    let wanted = |holds| Wanted { holds, entry: FloatType::Fp16, elements: 256 };
    for (scheme, missing) in [("int8 per-channel", Holds::Tables), ("lut4", Holds::ByteZeroPoints)] {
        let mut packed = made(scheme, &values, OutputFormat::Packed).unwrap();
        assert!(packed.bytes(wanted(Holds::Codes)).is_ok(), "{scheme}");
        for holds in [missing, Holds::Values, Holds::Mask] {
            assert!(matches!(packed.bytes(wanted(holds)), Err(QuantError::NotMade)), "{scheme} {holds:?}");
        }
        let mut floats = made(scheme, &values, OutputFormat::Dequantized).unwrap();
        assert_eq!(floats.bytes(wanted(Holds::Values)).unwrap().len(), 16 * 16 * 4, "{scheme}");
    }
}

#[test]
fn values_beyond_fp16_are_counted() {
    let mut values = vec![bf16::from_f32(1.0); 256];
    values[3..8].fill(bf16::from_f32(1e6));
    let stop = made("lut4 fit unique", &Values::Bf16(values.into()), OutputFormat::Packed).unwrap_err();
    assert!(matches!(stop, Stop::Keep(Fact::BeyondFp16(5))), "{stop:?}");
}
