//! Every rule's failing example gives exactly its finding, and its mended example none.

#[path = "common/checker.rs"]
mod checker;

use std::collections::HashSet;

use bitmill::check::{self, fix, rules::RULES};
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
