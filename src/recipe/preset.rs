//! Built-in recipes under their upstream names: one row each, with the parameters that upstream has.
//!
//! ET:backends/apple/coreml/recipes/{coreml_recipe_types,coreml_recipe_provider}.py

use std::fmt::Write;

/// What a parameter's value must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterKind {
    /// A whole number of at least 1.
    Size,
    /// A whole number from 1 to 8.
    Bits,
    /// `[16, -1]`
    Block,
    /// A deployment target.
    Target,
    /// The processors, as `compute` names them.
    Compute,
    /// A selector in quotes: which weights are quantized.
    Filter,
    /// `true` or `false`
    Flag,
    /// Text in quotes.
    Text,
}

impl ParameterKind {
    /// What a value must be, for a sentence.
    pub const fn must(self) -> &'static str {
        match self {
            ParameterKind::Size => "a whole number of at least 1",
            ParameterKind::Bits => "a whole number from 1 to 8",
            ParameterKind::Block => "two whole numbers in brackets, -1 for a whole axis: `[16, -1]`",
            ParameterKind::Target => "a deployment target such as `iOS18`",
            ParameterKind::Compute => "`all`, `cpu`, `cpu-and-gpu` or `cpu-and-ne`",
            ParameterKind::Filter => "a selector in quotes: `\"linear or embedding\"`",
            ParameterKind::Flag => "`true` or `false`",
            ParameterKind::Text => "text in quotes",
        }
    }
}

/// A parameter of a preset.
#[derive(Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Upstream's name.
    pub name: &'static str,
    /// A shorter name that recipes may use.
    pub short: Option<&'static str>,
    /// What it must be.
    pub kind: ParameterKind,
    /// Whether upstream demands it.
    pub required: bool,
    /// What it is for.
    pub doc: &'static str,
}

/// The value of a parameter, read.
#[derive(Debug, Clone, PartialEq)]
pub enum ParameterValue {
    /// For [`ParameterKind::Size`] and [`ParameterKind::Bits`].
    Count(u64),
    /// For [`ParameterKind::Block`].
    Block(Vec<Option<usize>>),
    /// For [`ParameterKind::Flag`].
    Flag(bool),
    /// For the others: the word or text as written.
    Text(String),
}

/// A built-in recipe.
#[derive(Debug, PartialEq, Eq)]
pub struct Preset {
    /// Upstream's name.
    pub name: &'static str,
    /// What it does, in one line.
    pub title: &'static str,
    /// The target upstream sets, where it sets one.
    pub target: Option<&'static str>,
    /// Its own parameters; [`COMMON`] come besides.
    pub parameters: &'static [&'static Parameter],
    /// The statements it stands for. `{filter}`, `{group_size}`, `{bits}` and `{block_size}` are replaced.
    body: &'static str,
    /// What it quantizes when no filter is given, as a selector.
    filter: &'static str,
    /// What a recipe that extends it must still say, as an example writes it.
    pub beside: &'static str,
    /// Parameters with which an example extends it.
    pub example: &'static str,
}

const GROUP_SIZE: Parameter = Parameter {
    name: "group_size",
    short: None,
    kind: ParameterKind::Size,
    required: false,
    doc: "neighbours that share a scale; 32 when absent",
};

const FILTER: Parameter = Parameter {
    name: "filter_fn",
    short: Some("filter"),
    kind: ParameterKind::Filter,
    required: false,
    doc: "which weights are quantized, as a selector",
};

const BITS: Parameter =
    Parameter { name: "bits", short: None, kind: ParameterKind::Bits, required: true, doc: "width of an index" };

const BLOCK_SIZE: Parameter = Parameter {
    name: "block_size",
    short: Some("block"),
    kind: ParameterKind::Block,
    required: true,
    doc: "rows and columns that share a table, -1 for all",
};

