//! `fmt` and `new`: what writes recipes.

use super::world::World;

const UGLY: &str = "target   iOS18\nlinear=>int4   per-group( 32 )\n";
const NEAT: &str = "target iOS18\nlinear => int4 per-group(32)\n";

#[test]
fn files_are_formatted_in_place() {
    let world = World::new().file("a.bitmill", UGLY).file("b.bitmill", NEAT);
    insta::assert_snapshot!(world.run("fmt --check").all(), @r"
    a.bitmill
    --- standard error
    1 file is not formatted
    --- exit status 1
    ");
    insta::assert_snapshot!(world.run("fmt --diff a.bitmill").all(), @r"
    --- a/a.bitmill
    +++ b/a.bitmill
    @@ -1,2 +1,2 @@
    -target   iOS18
    -linear=>int4   per-group( 32 )
    +target iOS18
    +linear => int4 per-group(32)
    --- standard error
    1 file is not formatted
    --- exit status 1
    ");
    assert_eq!(world.read("a.bitmill"), UGLY);
    insta::assert_snapshot!(world.run("fmt").all(), @r"
    --- standard error
    1 file formatted
    ");
    assert_eq!(world.read("a.bitmill"), NEAT);
    assert_eq!(world.run("fmt --check").status, Some(0));
}

#[test]
fn standard_input_is_formatted_to_standard_output() {
    let world = World::new();
    assert_eq!(world.run_on("fmt -", UGLY).all(), NEAT);
    assert_eq!(world.run_on("fmt --check -", UGLY).status, Some(1));
    assert_eq!(world.run_on("fmt -", "\u{feff}linear=>keep\r\n").stdout, "linear => keep\r\n");
}

#[test]
fn one_file_that_cannot_be_read_does_not_stop_the_others() {
    let world = World::new().file("a.bitmill", UGLY);
    let ran = world.run("fmt missing.bitmill a.bitmill");
    assert_eq!((ran.status, world.read("a.bitmill").as_str()), (Some(3), NEAT), "{}", ran.all());
}

/// What cannot be written leaves the recipe as it was, nothing beside it, and is told with the name.
#[cfg(target_os = "linux")]
#[test]
fn recipes_that_cannot_be_written_stay_as_they_were() {
    const FIXABLE: &str = "target iOS18\nlinear => int4 per-group(32) symetric\n";
    // A file may have no byte: as on a full disk, what is written aside comes to nothing.
    let full = |world: &World, line: &str| {
        let script = format!("trap '' XFSZ; ulimit -f 0; exec {} {line}", env!("CARGO_BIN_EXE_bitmill"));
        let mut command = std::process::Command::new("sh");
        command.args(["-c", &script]).current_dir(world.path("")).stdin(std::process::Stdio::null());
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for (line, text) in [("fmt a.bitmill b.bitmill", UGLY), ("check --fix a.bitmill b.bitmill", FIXABLE)] {
        let world = World::new().file("a.bitmill", text).file("b.bitmill", text);
        let (status, told) = full(&world, line);
        assert_eq!(status, Some(3), "{told}");
        assert!(told.contains("error: a.bitmill: cannot be written: "), "{told}");
        assert!(told.contains("error: b.bitmill: cannot be written: "), "{told}");
        assert_eq!((world.read("a.bitmill").as_str(), world.read("b.bitmill").as_str()), (text, text));
        assert_eq!(world.files(), ["a.bitmill", "b.bitmill"]);
        // A file that is write-protected, beside one that is not.
        let mut permissions = std::fs::metadata(world.path("a.bitmill")).unwrap().permissions();
        permissions.set_readonly(true);
        std::fs::set_permissions(world.path("a.bitmill"), permissions).unwrap();
        let ran = world.run(line);
        assert_eq!(ran.status, Some(3), "{}", ran.all());
        assert!(ran.stderr.contains("error: a.bitmill: cannot be written: it is write-protected"), "{}", ran.all());
        assert!(ran.stderr.contains("help: let yourself write to it and to its directory"), "{}", ran.all());
        assert_eq!(world.read("a.bitmill"), text);
        assert_ne!(world.read("b.bitmill"), text);
    }
}

#[test]
fn new_recipes_are_formatted_and_without_findings() {
    let world = World::new();
    for preset in bitmill::recipe::preset::PRESETS {
        for more in ["", " --spell-out"] {
            let file = format!("{}{}.bitmill", preset.name, more.len());
            let ran = world.run(&format!("new {} -o {file}{more}", preset.name));
            assert_eq!(ran.status, Some(0), "{}", ran.all());
            let formatted = world.run(&format!("fmt --diff {file}"));
            assert_eq!(formatted.status, Some(0), "{}", formatted.all());
            let checked = world.run(&format!("check {file} --deny warnings"));
            assert_eq!(checked.status, Some(0), "{}{}", world.read(&file), checked.all());
        }
    }
}

#[test]
fn new_recipes_name_their_model_from_where_they_stand() {
    let world = World::new().model("digits.safetensors").file("recipes/x", "");
    let line = "new coreml_torchao_int8_weight_only_per_channel --model digits.safetensors -o recipes/a.bitmill";
    assert_eq!(world.run(line).status, Some(0));
    insta::assert_snapshot!(world.read("recipes/a.bitmill"), @r#"
    # coreml_torchao_int8_weight_only_per_channel: 8-bit weights of linear layers, one scale per output channel.
    model "../digits.safetensors"

    # filter: which weights are quantized, as a selector (a selector in quotes; may be left out)
    extend "coreml_torchao_int8_weight_only_per_channel"

    # Exceptions stand below, since the last rule that matches decides:
    # "lm_head" => keep
    "#);
    let checked = world.run("plan recipes/a.bitmill");
    assert_eq!(checked.status, Some(0), "{}", checked.all());
    let again = world.run(line);
    assert_eq!(again.status, Some(3));
    assert!(again.stderr.contains("exists already") && again.stderr.contains("--force"), "{}", again.stderr);
    assert_eq!(world.run(&format!("{line} --force")).status, Some(0));
    assert_eq!(world.run("new coreml_fp16 --model gone.safetensors").status, Some(3));
}
