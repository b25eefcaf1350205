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
    affine_4bit_target,
    affine_bits,
    affine_block_divides,
    affine_block_target,
    affine_granularity,
    affine_granularity_torchao,
    affine_rank_executorch,
    fp8_companion,
    granularity_rank,
    hqq_mapping,
    hqq_unsigned,
    int1_zero,
    int4_per_tensor,
    kinds_guessed,
    lstm_gain,
    lut3_target,
    lut_bits,
    lut_block_torchao,
    lut_entries_small,
    lut_gpu,
    lut_granularity,
    lut_granularity_target,
    lut_group_divides,
    lut_joint_target,
    lut_many_tables,
    lut_scaled,
    lut_table_size,
    lut_unique_3bit,
    lut_unique_distinct,
    lut_vector_divides,
    lut_vector_scaled,
    lut_vector_target,
    lut_vector_uniform,
    model_over_2gib,
    neural_engine_blocks,
    weight_already_quantized,
    weight_not_weight,
    weight_over_16384,
    weight_tied,
}
