//! Names of modules, as far as the names in a program tell them.
//!
//! Converters write `model.layers.0.self_attn.q_proj.weight` as `model_layers_0_self_attn_q_proj_weight_to_fp16`:
//! every character that is no letter, digit or underscore becomes an underscore, and passes add suffixes.
//! CT:converters/mil/mil/passes/defs/preprocess.py (NameSanitizer); torch.export puts `p_`, `b_` or `c_` before the
//! names of parameters, buffers and constants. The way back is ambiguous. To find out whether a name *can* be that
//! of a module that is known, compare [`stem`]s with its name written so; [`dotted`] is a good guess to show and to
//! match with patterns where nothing is known.

/// What passes and compressions append. CT:optimize/coreml/_quantization_passes.py, passes/defs/quantization.py.
const SUFFIXES: &[&str] = &[
    "_to_fp16",
    "_to_fp32",
    "_cast_fp16",
    "_cast_fp32",
    "_cast_uint16",
    "_cast_int16",
    "_to_uint16",
    "_to_int16",
    "_quantized",
    "_palettized_pcs",
    "_palettized",
    "_sparsified",
    "_promoted",
];

/// What names of parameters and buffers end in, longest first. Those of [`LAYERS`] end in more.
const LEAVES: &[&str] = &[
    "in_proj_weight",
    "in_proj_bias",
    "running_mean",
    "running_var",
    "weight_ih",
    "weight_hh",
    "bias_ih",
    "bias_hh",
    "weight",
    "kernel",
    "gamma",
    "bias",
    "beta",
];

/// What recurrent modules call the parameters of a layer, before its number: `weight_ih_l1`, `bias_hh_l0_reverse`.
const LAYERS: &[&str] = &["weight_ih_l", "weight_hh_l", "weight_hr_l", "bias_ih_l", "bias_hh_l"];

/// Names of modules that have underscores of their own, in the models people convert.
const COMPOUNDS: &[&str] = &[
    "post_attention_layernorm",
    "post_feedforward_layernorm",
    "pre_feedforward_layernorm",
    "block_sparse_moe",
    "input_layernorm",
    "final_layer_norm",
    "self_attn_layer_norm",
    "encoder_attn_layer_norm",
    "tok_embeddings",
    "position_embeddings",
    "word_embeddings",
    "token_type_embeddings",
    "position_embedding",
    "patch_embedding",
    "token_embedding",
    "embed_positions",
    "embed_tokens",
    "shared_expert",
    "encoder_attn",
    "gate_up_proj",
    "cross_attn",
    "self_attn",
    "linear_attn",
    "layer_norm",
    "group_norm",
    "batch_norm",
    "final_norm",
    "input_norm",
    "mlp_norm",
    "attention_norm",
    "ffn_norm",
    "post_attention_norm",
    "qkv_proj",
    "down_proj",
    "gate_proj",
    "patch_embed",
    "out_proj",
    "in_proj",
    "up_proj",
    "q_proj",
    "k_proj",
    "v_proj",
    "o_proj",
    "q_norm",
    "k_norm",
    "lm_head",
    "c_attn",
    "c_proj",
    "c_fc",
    "ln_f",
    "ln_1",
    "ln_2",
    "conv_in",
    "conv_out",
    "norm_out",
    "to_out",
    "to_q",
    "to_k",
    "to_v",
];

/// A name in a program without the suffixes of passes and the prefix of torch.export:
/// `p_layers_0_norm_weight_to_fp16` to `layers_0_norm_weight`.
///
/// The prefix is taken off only where the rest ends like a parameter, so a module `p` keeps its name more often
/// than not.
pub fn stem(name: &str) -> &str {
    let mut stem = name;
    while let Some(shorter) = SUFFIXES.iter().find_map(|suffix| stem.strip_suffix(suffix)).filter(|s| !s.is_empty()) {
        stem = shorter;
    }
    let exported = ["p_", "b_", "c_"].iter().find_map(|prefix| stem.strip_prefix(prefix));
    match exported {
        Some(rest) if leaf(rest).is_some_and(|(module, _)| !module.is_empty()) => rest,
        _ => stem,
    }
}

/// A name split before what parameters are called: (`layers_0_norm`, `weight`).
fn leaf(stem: &str) -> Option<(&str, &str)> {
    let split = |end: &str| {
        let (module, leaf) = stem.split_at(stem.len() - end.len());
        match module.strip_suffix('_') {
            Some(module) => Some((module, leaf)),
            None if module.is_empty() => Some(("", leaf)),
            None => None,
        }
    };
    let numbered = stem.strip_suffix("_reverse").unwrap_or(stem).trim_end_matches(|c: char| c.is_ascii_digit());
    let layer = LAYERS.iter().filter(|_| !stem[numbered.len()..].is_empty()).find_map(|name| {
        let before = numbered.strip_suffix(name)?;
        split(&stem[before.len()..])
    });
    layer.or_else(|| LEAVES.iter().filter(|name| stem.ends_with(*name)).find_map(|name| split(name)))
}

