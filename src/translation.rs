//! How a scheme is said to the tools around Core ML: torchao, coremltools and ExecuTorch.
//!
//! torchao: quantization/quant_api.py, IntxWeightOnlyConfig; prototype/quantization/codebook_coreml.
//! coremltools: optimize/coreml/_config.py. ExecuTorch: backends/apple/coreml/recipes/coreml_recipe_types.py.

use crate::scheme::{
    ActivationScheme, Affine, FloatType, Granularity, Mapping, Palette, PaletteFit, ScaleSearch, Scheme, Sparsity,
    WeightScheme,
};

/// A scheme in the words of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Translation {
    /// The tool.
    pub tool: &'static str,
    /// Python that makes its configuration; or why it has none, to stand behind "because".
    pub code: Result<String, &'static str>,
}

/// A scheme in the words of each tool, in the order in which their arithmetic is offered.
pub fn translations(scheme: &Scheme) -> Vec<Translation> {
    vec![
        Translation { tool: "torchao", code: torchao(scheme) },
        Translation { tool: "coremltools", code: coremltools(scheme) },
        Translation { tool: "ExecuTorch", code: executorch(scheme) },
    ]
}

fn torchao(scheme: &Scheme) -> Result<String, &'static str> {
    if scheme.sparse.is_some() {
        return Err("its configurations for Core ML do not prune");
    }
    if scheme.activations.is_some() {
        return Err("its configurations for Core ML are about weights: activations are PT2E's");
    }
    match &scheme.weights {
        WeightScheme::Keep => Err("what stays as it is needs no configuration"),
        WeightScheme::Sparse => Err("its configurations for Core ML do not prune"),
        WeightScheme::Float(FloatType::Fp16) => Ok("model.half()".to_string()),
        WeightScheme::Float(FloatType::Fp32) => Ok("model.float()".to_string()),
        WeightScheme::Float(FloatType::Bf16) => Ok("model.bfloat16()".to_string()),
        WeightScheme::Float(_) => Err("Core ML has no 8-bit floats"),
        WeightScheme::Affine(affine) => intx(affine),
        WeightScheme::Palette(palette) => codebook(palette),
    }
}

fn intx(affine: &Affine) -> Result<String, &'static str> {
    if !affine.signed {
        return Err("`IntxWeightOnlyConfig` has `int1` to `int8` only");
    }
    let granularity = match &affine.granularity {
        Granularity::PerChannel(None | Some(0)) => "PerAxis(0)".to_string(),
        Granularity::PerGroup(size) => format!("PerGroup({size})"),
        _ => return Err("`IntxWeightOnlyConfig` takes `PerAxis(0)` and `PerGroup(n)` only"),
    };
    let mut code = format!("IntxWeightOnlyConfig(weight_dtype=torch.int{}, granularity={granularity}", affine.bits);
    match affine.mapping {
        Mapping::Symmetric => {}
        Mapping::Asymmetric => code.push_str(", mapping_type=MappingType.ASYMMETRIC"),
        Mapping::SymmetricNoClipping => code.push_str(", mapping_type=MappingType.SYMMETRIC_NO_CLIPPING_ERR"),
    }
    match affine.scale {
        None => {}
        Some(FloatType::Fp16) => code.push_str(", scale_dtype=torch.float16"),
        Some(FloatType::Fp32) => code.push_str(", scale_dtype=torch.float32"),
        Some(_) => code.push_str(", scale_dtype=torch.bfloat16"),
    }
    match affine.by {
        ScaleSearch::MinMax => {}
        ScaleSearch::Hqq => {
            code.push_str(", intx_choose_qparams_algorithm=IntxChooseQParamsAlgorithm.HQQ_SCALE_ONLY");
        }
        ScaleSearch::Mse => return Err("`IntxWeightOnlyConfig` chooses scales by `AFFINE` or `HQQ_SCALE_ONLY`"),
    }
    Ok(code + ")")
}

fn codebook(palette: &Palette) -> Result<String, &'static str> {
    let block = rows_and_columns(&palette.granularity);
    let Some(block) = block else {
        return Err("`CodebookWeightOnlyConfig` takes a block of two extents, of which one covers its axis");
    };
    let has_more = palette.vector > 1 || palette.int8_entries || palette.scaled || palette.fit != PaletteFit::Kmeans;
    if has_more {
        return Err("`CodebookWeightOnlyConfig` has a width and a block, and finds float entries by k-means");
    }
    Ok(format!("CodebookWeightOnlyConfig(dtype=torch.uint{}, block_size={block})", palette.bits))
}