/// Parameters of every preset.
pub const COMMON: &[Parameter] = &[
    Parameter {
        name: "minimum_deployment_target",
        short: Some("target"),
        kind: ParameterKind::Target,
        required: false,
        doc: "the oldest system it must run on",
    },
    Parameter {
        name: "compute_unit",
        short: Some("compute"),
        kind: ParameterKind::Compute,
        required: false,
        doc: "the processors it may run on",
    },
    Parameter {
        name: "skip_ops_for_coreml_delegation",
        short: None,
        kind: ParameterKind::Text,
        required: false,
        doc: "operators that stay outside Core ML, separated by commas",
    },
    Parameter {
        name: "lower_full_graph",
        short: None,
        kind: ParameterKind::Flag,
        required: false,
        doc: "an error, instead of a fallback to the CPU, for what Core ML cannot take",
    },
    Parameter {
        name: "take_over_constant_data",
        short: None,
        kind: ParameterKind::Flag,
        required: false,
        doc: "whether Core ML owns the weights; true when absent",
    },
];

/// Every preset, in upstream's order.
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "coreml_fp32",
        title: "float32 throughout: no quantization",
        target: None,
        parameters: &[],
        body: "precision fp32\n",
        filter: "all",
        beside: "target iOS16\n",
        example: "",
    },
    Preset {
        name: "coreml_fp16",
        title: "float16 throughout: no quantization",
        target: None,
        parameters: &[],
        body: "precision fp16\n",
        filter: "all",
        beside: "target iOS16\n",
        example: "",
    },
    Preset {
        name: "coreml_pt2e_int8_static",
        title: "8-bit weights and activations, calibrated (PT2E)",
        target: Some("iOS17"),
        parameters: &[],
        body: "all => int8 per-channel symmetric, activations uint8\nembedding => keep\n",
        filter: "all",
        beside: "calibrate \"calibration.safetensors\" { samples 128 }\n",
        example: "",
    },
    Preset {
        name: "coreml_pt2e_int8_weight_only",
        title: "8-bit weights of linear layers and convolutions (PT2E)",
        target: Some("iOS17"),
        parameters: &[],
        body: "linear or conv => int8 per-channel symmetric\n",
        filter: "all",
        beside: "calibrate \"calibration.safetensors\" { samples 1 }\n",
        example: "",
    },
    Preset {
        name: "coreml_torchao_int4_weight_only_per_channel",
        title: "4-bit weights of linear layers, one scale per output channel",
        target: Some("iOS18"),
        parameters: &[&FILTER],
        body: "{filter} => int4 per-channel symmetric\n",
        filter: "linear",
        beside: "",
        example: "",
    },
    Preset {
        name: "coreml_torchao_int4_weight_only_per_group",
        title: "4-bit weights of linear layers, one scale per group of input channels",
        target: Some("iOS18"),
        parameters: &[&GROUP_SIZE, &FILTER],
        body: "{filter} => int4 per-group({group_size}) symmetric\n",
        filter: "linear",
        beside: "",
        example: "group_size 32",
    },
    Preset {
        name: "coreml_torchao_int8_weight_only_per_channel",
        title: "8-bit weights of linear layers, one scale per output channel",
        target: Some("iOS16"),
        parameters: &[&FILTER],
        body: "{filter} => int8 per-channel symmetric\n",
        filter: "linear",
        beside: "",
        example: "",
    },
    Preset {
        name: "coreml_torchao_int8_weight_only_per_group",
        title: "8-bit weights of linear layers, one scale per group of input channels",
        target: Some("iOS18"),
        parameters: &[&GROUP_SIZE, &FILTER],
        body: "{filter} => int8 per-group({group_size}) symmetric\n",
        filter: "linear",
        beside: "",
        example: "group_size 32",
    },
    Preset {
        name: "coreml_codebook_weight_only",
        title: "palettes for linear layers and embeddings",
        target: Some("iOS18"),
        parameters: &[&BITS, &BLOCK_SIZE, &FILTER],
        body: "{filter} => lut{bits} block{block_size}\n",
        filter: "linear or embedding",
        beside: "",
        example: "bits 3  block [16, -1]",
    },
];

