//! The registry of rules: one file each, named as the code with underscores.

use super::rule::Rule;

/// Lists the files and makes the registry of them.
macro_rules! rules {
    ($($module:ident),+ $(,)?) => {
        $(mod $module;)+

        /// Every rule, in the order of the catalogue.
        pub const RULES: &[&Rule] = &[$(&$module::RULE),+];
    };
}

rules! {
    affine_bits,

    // Targets, activations, floats, pruning, built-in recipes, values.
    activations_dtype,
    activations_need_graph,
    activations_on_cpu,
    activations_target,
    averaging_ignored,
    calibration_few,
    calibration_missing,
    calibration_unused,
    codes_narrow,
    dead_blocks,
    dynamic_activations,
    float_bf16,
    float_fp8,
    float_grows,
    fp16_range,
    full_graph_options,
    precision_fp32_neural_engine,
    preset_embedding_skipped,
    preset_target_too_low,
    pt2e_embedding,
    pt2e_granularity,
    pt2e_mapping,
    pt2e_palette,
    pt2e_weight_bits,
    recipe_full_graph,
    scale_bf16,
    sparse_everything,
    sparse_joint_target,
    sparse_low,
    sparse_neural_engine,
    sparse_operator,
    sparse_ratio,
    sparse_ratio_divides,
    sparse_target,
    target_executorch_floor,
    target_higher_than_needed,
    target_mixed,
    target_no_compression,
    target_no_mlprogram,
    target_platform_executorch,
    target_recipe_override,
    weight_not_finite,
}
