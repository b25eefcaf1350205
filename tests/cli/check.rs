//! `check`: findings drawn, fixed, denied.

use super::world::{World, zeros};

/// One mistake of each kind of consequence, and an import.
fn mistakes() -> World {
    World::new()
        .file("base.bitmill", "target iOS16\n")
        .file(
            "a.bitmill",
            "import \"base.bitmill\"\n\
             scheme w4 = int4 per-group(48) symetric\n\
             linear => w4\n\
             embedding => int4 per-channel\n\
             liner => keep\n",
        )
        .file("clean.bitmill", "target iOS18\nlinear => int4 per-group(32)\n")
}

#[test]
fn findings_are_drawn() {
    let world = mistakes();
    insta::assert_snapshot!(world.run("check a.bitmill").all());
    insta::assert_snapshot!(world.run("check clean.bitmill").all(), @"no findings");
}

#[test]
fn a_finding_shows_the_places_in_other_files_that_make_it_so() {
    let world = World::new()
        .file("base.bitmill", "target iOS16\n")
        .file("a.bitmill", "import \"base.bitmill\"\nembedding => int4 per-channel\n");
    let drawn = world.run("check a.bitmill").stdout;
    assert!(drawn.contains("[a.bitmill:2:14]") && drawn.contains("[base.bitmill:1:8]"), "{drawn}");
}

#[test]
fn with_a_model_names_and_shapes_are_checked() {
    let world = World::new()
        .file("m.safetensors", zeros(&[("layers.0.q_proj.weight", &[64, 48]), ("layers.1.q_proj.weight", &[64, 48])]))
        .file(
            "a.bitmill",
            "model \"m.safetensors\"\ntarget iOS18\n\"*.q_prj\" => keep\nlinear => int4 per-group(32)\n",
        );
    insta::assert_snapshot!(world.run("check a.bitmill").all());
    let other = world.run("check a.bitmill --model missing.safetensors");
    assert_eq!(other.status, Some(3), "{}", other.all());
}

#[test]
fn narrow_terminals_wrap_and_ascii_terminals_draw_ascii() {
    let world = World::new().file("a.bitmill", "target iOS16\nlinear => int4 per-channel\n");
    insta::assert_snapshot!(world.run_with("check a.bitmill", &[("COLUMNS", "40"), ("LC_ALL", "C")]).all());
}

