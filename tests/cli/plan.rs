//! `plan`, `why`, `inspect`: what is decided, and for what.

use super::world::{World, zeros};

const RECIPE: &str = "model \"bytes-lm.safetensors\"\n\
    target iOS18\n\
    linear => int4 per-group(32)\n\
    embedding => int8 per-channel\n\
    \"layers.{0,1}.mlp.*\" => lut4 per-grouped-channel(16)\n\
    \"lm_head\" => keep\n";

fn lm() -> World {
    World::new().model("bytes-lm.safetensors").file("a.bitmill", RECIPE)
}

#[test]
fn a_plan_shows_layers_rules_and_sums() {
    let world = lm();
    insta::assert_snapshot!(world.run("plan a.bitmill").all());
    insta::assert_snapshot!(world.run_with("plan a.bitmill", &[("COLUMNS", "50")]).all());
    let all = world.run("plan a.bitmill --all").stdout;
    assert!(all.contains("  layers.0.input_norm.bias "), "{all}");
}

#[test]
fn misfits_stand_in_the_plan_with_the_reason() {
    let model = zeros(&[("a.q_proj.weight", &[64, 48]), ("b.q_proj.weight", &[64, 64])]);
    let world = World::new()
        .file("m.safetensors", model)
        .file("a.bitmill", "model \"m.safetensors\"\ntarget iOS18\nlinear => int4 per-group(32)\n");
    let ran = world.run("plan a.bitmill");
    assert_eq!(ran.status, Some(1));
    assert!(ran.stdout.contains("does not fit: axis 1: 48 is not a multiple of 32"), "{}", ran.stdout);
    assert!(ran.stdout.contains("1 weight does not fit"), "{}", ran.stdout);
    assert!(ran.stderr.contains("error[affine-block-divides]"), "{}", ran.stderr);
}

