//! Every rule's failing example gives exactly its finding, and its mended example none.

#[path = "common/checker.rs"]
mod checker;

use std::collections::HashSet;
use std::path::Path;

use bitmill::check::{self, fix, rules::RULES};
use bitmill::model::Model;
use bitmill::recipe::FileId;

use checker::analyze;

#[test]
fn failing_examples_fail_and_mended_ones_do_not() {
    let mut wrong = Vec::new();
    for rule in RULES {
        assert!(!rule.examples.is_empty(), "{} has no example", rule.code);
        for example in rule.examples {
            let codes = |text| analyze(example, text).findings.iter().map(|f| f.code).collect::<Vec<_>>();
            let bad = codes(example.bad);
            if bad != [rule.code] {
                wrong.push(format!("{}: the failing example gives {bad:?}\n{}", rule.code, example.bad));
            }
            let good = codes(example.good);
            if !good.is_empty() {
                wrong.push(format!("{}: the mended example gives {good:?}\n{}", rule.code, example.good));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_fix_mends_its_finding_and_makes_no_new_error() {
    let mut wrong = Vec::new();
    for rule in RULES {
        for example in rule.examples {
            for finding in analyze(example, example.bad).findings {
                for offered in &finding.fixes {
                    let edits: Vec<_> = offered.edits.iter().collect();
                    let (text, applied) = fix::apply(example.bad, FileId(0), &edits);
                    let after = analyze(example, &text).findings;
                    let again = after.iter().any(|f| f.code == rule.code);
                    let error = after.iter().any(|f| f.severity == check::Severity::Error);
                    if applied != edits.len() || again || (error && offered.safe) {
                        let codes: Vec<_> = after.iter().map(|f| f.code).collect();
                        wrong.push(format!("{}: \"{}\" leaves {codes:?}\n{text}", rule.code, offered.title));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A recipe whose lines end as on Windows has the same findings at the same words, and fixes keep its line ends.
#[test]
fn line_ends_of_other_systems_make_no_difference() {
    for rule in RULES {
        for example in rule.examples {
            let text = example.bad.replace('\n', "\r\n");
            let (plain, other) = (analyze(example, example.bad), analyze(example, &text));
            let told = |analysis: &check::Analysis| -> Vec<(&str, String, String)> {
                let findings = analysis.findings.iter();
                let words = |place| analysis.recipe.text(place).replace("\r\n", "\n");
                findings.map(|found| (found.code, found.message.replace("\\r\\n", "\\n"), words(found.place))).collect()
            };
            assert_eq!(told(&plain), told(&other), "{}", rule.code);
            for (found, same) in plain.findings.iter().zip(&other.findings) {
                assert_eq!(found.fixes.len(), same.fixes.len(), "{}", rule.code);
                for (fix, other) in found.fixes.iter().zip(&same.fixes) {
                    let mended = fix::apply(example.bad, FileId(0), &fix.edits.iter().collect::<Vec<_>>()).0;
                    let (text, _) = fix::apply(&text, FileId(0), &other.edits.iter().collect::<Vec<_>>());
                    assert_eq!(text, mended.replace('\n', "\r\n"), "{}: {}", rule.code, fix.title);
                }
            }
            let formatted = bitmill::syntax::format(&text);
            assert_eq!(formatted, bitmill::syntax::format(example.bad).replace('\n', "\r\n"), "{}", rule.code);
            assert_eq!(bitmill::syntax::format(&formatted), formatted, "{}", rule.code);
        }
    }
}

/// Fixes that name weights mean just these, whatever characters their names are made of, and messages stay one line.
#[test]
fn odd_names_are_meant_by_fixes() {
    let analyze = |model: &Model, text: &str| {
        check::analyze(Path::new("a.bitmill"), text, &bitmill::recipe::NoImports, check::Known::Model(model))
    };
    let cases = [
        ("kinds-guessed", "target iOS16\nlinear => int8 per-channel\n"),
        ("weight-tied", "target iOS16\nall => int8 per-channel\n\"lm_head\" => keep\n"),
    ];
    for name in ["a*b", "a[0].{x,y}", "q\"uote", "back\\slash", "what?", "grö ße", "# => keep", "two\nlines\u{1b}[2J"]
    {
        let weight = format!("{name}.weight");
        let listing = "hidden.weight  64x64  fp16\nodd.weight  64x64  fp16\nlm_head.weight  64x64  fp16\n";
        let mut guessed = Model::listing(listing).unwrap();
        (guessed.weights[2].name, guessed.weights[2].module_len) = (weight.clone(), name.len());
        let listing =
            "embed_tokens.weight  embedding  256x64  fp16  tied=lm_head.weight\nfc.weight  linear  64x64  fp16\n";
        let mut tied = Model::listing(listing).unwrap();
        (tied.weights[0].name, tied.weights[0].module_len) = (weight.clone(), name.len());
        for ((code, text), model) in cases.into_iter().zip([guessed, tied]) {
            let found = analyze(&model, text).findings;
            let [finding] = &found[..] else { panic!("{name:?}: {found:#?}") };
            assert_eq!(finding.code, code);
            let help = finding.help.iter().chain(&finding.here).chain(finding.labels.iter().map(|label| &label.text));
            assert!(help.chain([&finding.message]).all(|text| !text.contains(char::is_control)), "{finding:#?}");
            if name.contains('\n') {
                assert!(finding.fixes.is_empty(), "no text of a recipe means it: {finding:#?}");
                continue;
            }
            let fix = finding.fixes.first().expect("it can be named");
            let (mended, _) = fix::apply(text, FileId(0), &fix.edits.iter().collect::<Vec<_>>());
            let after = analyze(&model, &mended);
            assert!(after.findings.is_empty(), "{mended}{:#?}", after.findings);
            let deciding = after.plan.unwrap().decisions.iter().filter(|decision| decision.rule.is_some()).count();
            assert_eq!(deciding, model.weights.len(), "{mended}");
        }
    }
}

#[test]
fn codes_are_distinct_and_pages_complete() {
    let mut seen = HashSet::new();
    for rule in RULES {
        assert!(seen.insert(rule.code), "{} stands twice", rule.code);
        assert!(rule.code.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'));
        assert!(rule.page.trim().len() > 80, "{} has no page", rule.code);
        assert!(!rule.title.ends_with('.'), "{}", rule.code);
    }
    assert!(RULES.len() >= 60, "{} rules", RULES.len());
}
