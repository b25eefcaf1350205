//! A recipe to begin with: a preset, complete, with comments.

use std::fmt::Write;
use std::path::Path;

use super::preset::{Parameter, ParameterKind, Preset};
use super::resolve;
use super::source::NoImports;
use crate::syntax;

/// How a new recipe uses its preset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// By `extend`, with its parameters.
    Extend,
    /// By the statements that it stands for.
    Statements,
}

/// The text of a new recipe: formatted, and without findings but for what its model brings.
pub fn starter(preset: &Preset, model: Option<&str>, form: Form) -> String {
    let mut text = format!("# {}: {}.\n", preset.name, preset.title);
    match model {
        Some(path) => _ = writeln!(text, "model {}", syntax::token::quote(path)),
        None => text.push_str("# model \"model.safetensors\"   # with it, the checker knows every name and shape\n"),
    }
    text.push('\n');
    match form {
        Form::Extend => {
            text.push_str(preset.beside);
            extend(&mut text, preset);
        }
        Form::Statements => {
            text.push_str(&statements(preset));
            // A setting that the statements make themselves would stand there twice.
            for line in preset.beside.lines() {
                let word = line.split(' ').next().unwrap_or("");
                if !text.lines().any(|known| known.split(' ').next() == Some(word)) {
                    _ = writeln!(text, "{line}");
                }
            }
        }
    }
    text.push_str("\n# Exceptions stand below, since the last rule that matches decides:\n# \"lm_head\" => keep\n");
    syntax::format(&text)
}

/// The `extend` statement, with a comment for each parameter of the preset's own.
fn extend(text: &mut String, preset: &Preset) {
    for parameter in preset.parameters {
        let name = parameter.short.unwrap_or(parameter.name);
        let needed = if parameter.required { "needed" } else { "may be left out" };
        _ = writeln!(text, "# {name}: {} ({}; {needed})", parameter.doc, must(parameter));
    }
    _ = writeln!(text, "{}", statement(preset));
}

/// How an example extends a preset.
pub fn statement(preset: &Preset) -> String {
    match preset.example {
        "" => format!("extend \"{}\"", preset.name),
        parameters => format!("extend \"{}\" {{ {parameters} }}", preset.name),
    }
}

/// The statements that a preset stands for, with the parameters of its example.
pub fn statements(preset: &Preset) -> String {
    let recipe = resolve(Path::new(""), &statement(preset), &NoImports);
    let expansion = recipe.extends.first().and_then(|extend| extend.expansion);
    expansion.and_then(|file| recipe.sources.get(file.0 as usize)).map_or(String::new(), |source| source.text.clone())
}

fn must(parameter: &Parameter) -> &'static str {
    match parameter.kind {
        // In a comment, backquotes within backquotes read badly.
        ParameterKind::Block => "two whole numbers in brackets",
        ParameterKind::Filter => "a selector in quotes",
        other => other.must(),
    }
}
