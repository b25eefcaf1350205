//! `eval`: what it tells, what it is judged by, what it refuses, what it leaves.

use std::path::Path;

use safetensors::tensor::{Dtype, TensorView, serialize};
use serde_json::Value;

use super::world::World;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A recipe for one of the shipped models.
fn recipe(model: &str, rules: &str) -> String {
    format!("model \"{ROOT}/examples/models/{model}\"\ntarget iOS18\n{rules}\n")
}

fn data(name: &str) -> String {
    format!("{ROOT}/examples/models/{name}-test.safetensors")
}

fn json(world: &World, line: &str) -> Value {
    let ran = world.run(&format!("{line} --json"));
    assert!(matches!(ran.status, Some(0 | 1)) && ran.stderr.is_empty(), "{}", ran.all());
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(document["version"], 1);
    document
}

/// What the README shows is what an evaluation prints, but for the time.
#[test]
fn an_evaluation_is_as_the_readme_has_it() {
    let world = World::new();
    let line = format!("eval {ROOT}/examples/digits-static.bitmill --layers=5 --data {}", data("digits"));
    let ran = world.run(&line);
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""), "{}", ran.all());
    let report = ran.stdout.rsplit_once("evaluated on 500 samples in ").unwrap().0;
    let readme = std::fs::read_to_string(format!("{ROOT}/README.md")).unwrap();
    assert!(readme.contains(report), "{report}");
    assert!(world.files().is_empty(), "{:?}", world.files());
}

/// Nothing is lost where nothing is changed but the width of floats, and the labels say what the file says.
#[test]
fn accuracy_is_that_of_the_model() {
    let rules = "precision fp32\nexpect accuracy drop <= 0%\nexpect perplexity rise <= 2%";
    let world = World::new().file("keep.bitmill", recipe("digits.pt2", &format!("all => keep\n{rules}")));
    let told = json(&world, &format!("eval keep.bitmill -n 40 --data {}", data("digits")));
    let labels = &told["labels"];
    assert_eq!([&told["samples"], &told["batches"], &labels["count"]], [40, 40, 40]);
    assert_eq!((&labels["name"], &labels["output"]), (&"label".into(), &"linear_1".into()));
    assert_eq!(labels["right_float"], labels["right_quantized"]);
    assert_eq!((&labels["accuracy"]["worse"], &told["outputs"][0]["agreeing"]), (&0.0.into(), &40.into()));
    // Batch normalization is folded into both alike.
    assert!(told["outputs"][0].get("sqnr").is_none_or(|sqnr| sqnr.as_f64().unwrap() > 100.0), "{told}");
    let verdicts: Vec<&str> = told["expectations"].as_array().unwrap().iter().map(verdict).collect();
    assert_eq!(verdicts, ["met", "not-measured"]);
    assert_eq!(told["expectations"][1]["why"], "the test data has no labels that tell");
}

fn verdict(expectation: &Value) -> &str {
    expectation["verdict"].as_str().unwrap()
}

#[test]
fn failed_expectations_are_findings_with_both_numbers() {
    let rules = "all => lut1 per-tensor\nexpect accuracy drop <= 0.5%";
    let world = World::new().file("a.bitmill", recipe("digits.mlpackage", rules));
    let line = format!("eval a.bitmill -n 60 --data {}", data("digits"));
    let ran = world.run(&line);
    assert!(
        ran.status == Some(1) && ran.stdout.contains("`accuracy drop <= 0.5%` does not hold: it is "),
        "{}",
        ran.all()
    );
    assert!(ran.stdout.contains("0 of 1 expectation met; 1 failed"), "{}", ran.all());
    let told = json(&world, &line);
    let accuracy = &told["labels"]["accuracy"];
    let [float, quantized, worse] = ["float", "quantized", "worse"].map(|name| accuracy[name].as_f64().unwrap());
    assert!(float > 0.9 && quantized < 0.9 && (float - quantized - worse).abs() < 1e-12, "{accuracy}");
    assert_eq!((&told["findings"][0]["code"], verdict(&told["expectations"][0])), (&"expect-failed".into(), "failed"));
    assert_eq!(world.files(), ["a.bitmill"]);
}

