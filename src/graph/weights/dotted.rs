//! Names of modules from the names that converters give to constants.

/// Endings that converters and coremltools' passes add.
const ENDINGS: &[&str] = &[
    "_to_fp16",
    "_to_fp32",
    "_cast_fp16",
    "_cast_fp32",
    "_quantized",
    "_palettized_pcs",
    "_palettized",
    "_sparsified",
    "_promoted",
];

/// What a constant is called within its module.
const PARAMETERS: &[&str] = &[
    "weight",
    "bias",
    "running_mean",
    "running_var",
    "num_batches_tracked",
    "in_proj_weight",
    "in_proj_bias",
    "weight_ih_l0",
    "weight_hh_l0",
    "bias_ih_l0",
    "bias_hh_l0",
    "gamma",
    "beta",
];

/// Names of modules that hold an underscore, and names before which one stands for a dot: those of the models that
/// people convert. Longer ones first where one begins another.
const MODULES: &[&str] = &[
    "post_attention_layernorm",
    "pre_feedforward_layernorm",
    "post_feedforward_layernorm",
    "input_layernorm",
    "final_layer_norm",
    "self_attn_layer_norm",
    "final_layernorm",
    "post_attention_norm",
    "attention_norm",
    "layer_norm",
    "layernorm",
    "input_norm",
    "final_norm",
    "mlp_norm",
    "ffn_norm",
    "q_norm",
    "k_norm",
    "q_proj",
    "k_proj",
    "v_proj",
    "o_proj",
    "out_proj",
    "in_proj",
    "gate_proj",
    "up_proj",
    "down_proj",
    "qkv_proj",
    "gate_up_proj",
    "c_attn",
    "c_proj",
    "c_fc",
    "self_attn",
    "cross_attn",
    "encoder_attn",
    "self_attention",
    "attention",
    "attn",
    "mlp",
    "feed_forward",
    "ffn",
    "embed_tokens",
    "embed_positions",
    "word_embeddings",
    "position_embeddings",
    "token_type_embeddings",
    "patch_embed",
    "embeddings",
    "lm_head",
    "classifier",
    "pooler",
    "layers",
    "blocks",
    "encoder",
    "decoder",
    "model",
    "transformer",
    "backbone",
    "features",
    "downsample",
    "intermediate",
    "output",
    "dense",
    "query",
    "key",
    "value",
    "norm",
    "conv",
    "proj",
    "head",
    "layer",
];

/// The dotted name of a constant, from the usual ways to make an identifier of one:
/// `p_layers_0_attention_q_proj_weight_to_fp16` is `layers.0.attention.q_proj.weight`.
///
/// Endings of passes go, and so does the letter that `torch.export` puts in front. A number between underscores is a
/// component of its own, the parameter at the end another. Other underscores are dots where they part well-known
/// names of modules, and stay where nothing tells: an identifier no longer says which it was. `None` for names that
/// say nothing of a module, such as `const_34_to_fp16`.
pub fn dotted(value: &str) -> Option<String> {
    let mut name = value;
    while let Some(shorter) = ENDINGS.iter().find_map(|ending| name.strip_suffix(ending)) {
        name = shorter;
    }
    let exported = ["p_", "b_", "c_"].iter().find_map(|prefix| name.strip_prefix(prefix));
    let name = exported.unwrap_or(name);
    let (module, parameter) = match PARAMETERS.iter().filter(|p| ends_with(name, p)).max_by_key(|p| p.len()) {
        Some(parameter) => (name[..name.len() - parameter.len()].trim_end_matches('_'), Some(*parameter)),
        None if exported.is_some() => (name, None),
        None => return None,
    };
    // `linear_0_bias_0` and the like are names of operators, not of modules.
    if module.is_empty() {
        return parameter.map(str::to_string);
    }
    let mut parts: Vec<String> = Vec::new();
    for run in runs(module) {
        match run.bytes().all(|byte| byte.is_ascii_digit()) {
            true => parts.push(run.to_string()),
            false => split(run, &mut parts),
        }
    }
    parts.extend(parameter.map(str::to_string));
    Some(parts.join("."))
}

fn ends_with(name: &str, parameter: &str) -> bool {
    name.strip_suffix(parameter).is_some_and(|before| before.is_empty() || before.ends_with('_'))
}

/// Numbers between underscores, and what lies between them.
fn runs(module: &str) -> Vec<&str> {
    let mut all = Vec::new();
    let mut begin = 0;
    let mut at = 0;
    for word in module.split('_') {
        let end = at + word.len();
        if !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit()) {
            if begin < at {
                all.push(module[begin..at].trim_matches('_'));
            }
            all.push(word);
            begin = (end + 1).min(module.len());
        }
        at = end + 1;
    }
    if begin < module.len() {
        all.push(module[begin..].trim_matches('_'));
    }
    all.retain(|run| !run.is_empty());
    all
}

/// Splits a run of words at well-known names.
fn split(run: &str, parts: &mut Vec<String>) {
    let words: Vec<&str> = run.split('_').collect();
    let mut unknown: Vec<&str> = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let known = MODULES.iter().filter_map(|module| {
            let length = module.split('_').count();
            (words.get(at..at + length)?.join("_") == **module).then_some(length)
        });
        match known.max() {
            Some(length) => {
                if !unknown.is_empty() {
                    parts.push(unknown.join("_"));
                    unknown.clear();
                }
                parts.push(words[at..at + length].join("_"));
                at += length;
            }
            None => {
                unknown.push(words[at]);
                at += 1;
            }
        }
    }
    if !unknown.is_empty() {
        parts.push(unknown.join("_"));
    }
}

#[cfg(test)]
mod tests {
    use super::dotted;

    #[test]
    fn names_of_converters() {
        let cases = [
            ("p_layers_0_attention_q_proj_weight_to_fp16", Some("layers.0.attention.q_proj.weight")),
            ("model_layers_12_self_attn_q_proj_weight_to_fp16", Some("model.layers.12.self_attn.q_proj.weight")),
            ("p_layers_3_mlp_norm_bias_to_fp16", Some("layers.3.mlp_norm.bias")),
            ("p_embed_tokens_weight_to_fp16_palettized", Some("embed_tokens.weight")),
            ("p_stem_pointwise_weight_to_fp16", Some("stem_pointwise.weight")),
            ("b_layers_0_bn_running_mean", Some("layers.0.bn.running_mean")),
            ("features_0_0_weight_quantized", Some("features.0.0.weight")),
            ("p_head_weight", Some("head.weight")),
            ("weight", Some("weight")),
            ("const_34_to_fp16", None),
            ("linear_0_bias_0_to_fp16", None),
            ("mul_0_to_fp16", None),
            ("", None),
            ("_", None),
        ];
        for (name, expected) in cases {
            assert_eq!(dotted(name).as_deref(), expected, "{name}");
        }
    }
}