/// A granularity as torchao's `block_size`, where it has one.
fn rows_and_columns(granularity: &Granularity) -> Option<String> {
    match granularity {
        Granularity::PerTensor => Some("[-1, -1]".to_string()),
        Granularity::PerChannel(None | Some(0)) => Some("[1, -1]".to_string()),
        Granularity::PerChannel(Some(1)) => Some("[-1, 1]".to_string()),
        Granularity::PerGroupedChannel(size) => Some(format!("[{size}, -1]")),
        Granularity::Block(extents) if extents.len() == 2 && extents.contains(&None) => {
            Some(extent_list(extents, "-1"))
        }
        _ => None,
    }
}

fn extent_list(extents: &[Option<usize>], whole: &str) -> String {
    let all: Vec<String> = extents.iter().map(|extent| extent.map_or(whole.to_string(), |n| n.to_string())).collect();
    format!("[{}]", all.join(", "))
}

fn coremltools(scheme: &Scheme) -> Result<String, &'static str> {
    let mut steps = Vec::new();
    steps.extend(scheme.sparse.map(pruner));
    if let Some(activations) = scheme.activations {
        let ActivationScheme::Static { signed, mapping, .. } = activations else {
            return Err("Core ML has no dynamic quantization");
        };
        let mode = mode(mapping.unwrap_or(Mapping::Symmetric))?;
        let sign = if signed { "" } else { "u" };
        steps.push(format!("OpActivationLinearQuantizerConfig(mode=\"{mode}\", dtype=\"{sign}int8\")"));
    }
    match &scheme.weights {
        WeightScheme::Keep => return Err("what stays as it is needs no configuration"),
        WeightScheme::Sparse => {}
        WeightScheme::Float(FloatType::Fp16) => steps.push("compute_precision=ct.precision.FLOAT16".to_string()),
        WeightScheme::Float(FloatType::Fp32) => steps.push("compute_precision=ct.precision.FLOAT32".to_string()),
        WeightScheme::Float(_) => return Err("Core ML has no such weights"),
        WeightScheme::Affine(affine) => steps.push(linear_quantizer(affine)?),
        WeightScheme::Palette(palette) => steps.push(palettizer(palette)?),
    }
    Ok(steps.join("\n"))
}

fn pruner(sparse: Sparsity) -> String {
    match sparse {
        Sparsity::Share(share) => format!("OpMagnitudePrunerConfig(target_sparsity={share:?})"),
        Sparsity::Ratio { n, m } => format!("OpMagnitudePrunerConfig(n_m_ratio=({n}, {m}))"),
        Sparsity::Below(bound) => {
            format!("OpThresholdPrunerConfig(threshold={bound:?}, minimum_sparsity_percentile=0.0)")
        }
    }
}

fn mode(mapping: Mapping) -> Result<&'static str, &'static str> {
    match mapping {
        Mapping::Symmetric => Ok("linear_symmetric"),
        Mapping::Asymmetric => Ok("linear"),
        Mapping::SymmetricNoClipping => Err("`OpLinearQuantizerConfig` has the modes `linear_symmetric` and `linear`"),
    }
}

fn linear_quantizer(affine: &Affine) -> Result<String, &'static str> {
    if affine.by != ScaleSearch::MinMax {
        return Err("`OpLinearQuantizerConfig` takes scales from the smallest and the largest value");
    }
    if !matches!(affine.bits, 4 | 8) {
        return Err("`OpLinearQuantizerConfig` has 4 and 8 bits only");
    }
    let granularity = match &affine.granularity {
        Granularity::PerTensor => "\"per_tensor\"".to_string(),
        Granularity::PerChannel(None) => "\"per_channel\"".to_string(),
        Granularity::PerGroup(size) => format!("\"per_block\", block_size={size}"),
        Granularity::Block(extents) => format!("\"per_block\", block_size={}", extent_list(extents, "0")),
        Granularity::PerChannel(Some(_)) => {
            return Err("`OpLinearQuantizerConfig` chooses the axis of channels itself");
        }
        Granularity::PerGroupedChannel(_) => {
            return Err("`OpLinearQuantizerConfig` knows `per_tensor`, `per_channel` and `per_block`");
        }
    };
    let (mode, sign) = (mode(affine.mapping)?, if affine.signed { "" } else { "u" });
    Ok(format!(
        "OpLinearQuantizerConfig(mode=\"{mode}\", dtype=\"{sign}int{}\", granularity={granularity})",
        affine.bits
    ))
}