#[test]
fn fixes_are_applied_and_the_rest_stays() {
    let world = mistakes();
    let ran = world.run("check a.bitmill --fix");
    assert_eq!(ran.status, Some(1));
    let head = ran.stdout.lines().take(5).collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!(head, @r"
    a.bitmill: 2 fixes applied
      write `symmetric`
      write `linear`

    error[affine-4bit-target]
    ");
    assert!(world.read("a.bitmill").contains("per-group(48) symmetric\nlinear => w4\n"));
    assert_eq!(world.read("base.bitmill"), "target iOS16\n", "imported files are not touched");
}

#[test]
fn diffs_change_nothing() {
    let world = mistakes();
    let before = world.read("a.bitmill");
    insta::assert_snapshot!(world.run("check a.bitmill --diff").all());
    assert_eq!(world.run("check a.bitmill --fix --diff").stdout, world.run("check a.bitmill --diff").stdout);
    assert_eq!(world.read("a.bitmill"), before);
}

#[test]
fn unsafe_fixes_have_to_be_asked_for() {
    let world = World::new().file("a.bitmill", "target iOS18\nlinear => int3 per-channel\n");
    let ran = world.run("check a.bitmill --fix");
    assert_eq!((ran.status, world.read("a.bitmill").contains("int3")), (Some(1), true));
    let ran = world.run("check a.bitmill --fix --unsafe-fixes");
    assert_eq!(ran.status, Some(0), "{}", ran.all());
    assert_eq!(world.read("a.bitmill"), "target iOS18\nlinear => int4 per-channel\n");
    assert_eq!(world.run("check a.bitmill --unsafe-fixes").status, Some(2));
}

#[test]
fn standard_input_is_checked_and_mended() {
    let world = World::new();
    let ran = world.run_on("check -", "targt iOS18\nlinear => keep\n");
    assert!(ran.stdout.contains("[<stdin>:1:1]"), "{}", ran.all());
    let ran = world.run_on("check - --fix", "target iOS18\nliner => int8\n");
    assert_eq!(ran.stdout, "target iOS18\nlinear => int8\n");
    assert!(ran.stderr.contains("1 fix applied"), "{}", ran.all());
    assert_eq!(world.run("check - -").status, Some(2));
}

#[test]
fn warnings_and_hints_can_be_denied() {
    let world = World::new()
        .file("hint.bitmill", "target iOS18\nlinear => lut5\n")
        .file("warning.bitmill", "target iOS16\nlinear => int8\nall => int8 per-channel\n");
    let status = |line: &str| world.run(line).status;
    assert_eq!(status("check hint.bitmill warning.bitmill"), Some(0));
    assert_eq!(status("check hint.bitmill --deny warnings"), Some(0));
    assert_eq!(status("check hint.bitmill --deny hints"), Some(1));
    assert_eq!(
        status("check warning.bitmill --deny warnings"),
        Some(1),
        "{}",
        world.run("check warning.bitmill").all()
    );
}

#[test]
fn without_names_the_recipes_here_are_checked() {
    let world = mistakes();
    let ran = world.run("check");
    assert!(ran.stdout.ends_with("--unsafe-fixes\n") && ran.stdout.contains("3 recipes: "), "{}", ran.stdout);
    let empty = World::new().run("check");
    insta::assert_snapshot!(empty.all(), @r"
    --- standard error
    error: no recipe is named, and the current directory holds none
      help: name a recipe, or `-` for standard input
    --- exit status 2
    ");
}

#[test]
fn what_several_recipes_import_is_told_once() {
    let world = World::new()
        .file("base.bitmill", "targt iOS18\n")
        .file("a.bitmill", "import \"base.bitmill\"\ntarget iOS18\nlinear => int8\n")
        .file("b.bitmill", "import \"./base.bitmill\"\ntarget iOS18\nlinear => int8\n");
    let ran = world.run("check a.bitmill b.bitmill");
    assert_eq!(ran.stdout.matches("error[").count(), 1, "{}", ran.stdout);
}

#[test]
fn links_stay_links_and_permissions_stay() {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let world = World::new().file("real.bitmill", "target iOS18\nliner => int8\n");
        std::os::unix::fs::symlink("real.bitmill", world.path("a.bitmill")).unwrap();
        let mode =
            |mode| std::fs::set_permissions(world.path("real.bitmill"), PermissionsExt::from_mode(mode)).unwrap();
        mode(0o640);
        assert_eq!(world.run("check a.bitmill --fix").status, Some(0));
        assert!(world.path("a.bitmill").is_symlink());
        let permissions = std::fs::metadata(world.path("real.bitmill")).unwrap().permissions();
        assert_eq!(permissions.mode() & 0o777, 0o640);
        assert_eq!(world.read("real.bitmill"), "target iOS18\nlinear => int8\n");
        let world = World::new().file("a.bitmill", "target iOS18\nliner => int8\n");
        std::fs::set_permissions(world.path("a.bitmill"), PermissionsExt::from_mode(0o440)).unwrap();
        let ran = world.run("check a.bitmill --fix");
        assert_eq!((ran.status, world.read("a.bitmill").contains("liner")), (Some(3), true), "{}", ran.all());
        assert!(ran.stderr.contains("write-protected"), "{}", ran.stderr);
    }
}

#[test]
fn fixes_in_imports_are_told_where_they_are_and_made_there() {
    let world = World::new()
        .file("sub/base.bitmill", "targt iOS18\nscheme w4 = int4 per-gruop(32)\n")
        .file("a.bitmill", "import \"sub/base.bitmill\"\nlineer => w4\n");
    let ran = world.run("check --fix a.bitmill");
    assert!(ran.stdout.contains("fix: write `target` (check --fix sub/base.bitmill)"), "{}", ran.all());
    assert!(ran.stdout.ends_with("2 errors; 2 can be fixed in imported files\n"), "{}", ran.all());
    assert_eq!(world.read("a.bitmill"), "import \"sub/base.bitmill\"\nlinear => w4\n");
    // What is told of the first is told of it with the second mended.
    let ran = world.run("check --fix a.bitmill sub/base.bitmill");
    assert_eq!(ran.status, Some(0), "{}", ran.all());
    assert!(ran.stdout.contains("sub/base.bitmill: 2 fixes applied"), "{}", ran.all());
    assert_eq!(world.read("sub/base.bitmill"), "target iOS18\nscheme w4 = int4 per-group(32)\n");
}

#[test]
fn what_is_imported_is_mended_first() {
    // Until its definition is mended, `halfa` is unknown and `halfb` the nearest word.
    let world = || {
        World::new()
            .file("base.bitmill", "target iOS18\nshceme halfa int4\nscheme halfb = int8\nconv => halfb\n")
            .file("a.bitmill", "import \"base.bitmill\"\nlinear => halfa\n")
    };
    for order in ["a.bitmill base.bitmill", "base.bitmill a.bitmill", "a.bitmill base.bitmill a.bitmill"] {
        let world = world();
        let shown = world.run(&format!("check --diff {order}"));
        assert!(shown.stdout.contains("+scheme halfa = int4\n"), "{order}: {}", shown.all());
        assert!(!shown.stdout.contains("+linear"), "{order}: {}", shown.all());
        let ran = world.run(&format!("check --fix {order}"));
        // What only another recipe uses is not removed.
        let base = "target iOS18\nscheme halfa = int4\nscheme halfb = int8\nconv => halfb\n";
        assert_eq!(world.read("base.bitmill"), base, "{order}: {}", ran.all());
        let a = "import \"base.bitmill\"\nlinear => halfa\n";
        assert_eq!(world.read("a.bitmill"), a, "{order}: {}", ran.all());
        assert!(ran.stderr.is_empty(), "{}", ran.all());
    }
}