#[test]
fn a_plan_needs_a_model() {
    let world = World::new().file("a.bitmill", "target iOS18\nlinear => int8\n");
    insta::assert_snapshot!(world.run("plan a.bitmill").all(), @r#"
    --- standard error
    error: a.bitmill: the recipe names no model
      help: add `model "PATH"` to the recipe, or name the model with --model
    --- exit status 2
    "#);
    let world = world.file("b.bitmill", "model \"gone.safetensors\"\ntarget iOS18\nlinear => int8\n");
    insta::assert_snapshot!(world.run("plan b.bitmill").all(), @r"
    --- standard error
    error: gone.safetensors: there is no such file or directory
      help: correct the path in the recipe, or name the model with --model
    --- exit status 3
    ");
}

#[test]
fn locks_show_what_changed() {
    let world = lm();
    insta::assert_snapshot!(world.run("plan a.bitmill --lock a.lock").all(), @r"
    --- standard error
    a.lock: 49 decisions written
    ");
    let lock = world.read("a.lock");
    assert_eq!(
        lock.lines().nth(1),
        Some("# 30 of 49 tensors change, 4.57 bits per weight, 1.87 MB -> 584 kB (31.2 %)")
    );
    assert!(lock.contains(
        "\nlayers.2.mlp.up_proj.weight: linear 384x128 fp16 => int4 per-group(32) symmetric scale fp16 arithmetic torchao\n"
    ));
    assert!(lock.contains("\nnorm.weight: norm 128 fp16 => keep (never)\n"));
    insta::assert_snapshot!(world.run("plan a.bitmill --check a.lock").all(), @"as in a.lock: 49 decisions");
    let world = world.file("a.bitmill", RECIPE.replace("lut4", "lut3").replace("lm_head", "gone"));
    insta::assert_snapshot!(world.run("plan a.bitmill --check a.lock").all());
    // What was written again is the same, byte for byte.
    let world = world.file("a.bitmill", RECIPE);
    assert_eq!(world.run("plan a.bitmill --lock a.lock").status, Some(0));
    assert_eq!(world.read("a.lock"), lock);
}

#[test]
fn locks_do_not_replace_other_files() {
    let world = lm().file("other.txt", "precious\n");
    let ran = world.run("plan a.bitmill --lock other.txt");
    assert_eq!((ran.status, world.read("other.txt").as_str()), (Some(3), "precious\n"), "{}", ran.all());
    assert_eq!(world.run("plan a.bitmill --lock a.bitmill").status, Some(3));
    assert_eq!(world.run("plan a.bitmill --check other.txt").status, Some(3));
    assert_eq!(world.run("plan a.bitmill --check missing.lock").status, Some(3));
    assert_eq!(world.run("plan a.bitmill --lock none/a.lock").status, Some(3));
    // A recipe with errors decides nothing for good.
    let world = world.file("bad.bitmill", format!("{RECIPE}liner => keep\n"));
    assert_eq!(world.run("plan bad.bitmill --lock bad.lock").status, Some(1));
    assert_eq!(world.files(), ["a.bitmill", "bad.bitmill", "bytes-lm.safetensors", "other.txt"]);
}

#[test]
fn targets_say_what_would_have_to_change() {
    insta::assert_snapshot!(lm().run("plan a.bitmill --targets").all());
}

#[test]
fn why_names_the_rules_and_the_alternatives() {
    let world = lm();
    insta::assert_snapshot!(world.run("why a.bitmill layers.1.mlp.down_proj").all());
    insta::assert_snapshot!(world.run("why a.bitmill norm.weight").all(), @r"
    norm.weight
      norm (by name), 128, fp16, 256 B

      stays as it is: parameters of normalisation and of operators without weights stay in float
    ");
    insta::assert_snapshot!(world.run("why a.bitmill layers.1.mpl.down_proj").all());
}

#[test]
fn why_says_what_does_not_fit() {
    let model = zeros(&[("head.weight", &[10, 48])]);
    let world = World::new()
        .file("m.safetensors", model)
        .file("a.bitmill", "model \"m.safetensors\"\ntarget iOS16\nlinear => int8 per-channel\n");
    let ran = world.run("why a.bitmill head.weight");
    assert!(ran.stdout.contains("axis 1: 48 is not a multiple of 32"), "{}", ran.stdout);
    assert!(ran.stdout.contains("int4 per-group(16) symmetric"), "{}", ran.stdout);
    assert!(ran.stdout.contains("iOS18, newer than the target"), "{}", ran.stdout);
}

#[test]
fn models_are_trees() {
    let world = World::new().model("bytes-lm.safetensors").model("digits.safetensors");
    insta::assert_snapshot!(world.run("inspect bytes-lm.safetensors").all());
    insta::assert_snapshot!(world.run("inspect digits.safetensors conv").all());
    insta::assert_snapshot!(world.run("inspect digits.safetensors --values h*").all());
    insta::assert_snapshot!(world.run("inspect digits.safetensors haed").all());
    let selector = world.command(&["inspect", "digits.safetensors", "conv where kernel == 3"]).output().unwrap();
    assert!(String::from_utf8(selector.stdout).unwrap().contains("4 of 32 tensors"));
}

#[test]
fn trees_have_a_bottom() {
    let name = "a.".repeat(20_000) + "weight";
    let world = World::new().file("m.safetensors", zeros(&[(&name, &[2, 2])]));
    let ran = world.run("inspect m.safetensors");
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
}

#[test]
fn a_hundred_thousand_tensors_and_five_thousand_lines_take_a_moment() {
    let names: Vec<String> = (0..100_000)
        .map(|i| {
            format!("model.layers.{}.experts.{}.{}_proj.weight", i / 300, i / 3 % 100, ["gate", "up", "down"][i % 3])
        })
        .collect();
    let tensors: Vec<(&str, &[usize])> = names.iter().map(|name| (name.as_str(), &[32, 32][..])).collect();
    let rules: String = (0..5000)
        .map(|i| format!("\"model.layers.{i}.*.{{q,k}}_proj\" => int4 per-group(32)   # layer {i}\n"))
        .collect();
    let world = World::new()
        .file("m.safetensors", zeros(&tensors))
        .file("a.bitmill", "model \"m.safetensors\"\ntarget iOS18\nlinear => int4 per-group(32)\n")
        .file("long.bitmill", format!("target iOS18\n{rules}"));
    // The promise is a second in a release build; here nothing is optimized and other tests run beside.
    for line in ["plan a.bitmill", "check long.bitmill"] {
        let begun = std::time::Instant::now();
        let ran = world.run(line);
        assert_eq!(ran.status, Some(0), "{}", ran.stderr);
        assert!(begun.elapsed() < std::time::Duration::from_secs(60), "{line} takes {:?}", begun.elapsed());
    }
    let plan = world.run("plan a.bitmill").stdout;
    assert!(plan.contains("model.layers.{0..332}.experts.{0..99}.down_proj"), "{plan}");
}

#[test]
fn what_is_no_lock_of_this_version_is_not_overwritten() {
    let recipe = "model \"digits.safetensors\"\ntarget iOS18\nlinear => int8 per-channel\n";
    let world = World::new().model("digits.safetensors").file("a.bitmill", recipe).file("dir/x", "");
    let world = world.file("later.lock", "# bitmill lock 10: of a later version\n").file("other.txt", "mine\n");
    for (path, why) in
        [("later.lock", "no lock file of this version"), ("other.txt", "no lock"), ("dir", "cannot be read")]
    {
        let ran = world.run(&format!("plan a.bitmill --lock {path}"));
        assert!(ran.status == Some(3) && ran.stderr.contains(why), "{path}: {}", ran.all());
    }
    assert_eq!(world.read("later.lock"), "# bitmill lock 10: of a later version\n");
    assert_eq!(world.read("other.txt"), "mine\n");
    assert_eq!(world.run("plan a.bitmill --lock a.lock").status, Some(0));
    assert_eq!(world.run("plan a.bitmill --lock a.lock").status, Some(0));
}
