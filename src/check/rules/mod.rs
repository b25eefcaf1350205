//! The registry of rules: one file each, named as the code with underscores.

use super::rule::Rule;

/// Lists the files and makes the registry of them.
macro_rules! rules {
    ($($module:ident),+ $(,)?) => {
        $(pub(super) mod $module;)+

        /// Every rule, in the order of the catalogue.
        pub const RULES: &[&Rule] = &[$(&$module::RULE),+];
    };
}

rules! {
    allow_error,
    allow_unknown,
    allow_unused,
    bad_comparison,
    bad_glob,
    bad_regex,
    bad_unit,
    bad_value,
    duplicate_definition,
    expect_failed,
    expect_vacuous,
    import_cycle,
    import_limit,
    import_missing,
    missing_option,
    model_unreadable,
    no_rules,
    output_is_model,
    part_not_applicable,
    rule_matches_nothing,
    rule_overtaken,
    scheme_conflict,
    scheme_unused,
    scheme_without_base,
    syntax,
    target_missing,
    target_unknown,
    unknown_choice,
    unknown_field,
    unknown_kind,
    unknown_option,
    unknown_part,
    unknown_preset,
    weight_below_threshold,
    weight_not_quantized,
    affine_bits,
}
