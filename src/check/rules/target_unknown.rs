//! Deployment targets that do not exist.

use crate::check::words::{either, offer_nearest};
use crate::check::{Binds, Context, Example, Finding, Needs, Report, Rule, Severity};
use crate::coreml::target::{NotATarget, OPERATOR_SETS, Platform, Target};
use crate::recipe::Place;
use crate::recipe::problem::ProblemKind;

/// The rule.
pub const RULE: Rule = Rule {
    code: "target-unknown",
    severity: Severity::Error,
    title: "a deployment target that does not exist",
    binds: Binds::Language,
    needs: Needs::Recipe,
    page: "
A target is a platform and the version that brought a set of Core ML operators: `iOS13` to `iOS18` and `iOS26`, and
their contemporaries on the other platforms. In between brings nothing: a model for iOS 17.4 is a model for `iOS17`.

There is no version 19 to 25 on any platform. Apple's version numbers jump from iOS 18, macOS 15, watchOS 11,
tvOS 18 and visionOS 2 straight to 26, the same number everywhere. Whoever wants \"the one after iOS 18\" wants
`iOS26`.

coremltools has the same table as the enumeration `ct.target`, in which every name but that of iOS is an alias, and
which has no visionOS at all: an exported recipe says `ct.target.iOS18` for `visionOS2`.
",
    examples: &[
        Example::recipe("target iOS19\nlinear => int4 per-group(32)\n", "target iOS18\nlinear => int4 per-group(32)\n"),
        Example::recipe(
            "target osx15\nlinear => int4 per-group(32)\n",
            "target macOS15\nlinear => int4 per-group(32)\n",
        ),
    ],
    sources: &[
        "coremltools: converters/mil/_deployment_compatibility.py",
        "coremltools: mlmodel/format/Model.proto, the list of specification versions",
    ],
    check,
};

fn check(context: &Context, report: &mut Report) {
    for problem in &context.recipe.problems {
        let ProblemKind::UnknownTarget { word, why } = &problem.kind else {
            continue;
        };
        let place = problem.place;
        match why {
            NotATarget::Version { platform, version, below } => {
                let message = format!("there is no {} {version} to target", platform.name());
                let finding = report.add(place, message);
                finding.help(known_versions(*platform));
                version_fixes(finding, place, *platform, version, below.as_deref());
            }
            NotATarget::Platform => no_platform(report, place, word),
        }
    }
}

/// Explains what lies around a version that is not there, and offers what was meant.
fn version_fixes(finding: &mut Finding, place: Place, platform: Platform, version: &str, below: Option<&str>) {
    let all: Vec<String> = targets(platform).collect();
    let [first, .., before, after] = all.as_slice() else {
        return;
    };
    let Some(below) = below else {
        let compressed = first_compressed(platform);
        finding.here(format!("older than {first}, the first that has a set of operators"));
        finding.suggest(format!("use {compressed}, the first with compressed weights"), place, compressed);
        return;
    };
    let known = below.strip_prefix(platform.name()).unwrap_or("");
    let is_point_release = version.replace('_', ".").strip_prefix(known).is_some_and(|rest| rest.starts_with('.'));
    let has_jumped = below == before && !is_point_release;
    finding.here(if is_point_release {
        format!("operators come with whole versions: this is {below}")
    } else if has_jumped {
        format!("version numbers jump from {before} to {after}")
    } else {
        format!("the nearest below it is {below}")
    });
    finding.fix(format!("use {below}"), place, below);
    if has_jumped {
        finding.suggest(format!("use {after}"), place, after);
    }
}

fn no_platform(report: &mut Report, place: Place, word: &str) {
    let folded = word.to_lowercase();
    let digits_at = word.find(|c: char| c.is_ascii_digit()).unwrap_or(word.len());
    let (name, version) = word.split_at(digits_at);
    let set = OPERATOR_SETS.iter().find(|set| set.name.eq_ignore_ascii_case(word));
    if let Some(ios) = set.and_then(|set| set.on(Platform::Ios)) {
        let finding = report.add(place, format!("`{word}` is a set of operators, not a system to target"));
        finding.here(format!("came with {ios}")).help("targets are named by the system that a model must run on");
        finding.fix(format!("use {ios}"), place, ios);
        return;
    }
    let bare = Platform::ALL.iter().find(|(_, known)| known.eq_ignore_ascii_case(word));
    if let Some((platform, known)) = bare {
        let finding = report.add(place, format!("the target `{known}` lacks a version"));
        finding.help(known_versions(*platform));
        for target in targets(*platform).collect::<Vec<_>>().into_iter().rev().take(2) {
            finding.suggest(format!("use {target}"), place, target);
        }
        return;
    }
    if folded == "none" {
        let finding = report.add(place, "`none` stands alone: a recipe is for an experiment or for some systems");
        finding.help("write `target none`, or the systems without `none`");
        return;
    }
    let finding = report.add(place, format!("`{word}` is no system that Core ML runs on"));
    let platforms: Vec<&str> = Platform::ALL.iter().map(|(_, name)| *name).collect();
    finding
        .help(format!("targets are {} with a version, as in `iOS18`, or `none` for an experiment", either(&platforms)));
    let platform = match name.to_lowercase().as_str() {
        "ipados" | "iphoneos" | "iphone" | "ipad" => Some(Platform::Ios),
        "osx" | "mac" | "macosx" => Some(Platform::MacOs),
        _ => None,
    };
    let meant = platform.map(|p| format!("{}{version}", p.name())).filter(|t| Target::parse(t).is_ok());
    match meant {
        Some(target) => _ = finding.fix(format!("use {target}"), place, target),
        None => {
            let all: Vec<String> = Target::all().map(|t| t.to_string()).collect();
            offer_nearest(finding, place, word, all.iter().map(String::as_str));
        }
    }
}

/// Every target of a platform, oldest first.
fn targets(platform: Platform) -> impl Iterator<Item = String> {
    OPERATOR_SETS.iter().filter_map(move |set| set.on(platform))
}

fn known_versions(platform: Platform) -> String {
    let all: Vec<String> = targets(platform).collect();
    format!("{} targets are {}", platform.name(), either(&all))
}

/// The oldest target of a platform whose operators include compressed weights.
fn first_compressed(platform: Platform) -> String {
    let sets = OPERATOR_SETS.iter().filter(|set| set.spec >= 7);
    sets.filter_map(|set| set.on(platform)).next().unwrap_or_default()
}
