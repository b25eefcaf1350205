//! Files that are not what they should be: one clear error with the place, the right exit status, nothing lost.

use std::time::{Duration, Instant};

use super::world::{World, zeros};

#[test]
fn files_that_are_no_recipes() {
    let world = World::new()
        .file("llama.bitmill", "target iOS18\nlinear => int8\n")
        .file("directory/x.bitmill", "")
        .file("latin1.bitmill", b"target iOS18\n# caf\xe9\n")
        .file("utf16.bitmill", b"\xff\xfet\0a\0r\0g\0")
        .model("digits.safetensors");
    let lines = [
        "check llama.bitmil",
        "check directory",
        "check latin1.bitmill",
        "check utf16.bitmill",
        "check digits.safetensors",
        "plan none/at/all.bitmill",
        "fmt directory",
    ];
    let all: Vec<String> = lines.map(|line| format!("$ bitmill {line}\n{}", world.run(line).all())).to_vec();
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn imports_that_cannot_be_read_are_findings() {
    let world = World::new()
        .file(
            "a.bitmill",
            "import \"gone.bitmill\"\nimport \"directory\"\nimport \"latin1.bitmill\"\ntarget iOS18\nlinear => int8\n",
        )
        .file("directory/x", "")
        .file("latin1.bitmill", b"# caf\xe9\n");
    let ran = world.run("check a.bitmill");
    assert_eq!(ran.status, Some(1));
    assert_eq!(ran.stdout.matches("error[import-missing]").count(), 3, "{}", ran.stdout);
}

#[test]
fn marks_and_line_ends_of_other_systems_are_read() {
    let world = World::new()
        .file("bom.bitmill", "\u{feff}target iOS18\nlinear => int8\n")
        .file("crlf.bitmill", "target iOS18\r\n\r\nliner => int8\r\n")
        .file("empty.bitmill", "");
    assert_eq!(world.run("check bom.bitmill").status, Some(0), "{}", world.run("check bom.bitmill").all());
    let ran = world.run("check crlf.bitmill");
    assert!(ran.stdout.contains("[crlf.bitmill:3:1]") && ran.status == Some(1), "{}", ran.all());
    assert_eq!(world.run("check crlf.bitmill --fix").status, Some(0), "{}", world.read("crlf.bitmill"));
    assert_eq!(world.read("crlf.bitmill"), "target iOS18\r\n\r\nlinear => int8\r\n");
    assert!(world.run("check empty.bitmill").status.is_some_and(|status| status < 2));
}

#[test]
fn megabytes_of_recipe_are_checked_in_seconds() {
    let line = "\"layers.*\" => int8 per-channel   # as usual\n";
    let large = "target iOS18\n".to_string() + &line.repeat((10 << 20) / line.len());
    let garbage: String = (0..2 << 20).map(|i| ['=', '"', '{', 'x', ' ', '(', '\n', '%'][i * 7919 % 8]).collect();
    let world = World::new()
        .file("large.bitmill", large)
        .file("garbage.bitmill", garbage)
        .file("one-line.bitmill", "x".repeat(10 << 20))
        .file("deep.bitmill", format!("{}linear{} => keep\n", "(".repeat(200_000), ")".repeat(200_000)))
        .file("nots.bitmill", format!("{}linear => keep\n", "not ".repeat(200_000)));
    for name in ["garbage", "one-line", "deep", "nots"] {
        let begun = Instant::now();
        let ran = world.run(&format!("check {name}.bitmill"));
        assert_eq!(ran.status, Some(1), "{name}: {}", ran.stderr);
        assert!(ran.stdout.len() < 1 << 20, "{name} prints {} bytes", ran.stdout.len());
        assert!(begun.elapsed() < Duration::from_secs(20), "{name} takes {:?}", begun.elapsed());
    }
    let begun = Instant::now();
    assert!(world.run("check large.bitmill").status.is_some_and(|status| status < 2));
    assert!(begun.elapsed() < Duration::from_secs(20), "large takes {:?}", begun.elapsed());
}

#[test]
fn too_large_a_recipe_is_refused() {
    let world = World::new();
    std::fs::File::create(world.path("a.bitmill")).unwrap().set_len(65 << 20).unwrap();
    insta::assert_snapshot!(world.run("check a.bitmill").all(), @r"
    --- standard error
    error: a.bitmill: is larger than the 64 MB that a recipe may have
    --- exit status 3
    ");
}

#[test]
fn broken_models_are_told_with_the_place() {
    let mut lying = zeros(&[("a.weight", &[4, 4])]);
    lying[0] = 0xff;
    let world = World::new()
        .file("a.bitmill", "model \"broken.safetensors\"\ntarget iOS18\nlinear => int8\n")
        .file("broken.safetensors", lying)
        .file("text.safetensors", "not a model at all, but long enough to be looked at\n")
        .file("empty.safetensors", "");
    for name in ["broken", "text", "empty", "gone"] {
        let ran = world.run(&format!("inspect {name}.safetensors"));
        assert_eq!((ran.status, ran.stdout.as_str()), (Some(3), ""), "{name}: {}", ran.all());
        assert!(ran.stderr.starts_with(&format!("error: {name}.safetensors")), "{name}: {}", ran.stderr);
    }
    // The recipe's own model is a matter of the recipe.
    let ran = world.run("check a.bitmill");
    assert!(ran.stdout.contains("[model-unreadable]"), "{}", ran.all());
    assert_eq!(world.run("plan a.bitmill").status, Some(3));
}

#[cfg(target_os = "linux")]
#[test]
fn what_cannot_be_written_is_told_and_nothing_is_left() {
    let world = World::new();
    let ran = world.run("new coreml_fp16 -o /proc/new.bitmill");
    assert_eq!(ran.status, Some(3), "{}", ran.all());
    assert!(ran.stderr.starts_with("error: /proc/new.bitmill"), "{}", ran.stderr);
    let ran = world.run("new coreml_fp16 -o none/new.bitmill");
    assert!(ran.status == Some(3) && ran.stderr.contains("create the directory"), "{}", ran.all());
    let world = world.file("there.bitmill/x", "");
    assert_eq!(world.run("new coreml_fp16 -o there.bitmill --force").status, Some(3));
    assert_eq!(world.files(), ["there.bitmill"]);
}
