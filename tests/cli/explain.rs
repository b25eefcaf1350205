//! `explain`, `rules`, `presets`, `completions`, `man`, help.

use super::world::World;

#[test]
fn codes_words_presets_and_targets_are_explained() {
    let world = World::new();
    insta::assert_snapshot!(world.run("explain affine-bits").all());
    insta::assert_snapshot!(world.run("explain per-group").all());
    insta::assert_snapshot!(world.run("explain iOS17").all());
    insta::assert_snapshot!(world.run("explain coreml_codebook_weight_only").all());
    insta::assert_snapshot!(world.run("explain afine-bits").all(), @r"
    --- standard error
    error: there is no code or word `afine-bits`
      help: did you mean `affine-bits`?
    --- exit status 2
    ");
}

#[test]
fn pages_are_drawn_where_colours_are() {
    let drawn = World::new().run_with("explain affine-bits --color always", &[("COLUMNS", "60")]).stdout;
    assert!(drawn.starts_with("\u{1b}[1maffine-bits\u{1b}[0m\n"), "{drawn}");
    assert!(!drawn.contains("```"));
}

#[test]
fn every_rule_and_every_preset_is_listed_and_explained() {
    let world = World::new();
    let rules = world.run("rules").stdout;
    for rule in bitmill::check::rules::RULES {
        assert!(rules.contains(rule.code), "{}", rule.code);
    }
    let presets = world.run("presets").stdout;
    for preset in bitmill::recipe::preset::PRESETS {
        assert!(presets.contains(preset.name), "{}", preset.name);
    }
    insta::assert_snapshot!(presets);
    insta::assert_snapshot!(world.run("presets coreml_codebok_weight_only").all(), @r"
    --- standard error
    error: there is no preset `coreml_codebok_weight_only`
      help: did you mean `coreml_codebook_weight_only`?
    --- exit status 2
    ");
}

#[test]
fn shells_and_manuals_get_their_files() {
    let world = World::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = world.run(&format!("completions {shell}"));
        assert!(ran.status == Some(0) && ran.stdout.contains("unsafe-fixes"), "{shell}");
    }
    assert!(world.run("man").stdout.contains(".TH bitmill 1"));
    assert!(world.run("man check").stdout.contains(".TH bitmill-check 1"));
    assert_eq!(world.run("man chekc").status, Some(2));
}

#[test]
fn help_lists_what_works_and_usage_is_status_2() {
    let world = World::new();
    insta::assert_snapshot!(world.run("--help").all());
    assert_eq!(world.run("--version").stdout, format!("bitmill {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(world.run("chek").status, Some(2));
    assert_eq!(world.run("plan").status, Some(2));
    assert_eq!(world.run("check --format xml").status, Some(2));
}