/// A guess at the dotted name: `p_layers_0_attention_q_proj_weight_to_fp16` to `layers.0.attention.q_proj.weight`.
///
/// 1. Suffixes and prefix go: [`stem`].
/// 2. The end that parameters have (`weight`, `running_mean`, `weight_ih_l0`) is one part.
/// 3. Known names of modules with underscores (`q_proj`, `self_attn`, `lm_head`) are parts.
/// 4. Every other underscore is a dot.
///
/// A name that no module has, as `torchao_dequantize_affine_default_3`, stays as it is: [`is_module_like`].
pub fn dotted(name: &str) -> String {
    let stem = stem(name);
    let Some((module, leaf)) = leaf(stem).filter(|_| is_module_like(name)) else { return stem.to_owned() };
    let mut parts = Vec::new();
    let mut rest = module;
    while !rest.is_empty() {
        let compound = COMPOUNDS
            .iter()
            .find(|known| rest.strip_prefix(**known).is_some_and(|after| after.is_empty() || after.starts_with('_')));
        let part = compound.map_or_else(|| rest.split('_').next().unwrap_or(rest), |known| *known);
        // A leading or doubled underscore makes no empty part.
        if !part.is_empty() {
            parts.push(part);
        }
        rest = rest[part.len()..].strip_prefix('_').unwrap_or_default();
    }
    parts.push(leaf);
    parts.join(".")
}

/// Whether a name tells a module: it ends like a parameter, and is not one that a converter made up.
///
/// Made up are the names of operators of ATen and of the quantization tools, and what coremltools calls the default
/// of an operator's parameter (`linear_4_bias_0`).
pub fn is_module_like(name: &str) -> bool {
    const MADE_UP: &[&str] =
        &["aten_", "torchao_", "quantized_decomposed_", "quant_", "_lifted_tensor_constant", "const_", "op_"];
    let stem = stem(name);
    !MADE_UP.iter().any(|prefix| name.starts_with(prefix)) && leaf(stem).is_some_and(|(module, _)| !module.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A module's or parameter's name as converters write it: what is no letter, digit or underscore becomes one.
    fn mangled(name: &str) -> String {
        name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect()
    }

    #[test]
    fn names_of_exported_and_traced_modules() {
        for (name, expected) in [
            ("p_layers_0_attention_q_proj_weight_to_fp16", "layers.0.attention.q_proj.weight"),
            ("p_layers_1_norm_bias_to_fp16", "layers.1.norm.bias"),
            ("model_layers_0_self_attn_q_proj_weight_to_fp16", "model.layers.0.self_attn.q_proj.weight"),
            ("model_layers_11_mlp_gate_up_proj_weight_to_fp16_palettized", "model.layers.11.mlp.gate_up_proj.weight"),
            ("lm_head_weight_quantized", "lm_head.weight"),
            ("b_bn1_running_mean", "bn1.running_mean"),
            ("features_3_conv_0_weight", "features.3.conv.0.weight"),
            ("lstm_weight_ih_l0_to_fp16", "lstm.weight_ih_l0"),
            ("encoder_lstm_weight_hh_l12_reverse_to_fp16", "encoder.lstm.weight_hh_l12_reverse"),
            ("p_rnn_bias_ih_l1", "rnn.bias_ih_l1"),
            ("embed_tokens_weight", "embed_tokens.weight"),
            ("tok_embeddings_weight_cast_fp16", "tok_embeddings.weight"),
        ] {
            assert_eq!(dotted(name), expected, "{name}");
            assert_eq!(mangled(expected), stem(name), "{name}");
        }
    }

    #[test]
    fn names_that_tell_no_module_stay() {
        for (name, expected) in [
            ("torchao_dequantize_affine_default_3_cast_fp16", "torchao_dequantize_affine_default_3"),
            (
                "quantized_decomposed_dequantize_per_channel_default_1_cast_fp16",
                "quantized_decomposed_dequantize_per_channel_default_1",
            ),
            ("linear_4_bias_0_to_fp16", "linear_4_bias_0"),
            ("_lifted_tensor_constant0_to_fp16", "_lifted_tensor_constant0"),
            ("const_23", "const_23"),
            ("aten_linear_default_weight", "aten_linear_default_weight"),
            ("weight", "weight"),
            ("lstm_weight_ih_l_to_fp16", "lstm_weight_ih_l"),
            ("lstm_weight_ih_reverse", "lstm_weight_ih_reverse"),
            ("_to_fp16", "_to_fp16"),
            ("", ""),
        ] {
            assert_eq!(dotted(name), expected, "{name}");
            assert!(!is_module_like(name), "{name}");
        }
    }

    #[test]
    fn odd_underscores_are_no_parts() {
        assert_eq!(dotted("__layer__0__weight"), "layer.0.weight");
        assert_eq!(dotted("ä_é_weight"), "ä.é.weight");
    }
}
