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
}
