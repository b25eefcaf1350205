//! Rules of the checker, and presets.

use crate::check::Rule;
use crate::check::report::json::VERSION;
use crate::recipe::preset::{Parameter, Preset};
use crate::recipe::starter;
use serde::Serialize;

/// What `rules --json` writes.
#[derive(Debug, Serialize)]
pub struct RulesShape {
    /// The version of the shapes.
    pub version: u32,
    /// Every rule.
    pub rules: Vec<RuleShape>,
}

/// A rule of the checker.
#[derive(Debug, Serialize)]
pub struct RuleShape {
    /// Its code.
    pub code: &'static str,
    /// `error`, `warning` or `hint`, as a rule.
    pub severity: &'static str,
    /// What it finds.
    pub title: &'static str,
    /// Who demands it.
    pub demanded_by: &'static str,
    /// What it must know: `recipe`, `model` or `run`.
    pub needs: &'static str,
    /// Its page, as Markdown.
    pub page: &'static str,
    /// A recipe that it finds something in.
    pub failing: &'static str,
    /// The same recipe mended.
    pub mended: &'static str,
    /// The model of the example, written down; empty for none.
    pub model: &'static str,
    /// Where the facts come from.
    pub sources: &'static [&'static str],
}

impl RulesShape {
    /// The shape of rules.
    pub fn new(rules: &[&'static Rule]) -> Self {
        let one = |rule: &&'static Rule| {
            let example = rule.examples.first();
            RuleShape {
                code: rule.code,
                severity: rule.severity.word(),
                title: rule.title,
                demanded_by: rule.binds.name(),
                needs: rule.needs.word(),
                page: rule.page.trim(),
                failing: example.map_or("", |example| example.bad),
                mended: example.map_or("", |example| example.good),
                model: example.map_or("", |example| example.model),
                sources: rule.sources,
            }
        };
        RulesShape { version: VERSION, rules: rules.iter().map(one).collect() }
    }
}

/// What `presets --json` writes.
#[derive(Debug, Serialize)]
pub struct PresetsShape {
    /// The version of the shapes.
    pub version: u32,
    /// Every preset.
    pub presets: Vec<PresetShape>,
}

/// A preset; what `presets NAME --json` writes.
#[derive(Debug, Serialize)]
pub struct PresetShape {
    /// Its name, as ExecuTorch has it.
    pub name: &'static str,
    /// What it does.
    pub title: &'static str,
    /// The target that it sets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<&'static str>,
    /// Its parameters, its own first.
    pub parameters: Vec<ParameterShape>,
    /// How a recipe extends it.
    pub statement: String,
    /// The statements that this stands for.
    pub statements: String,
    /// What a recipe must say besides.
    pub beside: &'static str,
}

/// A parameter of a preset.
#[derive(Debug, Serialize)]
pub struct ParameterShape {
    /// ExecuTorch's name.
    pub name: &'static str,
    /// A shorter name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub short: Option<&'static str>,
    /// Whether it must be given.
    pub required: bool,
    /// What it must be.
    pub must: &'static str,
    /// What it is for.
    pub meaning: &'static str,
}

impl PresetShape {
    /// The shape of a preset.
    pub fn new(preset: &'static Preset) -> Self {
        let parameter = |parameter: &'static Parameter| ParameterShape {
            name: parameter.name,
            short: parameter.short,
            required: parameter.required,
            must: parameter.kind.must(),
            meaning: parameter.doc,
        };
        PresetShape {
            name: preset.name,
            title: preset.title,
            target: preset.target,
            parameters: preset.all_parameters().map(parameter).collect(),
            statement: starter::statement(preset),
            statements: starter::statements(preset),
            beside: preset.beside,
        }
    }
}

impl PresetsShape {
    /// The shape of presets.
    pub fn new(presets: &'static [Preset]) -> Self {
        PresetsShape { version: VERSION, presets: presets.iter().map(PresetShape::new).collect() }
    }
}
