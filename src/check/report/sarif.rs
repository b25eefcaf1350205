//! Findings as SARIF 2.1.0, for code scanning.

use std::fmt::Write;
use std::path::{Component, Path};

use serde_json::{Value, json};

use super::{Checked, Failed, Region, Texts};
use crate::check::{Finding, Fix, Rule, Severity, pages, rules::RULES};

/// The log: one run, with the rules that found something.
pub fn sarif(checked: &[Checked], failed: &[Failed]) -> Value {
    let found: Vec<&Rule> = RULES
        .iter()
        .copied()
        .filter(|rule| checked.iter().any(|one| one.findings.iter().any(|finding| finding.code == rule.code)))
        .collect();
    let mut results = Vec::new();
    for one in checked {
        let texts = Texts::new(one.recipe);
        results.extend(one.findings.iter().map(|finding| result(finding, &found, &texts)));
    }
    let notification = |one: &Failed| {
        json!({
            "level": "error",
            "message": { "text": one.message },
            "locations": [{ "physicalLocation": { "artifactLocation": { "uri": uri(&one.path) } } }],
        })
    };
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "bitmill",
                "version": env!("CARGO_PKG_VERSION"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": found.iter().copied().map(rule).collect::<Vec<_>>(),
            } },
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": failed.is_empty(),
                "toolExecutionNotifications": failed.iter().map(notification).collect::<Vec<_>>(),
            }],
            "results": results,
        }],
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Hint => "note",
    }
}

fn rule(rule: &Rule) -> Value {
    json!({
        "id": rule.code,
        "shortDescription": { "text": format!("{}.", rule.title) },
        "fullDescription": { "text": rule.page.trim() },
        "help": { "text": rule.page.trim(), "markdown": pages::markdown(rule) },
        "defaultConfiguration": { "level": level(rule.severity) },
        "properties": { "tags": [rule.binds.name()] },
    })
}

fn result(finding: &Finding, rules: &[&Rule], texts: &Texts) -> Value {
    let mut text = finding.message.clone();
    for (head, more) in [("", &finding.help), ("Upstream: ", &finding.upstream)] {
        if let Some(more) = more {
            _ = write!(text, "\n{head}{more}");
        }
    }
    let mut location = json!({ "physicalLocation": physical(&texts.region(finding.place)) });
    if let Some(here) = &finding.here {
        location["message"] = json!({ "text": here });
    }
    let related = finding.labels.iter().enumerate().map(|(id, label)| {
        json!({
            "id": id + 1,
            "message": { "text": label.text },
            "physicalLocation": physical(&texts.region(label.place)),
        })
    });
    let mut result = json!({
        "ruleId": finding.code,
        "level": level(finding.severity),
        "message": { "text": text },
        "locations": [location],
        "relatedLocations": related.collect::<Vec<_>>(),
        "fixes": finding.fixes.iter().map(|one| fix(one, texts)).collect::<Vec<_>>(),
    });
    if let Some(index) = rules.iter().position(|rule| rule.code == finding.code) {
        result["ruleIndex"] = json!(index);
    }
    if !finding.weights.is_empty() {
        result["properties"] = json!({ "weights": finding.weights });
    }
    result
}

fn fix(fix: &Fix, texts: &Texts) -> Value {
    // One change for each file, as the schema wants it.
    let mut changes: Vec<(String, Vec<Value>)> = Vec::new();
    for edit in &fix.edits {
        let region = texts.region(edit.place);
        let replacement = json!({
            "deletedRegion": range(&region),
            "insertedContent": { "text": edit.text },
        });
        let uri = uri(region.path);
        match changes.iter_mut().find(|(file, _)| *file == uri) {
            Some((_, replacements)) => replacements.push(replacement),
            None => changes.push((uri, vec![replacement])),
        }
    }
    let change = |(uri, replacements): (String, Vec<Value>)| json!({ "artifactLocation": { "uri": uri }, "replacements": replacements });
    json!({
        "description": { "text": fix.title },
        "artifactChanges": changes.into_iter().map(change).collect::<Vec<_>>(),
    })
}

fn physical(region: &Region) -> Value {
    json!({ "artifactLocation": { "uri": uri(region.path) }, "region": range(region) })
}

fn range(region: &Region) -> Value {
    json!({
        "startLine": region.start.line,
        "startColumn": region.start.column,
        "endLine": region.end.line,
        "endColumn": region.end.column,
    })
}

/// A path as a URI: relative ones stay so, absolute ones get `file://`.
fn uri(path: &Path) -> String {
    let mut out = String::new();
    if path.is_absolute() {
        out.push_str("file://");
    }
    let mut first = true;
    for component in path.components() {
        let part = match component {
            Component::RootDir | Component::CurDir => continue,
            other => other.as_os_str().to_string_lossy(),
        };
        if !first || path.is_absolute() {
            out.push('/');
        }
        first = false;
        for byte in part.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(byte as char),
                _ => _ = write!(out, "%{byte:02X}"),
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_uris() {
        let uris = ["a b/ü.bitmill", "./x", "../x", "<stdin>"].map(|path| uri(Path::new(path)));
        assert_eq!(uris, ["a%20b/%C3%BC.bitmill", "x", "../x", "%3Cstdin%3E"]);
        #[cfg(unix)]
        assert_eq!(uri(Path::new("/tmp/a#b")), "file:///tmp/a%23b");
    }
}