/// Labels from the file and the tokens of the input itself, one later, say the same but at the end.
#[test]
fn language_models_have_perplexity() {
    let rules = "linear => int4 per-group(32)\nexpect perplexity rise <= 10%";
    let world = World::new().file("a.bitmill", recipe("bytes-lm.mlpackage", rules));
    let stored = std::fs::read(data("bytes-lm")).unwrap();
    let stored = safetensors::SafeTensors::deserialize(&stored).unwrap();
    let tokens = stored.tensor("tokens").unwrap();
    let alone = serialize([("tokens", tokens)], None).unwrap();
    let world = world.file("tokens.safetensors", alone);
    let given = json(&world, &format!("eval a.bitmill -n 1 --data {}", data("bytes-lm")));
    let own = json(&world, "eval a.bitmill -n 1 --next-token --data tokens.safetensors --layers");
    assert_eq!((&given["labels"]["count"], &given["labels"]["ignored"]), (&128.into(), &0.into()));
    assert_eq!((&own["labels"]["count"], &own["labels"]["ignored"]), (&127.into(), &1.into()));
    assert_eq!((&given["labels"]["name"], &own["labels"]["name"]), (&"label".into(), &Value::Null));
    let perplexity = |told: &Value| told["labels"]["perplexity"]["float"].as_f64().unwrap();
    assert!((3.0..5.5).contains(&perplexity(&given)), "{given}");
    assert!((perplexity(&given) / perplexity(&own) - 1.0).abs() < 0.05);
    assert_eq!(verdict(&given["expectations"][0]), "met", "{given}");
    // Nothing but the error of its own weight is in a value that is looked at alone.
    let layers = own["layers"].as_array().unwrap();
    let noisy = layers.iter().filter(|layer| layer["alone"]["sqnr"].as_f64().is_some_and(|sqnr| sqnr < 40.0));
    assert!(noisy.clone().count() >= 20 && noisy.clone().all(|layer| layer["operator"] == "linear"), "{own}");
    // Without labels there is neither, and agreement all the same.
    let told = json(&world, "eval a.bitmill -n 1 --data tokens.safetensors");
    assert!(told.get("labels").is_none() && told["outputs"][0]["positions"] == 128, "{told}");
    assert_eq!(verdict(&told["expectations"][0]), "not-measured");
}

/// A file of two images with labels of some type and shape.
fn labelled(dtype: Dtype, shape: &[usize], labels: &[u8]) -> Vec<u8> {
    let image = vec![0u8; 2 * 64 * 4];
    let image = TensorView::new(Dtype::F32, vec![2, 1, 8, 8], &image).unwrap();
    let label = TensorView::new(dtype, shape.to_vec(), labels).unwrap();
    serialize([("image", image), ("label", label)], None).unwrap()
}

/// Two images, each a batch of its own, and numbered labels: so many in each tensor.
fn numbered(labels: &[usize]) -> Vec<u8> {
    let (image, label) = (vec![0u8; 64 * 4], [3u8; 8]);
    let image = || TensorView::new(Dtype::F32, vec![1, 1, 8, 8], &image).unwrap();
    let mut all = vec![("image.0".to_owned(), image()), ("image.1".to_owned(), image())];
    for (number, count) in labels.iter().enumerate() {
        all.push((format!("label.{number}"), TensorView::new(Dtype::U8, vec![*count], &label[..*count]).unwrap()));
    }
    serialize(all, None).unwrap()
}

/// Labels of numbered samples go with them by their numbers, not by the order of their names.
#[test]
fn numbered_samples_have_numbered_labels() {
    let digits = std::fs::read(data("digits")).unwrap();
    let stored = safetensors::SafeTensors::deserialize(&digits).unwrap();
    let (images, labels) = (stored.tensor("image").unwrap(), stored.tensor("label").unwrap());
    let (image, label) = (images.data().len() / 500, labels.data().len() / 500);
    let one = |number: usize| {
        let values = &images.data()[number * image..(number + 1) * image];
        let class = &labels.data()[number * label..(number + 1) * label];
        let images = TensorView::new(images.dtype(), vec![1, 1, 8, 8], values).unwrap();
        let labels = TensorView::new(labels.dtype(), vec![1], class).unwrap();
        [(format!("image.{number}"), images), (format!("label.{number}"), labels)]
    };
    let world = World::new()
        .file("a.bitmill", recipe("digits.pt2", "all => int8 per-channel"))
        .file("data.safetensors", serialize((0..30).flat_map(one), None).unwrap());
    let numbered = json(&world, "eval a.bitmill --data data.safetensors");
    let stacked = json(&world, &format!("eval a.bitmill -n 30 --data {}", data("digits")));
    assert_eq!(numbered["labels"], stacked["labels"]);
    assert_eq!(numbered["labels"]["count"], 30);
}

/// Without a target there is no package, and the program of an export takes the values of a checkpoint.
#[test]
fn experiments_with_exports_are_evaluated() {
    let none = |rules: &str| recipe("digits.pt2", rules).replace("iOS18", "none");
    let samples = format!("calibrate \"{ROOT}/examples/models/digits-calibration.safetensors\" {{ samples 32 }}\n");
    let world = World::new()
        .file("five.bitmill", none("all => int5 per-channel"))
        .file("eight.bitmill", none("all => int8 per-channel"))
        .file("half.bitmill", none("all => fp16"))
        .file("static.bitmill", none(&format!("{samples}all => int8 per-channel, activations uint8")));
    let sqnr = |name: &str| {
        let told = json(&world, &format!("eval {name}.bitmill --data {}", data("digits")));
        let share = told["labels"]["accuracy"]["quantized"].as_f64().unwrap();
        assert!(share > 0.95, "{told}");
        told["outputs"][0]["sqnr"].as_f64().unwrap()
    };
    let [half, eight, five, activations] = ["half", "eight", "five", "static"].map(sqnr);
    assert!(half > 60.0 && half > eight && eight > five && five > activations, "{half} {eight} {five} {activations}");
    assert!((35.0..50.0).contains(&eight) && five > 15.0 && activations > 10.0, "{eight} {five} {activations}");
}