impl Preset {
    /// The preset of a name.
    pub fn by_name(name: &str) -> Option<&'static Preset> {
        PRESETS.iter().find(|preset| preset.name == name)
    }

    /// Its parameters and the common ones.
    pub fn all_parameters(&self) -> impl Iterator<Item = &'static Parameter> + use<> {
        self.parameters.iter().copied().chain(COMMON)
    }

    /// The parameter of a name, long or short.
    pub fn parameter(&self, name: &str) -> Option<&'static Parameter> {
        self.all_parameters().find(|p| p.name == name || p.short == Some(name))
    }

    /// The statements it stands for, with parameters filled in; `value` gives those that were written. A filter
    /// must be one selector.
    pub fn expand<'v>(&self, value: impl Fn(&str) -> Option<&'v ParameterValue>) -> String {
        let mut text = String::new();
        let given = value("minimum_deployment_target");
        match (given, self.target) {
            (Some(ParameterValue::Text(target)), _) => _ = writeln!(text, "target {target}"),
            (_, Some(target)) => _ = writeln!(text, "target {target}"),
            _ => {}
        }
        if let Some(ParameterValue::Text(unit)) = value("compute_unit") {
            _ = writeln!(text, "compute {unit}");
        }
        let filter = match value("filter_fn") {
            // In parentheses, so that it stays one selector whatever it holds.
            Some(ParameterValue::Text(filter)) => format!("({filter})"),
            _ => self.filter.to_string(),
        };
        let count = |name: &str, default: u64| match value(name) {
            Some(ParameterValue::Count(n)) => *n,
            _ => default,
        };
        let block = match value("block_size") {
            Some(ParameterValue::Block(extents)) => {
                let extent = |e: &Option<usize>| e.map_or("-1".to_string(), |n| n.to_string());
                format!("[{}]", extents.iter().map(extent).collect::<Vec<_>>().join(", "))
            }
            _ => "[-1, -1]".to_string(),
        };
        let body = self.body.replace("{group_size}", &count("group_size", 32).to_string());
        let body = body.replace("{bits}", &count("bits", 4).to_string());
        // The filter last: what it holds is the author's, and not to be replaced.
        text + &body.replace("{block_size}", &block).replace("{filter}", &filter)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::recipe::problem::ProblemKind;
    use crate::recipe::source::NoImports;
    use crate::recipe::{Recipe, resolve};

    fn extended(options: &str) -> Recipe {
        let text = format!("extend \"coreml_codebook_weight_only\" {{ bits 3  block [16, -1]  {options} }}\n");
        resolve(Path::new("a.bitmill"), &text, &NoImports)
    }

    #[test]
    fn a_filter_is_one_selector() {
        for filter in ["linear) => keep # (", "linear # (", "linear) or (conv", "", "linear => keep"] {
            let recipe = extended(&format!("filter \"{filter}\""));
            let is_told = matches!(&recipe.problems[..], [p] if matches!(p.kind, ProblemKind::BadValue { .. }));
            assert!(is_told && recipe.rules.is_empty(), "{filter}: {:?}", recipe.problems);
        }
        for filter in ["linear", "linear, conv", "not linear where rank == 2", "(linear) or embedding"] {
            let recipe = extended(&format!("filter \"{filter}\""));
            assert!(recipe.problems.is_empty() && recipe.rules.len() == 1, "{filter}: {:?}", recipe.problems);
        }
    }

    #[test]
    fn what_a_filter_holds_is_not_replaced() {
        let recipe = extended("filter \"/layer{bits}/ or \\\"{block_size}\\\"\"");
        assert!(recipe.sources[1].text.contains("(/layer{bits}/ or \"{block_size}\")"), "{}", recipe.sources[1].text);
    }
}
