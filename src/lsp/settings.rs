//! The settings of an editor as the settings of [`crate::ide`].

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::ide::{Hints, Level, Settings};

/// Reads the section `bitmill`. What is not understood stays as it is by default, and is told.
///
/// Relative paths count from `base`, the first folder of the workspace.
pub fn read(section: &Value, base: &Path) -> (Settings, Vec<String>) {
    let mut complaints = Vec::new();
    let mut settings = Settings::default();
    let path = |value: &Value| value.as_str().filter(|path| !path.is_empty()).map(|path| base.join(path));
    settings.default_model = section.get("model").and_then(path);
    if let Some(paths) = section.get("modelSearchPaths").filter(|paths| !paths.is_null()) {
        match paths.as_array() {
            Some(paths) => settings.model_paths = paths.iter().filter_map(path).collect::<Vec<PathBuf>>(),
            None => complaints.push("`bitmill.modelSearchPaths` is a list of directories".to_string()),
        }
    }
    let severity = section.get("severity").filter(|severity| !severity.is_null());
    if severity.is_some_and(|severity| !severity.is_object()) {
        complaints.push("`bitmill.severity` gives levels by code: `{\"affine-bits\": \"hint\"}`".to_string());
    }
    for (code, word) in severity.and_then(Value::as_object).into_iter().flatten() {
        match word.as_str().and_then(Level::from_word) {
            Some(level) => _ = settings.levels.insert(code.clone(), level),
            None => {
                let words: Vec<String> = Level::ALL.iter().map(|(_, word)| format!("`{word}`")).collect();
                complaints.push(format!("`bitmill.severity`: {word} for `{code}` is none of {}", words.join(", ")));
            }
        }
    }
    let hint = |name: &str| section.pointer(&format!("/inlayHints/{name}")).and_then(Value::as_bool);
    let Hints { rules, total } = settings.hints;
    settings.hints = Hints { rules: hint("rules").unwrap_or(rules), total: hint("total").unwrap_or(total) };
    (settings, complaints)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_not_understood_is_told_and_left() {
        let section = json!({
            "model": "m.safetensors",
            "modelSearchPaths": ["/models", "here", 7],
            "severity": {"affine-bits": "hint", "lut-bits": "loud"},
            "inlayHints": {"total": false},
        });
        let (settings, complaints) = read(&section, Path::new("/w"));
        insta::assert_debug_snapshot!((settings, complaints), @r#"
        (
            Settings {
                model_paths: [
                    "/models",
                    "/w/here",
                ],
                default_model: Some(
                    "/w/m.safetensors",
                ),
                models: {},
                levels: {
                    "affine-bits": Hint,
                },
                hints: Hints {
                    rules: true,
                    total: false,
                },
            },
            [
                "`bitmill.severity`: \"loud\" for `lut-bits` is none of `off`, `hint`, `warning`, `error`",
            ],
        )
        "#);
        assert_eq!(read(&Value::Null, Path::new("/")).0, Settings::default());
    }
}