fn palettizer(palette: &Palette) -> Result<String, &'static str> {
    if !matches!(palette.bits, 1 | 2 | 3 | 4 | 6 | 8) {
        return Err("`OpPalettizerConfig` has 1, 2, 3, 4, 6 and 8 bits");
    }
    if palette.int8_entries {
        return Err(
            "`OpPalettizerConfig` makes float entries: `linear_quantize_weights` with `joint_compression` follows it",
        );
    }
    let granularity = match &palette.granularity {
        Granularity::PerTensor => "\"per_tensor\"".to_string(),
        Granularity::PerChannel(None) => "\"per_grouped_channel\", group_size=1".to_string(),
        Granularity::PerChannel(Some(axis)) => format!("\"per_grouped_channel\", group_size=1, channel_axis={axis}"),
        Granularity::PerGroupedChannel(size) => format!("\"per_grouped_channel\", group_size={size}"),
        _ => return Err("`OpPalettizerConfig` knows `per_tensor` and `per_grouped_channel`"),
    };
    let mut code = format!("OpPalettizerConfig(mode=\"{}\"", palette.fit.word());
    // It tells the width of distinct values itself.
    if palette.fit != PaletteFit::Unique {
        code.push_str(&format!(", nbits={}", palette.bits));
    }
    code.push_str(&format!(", granularity={granularity}"));
    if palette.vector > 1 {
        code.push_str(&format!(", cluster_dim={}", palette.vector));
    }
    if palette.scaled {
        code.push_str(", enable_per_channel_scale=True");
    }
    Ok(code + ")")
}