#[test]
fn what_does_not_fit_is_told() {
    let world = World::new()
        .file("a.bitmill", recipe("digits.pt2", "all => int8 per-channel"))
        .file("checkpoint.bitmill", recipe("digits.safetensors", "linear => int8 per-channel"))
        .file("wrong.bitmill", recipe("digits.pt2", "all => int9"))
        .file("ten.safetensors", labelled(Dtype::U8, &[2], &[3, 10]))
        .file("minus.safetensors", labelled(Dtype::I8, &[2], &[0xff, 3]))
        .file("ignored.safetensors", labelled(Dtype::I8, &[2], &[0x9c, 0x9c]))
        .file("few.safetensors", labelled(Dtype::U8, &[1], &[3]))
        .file("many.safetensors", labelled(Dtype::U8, &[3], &[3, 4, 5]))
        .file("wide.safetensors", labelled(Dtype::U8, &[2, 3], &[0; 6]))
        .file("floats.safetensors", labelled(Dtype::F32, &[2], &[0; 8]))
        .file("turned.safetensors", numbered(&[1, 2]))
        .file("short.safetensors", numbered(&[1]))
        .file("broken.safetensors", "no tensors at all");
    let digits = data("digits");
    let cases = [
        ("a.bitmill", "ten.safetensors", "the label 10 of sample 2 is none of the 10 classes of `linear_1`", 3),
        ("a.bitmill", "minus.safetensors", "the label -1 of sample 1 is none of the 10 classes of `linear_1`", 3),
        ("a.bitmill", "ignored.safetensors", "the labels `label` of shape [2] are none that count", 3),
        ("a.bitmill", "few.safetensors", "the labels `label` are of shape [1], and there are 2 samples", 3),
        ("a.bitmill", "many.safetensors", "the labels `label` are of shape [3], and there are 2 samples", 3),
        ("a.bitmill", "wide.safetensors", "no output has classes for the labels, which are [1, 3] for a batch", 3),
        ("a.bitmill", "floats.safetensors", "the labels `label` are of F32, and labels are integers", 3),
        ("a.bitmill", "broken.safetensors", "broken.safetensors: ", 3),
        ("a.bitmill", "missing.safetensors", "missing.safetensors: cannot be read", 3),
        ("a.bitmill", &data("bytes-lm"), "has no samples for the input `image`: it holds `label`, `tokens`", 3),
        ("checkpoint.bitmill", &digits, "a checkpoint holds no program", 2),
        ("a.bitmill", "turned.safetensors", "the labels `label.1` are of shape [2], and batch 1 has 1 sample", 3),
        ("a.bitmill", "short.safetensors", "the labels `label.0` and on are 1, and there are 2 samples", 3),
        ("wrong.bitmill", &digits, "int9", 1),
        (
            "a.bitmill",
            &format!("{digits} --label lable"),
            "has no labels `lable`: beside the inputs it holds `label`",
            3,
        ),
        (
            "a.bitmill",
            &format!("{digits} --output logits"),
            "the model gives no `logits`: its outputs are `linear_1`",
            2,
        ),
        ("a.bitmill", &format!("{digits} -n 0"), "0 is not in 1..", 2),
        ("a.bitmill", "ten.safetensors --next-token --label image", "the labels `image` are of F32", 3),
    ];
    let before = world.files();
    // Where only the first samples are meant, there are more labels than samples.
    assert_eq!(json(&world, "eval a.bitmill -n 1 --data many.safetensors")["labels"]["count"], 1);
    for (recipe, data, says, status) in cases {
        let ran = world
            .run_with(&format!("eval {recipe} --data {data}"), &[("TMPDIR", &world.path("").display().to_string())]);
        assert!(ran.status == Some(status) && ran.all().contains(says), "{recipe} {data}: {}", ran.all());
        assert_eq!(world.files(), before, "{recipe} {data}");
    }
}

/// A signal takes what was written aside with it.
#[cfg(unix)]
#[test]
fn a_signal_leaves_nothing_of_an_evaluation() {
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    let world = World::new().file("a.bitmill", recipe("bytes-lm.mlpackage", "linear => int4 per-group(32)"));
    let mut command = world.command(&["eval", "a.bitmill", "--data", &data("bytes-lm")]);
    command.env("TMPDIR", world.path("")).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let begun = Instant::now();
    let is_there = |path: &Path| path.join("quantized.mlpackage").is_dir();
    while !world.files().iter().any(|name| is_there(&world.path(name))) {
        assert!(begun.elapsed() < Duration::from_secs(60), "nothing is being written");
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(world.files(), ["a.bitmill"]);
}