fn executorch(scheme: &Scheme) -> Result<String, &'static str> {
    let is_plain = |affine: &Affine| {
        affine.signed
            && affine.mapping == Mapping::Symmetric
            && affine.scale.is_none()
            && affine.by == ScaleSearch::MinMax
    };
    let preset = match (&scheme.weights, scheme.activations, scheme.sparse) {
        (_, _, Some(_)) => return Err("its Core ML presets do not prune"),
        (WeightScheme::Keep, ..) => return Err("what stays as it is needs no configuration"),
        (WeightScheme::Float(FloatType::Fp16), None, _) => "FP16".to_string(),
        (WeightScheme::Float(FloatType::Fp32), None, _) => "FP32".to_string(),
        (WeightScheme::Affine(affine), Some(ActivationScheme::Static { signed: false, bits: 8, mapping }), _)
            if is_plain(affine)
                && affine.bits == 8
                && affine.granularity == Granularity::PerChannel(None)
                && mapping.is_none_or(|mapping| mapping == Mapping::Symmetric) =>
        {
            "PT2E_INT8_STATIC".to_string()
        }
        (_, Some(_), _) => return Err("its Core ML preset for activations is int8 per channel, symmetric"),
        (WeightScheme::Affine(affine), ..) if is_plain(affine) && matches!(affine.bits, 4 | 8) => {
            match affine.granularity {
                Granularity::PerChannel(None) => format!("TORCHAO_INT{}_WEIGHT_ONLY_PER_CHANNEL", affine.bits),
                Granularity::PerGroup(size) => {
                    format!("TORCHAO_INT{}_WEIGHT_ONLY_PER_GROUP, group_size={size}", affine.bits)
                }
                _ => return Err("its Core ML presets have a scale per channel or per group"),
            }
        }
        (WeightScheme::Palette(palette), ..) => {
            codebook(palette)?;
            let block = rows_and_columns(&palette.granularity).unwrap_or_default();
            format!("CODEBOOK_WEIGHT_ONLY, bits={}, block_size={block}", palette.bits)
        }
        _ => return Err("none of its Core ML presets does that"),
    };
    Ok(format!("ExportRecipe.get_recipe(CoreMLRecipeType.{preset})"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::fragment;
    use crate::recipe::preset::PRESETS;

    fn shown(text: &str) -> String {
        let all = translations(&fragment::scheme(text).unwrap()).into_iter();
        all.map(|one| match one.code {
            Ok(code) => format!("{}: {}\n", one.tool, code.replace('\n', "; ")),
            Err(why) => format!("{}: – {why}\n", one.tool),
        })
        .collect()
    }

    #[test]
    fn integers() {
        insta::assert_snapshot!(shown("int4 per-group(32)"), @r#"
        torchao: IntxWeightOnlyConfig(weight_dtype=torch.int4, granularity=PerGroup(32))
        coremltools: OpLinearQuantizerConfig(mode="linear_symmetric", dtype="int4", granularity="per_block", block_size=32)
        ExecuTorch: ExportRecipe.get_recipe(CoreMLRecipeType.TORCHAO_INT4_WEIGHT_ONLY_PER_GROUP, group_size=32)
        "#);
        insta::assert_snapshot!(shown("int8 asymmetric scale fp16 by hqq"), @"
        torchao: IntxWeightOnlyConfig(weight_dtype=torch.int8, granularity=PerAxis(0), mapping_type=MappingType.ASYMMETRIC, scale_dtype=torch.float16, intx_choose_qparams_algorithm=IntxChooseQParamsAlgorithm.HQQ_SCALE_ONLY)
        coremltools: – `OpLinearQuantizerConfig` takes scales from the smallest and the largest value
        ExecuTorch: – none of its Core ML presets does that
        ");
        insta::assert_snapshot!(shown("uint8 per-tensor"), @r#"
        torchao: – `IntxWeightOnlyConfig` has `int1` to `int8` only
        coremltools: OpLinearQuantizerConfig(mode="linear_symmetric", dtype="uint8", granularity="per_tensor")
        ExecuTorch: – none of its Core ML presets does that
        "#);
        insta::assert_snapshot!(shown("int8 block[16, -1]"), @r#"
        torchao: – `IntxWeightOnlyConfig` takes `PerAxis(0)` and `PerGroup(n)` only
        coremltools: OpLinearQuantizerConfig(mode="linear_symmetric", dtype="int8", granularity="per_block", block_size=[16, 0])
        ExecuTorch: – its Core ML presets have a scale per channel or per group
        "#);
        insta::assert_snapshot!(shown("int8, activations uint8"), @r#"
        torchao: – its configurations for Core ML are about weights: activations are PT2E's
        coremltools: OpActivationLinearQuantizerConfig(mode="linear_symmetric", dtype="uint8"); OpLinearQuantizerConfig(mode="linear_symmetric", dtype="int8", granularity="per_channel")
        ExecuTorch: ExportRecipe.get_recipe(CoreMLRecipeType.PT2E_INT8_STATIC)
        "#);
    }

    #[test]
    fn palettes() {
        insta::assert_snapshot!(shown("lut3 per-grouped-channel(16)"), @r#"
        torchao: CodebookWeightOnlyConfig(dtype=torch.uint3, block_size=[16, -1])
        coremltools: OpPalettizerConfig(mode="kmeans", nbits=3, granularity="per_grouped_channel", group_size=16)
        ExecuTorch: ExportRecipe.get_recipe(CoreMLRecipeType.CODEBOOK_WEIGHT_ONLY, bits=3, block_size=[16, -1])
        "#);
        insta::assert_snapshot!(shown("lut4 vector(2) scaled"), @r#"
        torchao: – `CodebookWeightOnlyConfig` has a width and a block, and finds float entries by k-means
        coremltools: OpPalettizerConfig(mode="kmeans", nbits=4, granularity="per_tensor", cluster_dim=2, enable_per_channel_scale=True)
        ExecuTorch: – `CodebookWeightOnlyConfig` has a width and a block, and finds float entries by k-means
        "#);
        insta::assert_snapshot!(shown("lut6 fit unique"), @r#"
        torchao: – `CodebookWeightOnlyConfig` has a width and a block, and finds float entries by k-means
        coremltools: OpPalettizerConfig(mode="unique", granularity="per_tensor")
        ExecuTorch: – `CodebookWeightOnlyConfig` has a width and a block, and finds float entries by k-means
        "#);
    }

    #[test]
    fn the_rest() {
        insta::assert_snapshot!(shown("fp16"), @"
        torchao: model.half()
        coremltools: compute_precision=ct.precision.FLOAT16
        ExecuTorch: ExportRecipe.get_recipe(CoreMLRecipeType.FP16)
        ");
        insta::assert_snapshot!(shown("keep"), @"
        torchao: – what stays as it is needs no configuration
        coremltools: – what stays as it is needs no configuration
        ExecuTorch: – what stays as it is needs no configuration
        ");
        insta::assert_snapshot!(shown("int8 sparse 50%"), @r#"
        torchao: – its configurations for Core ML do not prune
        coremltools: OpMagnitudePrunerConfig(target_sparsity=0.5); OpLinearQuantizerConfig(mode="linear_symmetric", dtype="int8", granularity="per_channel")
        ExecuTorch: – its Core ML presets do not prune
        "#);
        insta::assert_snapshot!(shown("sparse 2:4"), @"
        torchao: – its configurations for Core ML do not prune
        coremltools: OpMagnitudePrunerConfig(n_m_ratio=(2, 4))
        ExecuTorch: – its Core ML presets do not prune
        ");
    }

    #[test]
    fn presets_that_are_named_exist() {
        for text in ["int4 per-group(32)", "int8", "lut3", "fp16", "fp32", "int8, activations uint8"] {
            let code = executorch(&fragment::scheme(text).unwrap()).unwrap();
            let name = code.split("CoreMLRecipeType.").nth(1).unwrap().split([',', ')']).next().unwrap();
            let name = format!("coreml_{}", name.to_lowercase());
            assert!(PRESETS.iter().any(|preset| preset.name == name), "{name}");
        }
    }
}
