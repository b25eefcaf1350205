//! `tune`: what it writes keeps to its budget, checks, and is the same whatever comes between.

use std::path::Path;

use serde_json::Value;

use super::world::{Ran, World};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Few candidates, so that tests are quick.
const OVER: &str = "int8 per-channel, lut6 per-tensor, lut4 per-tensor";

fn recipe(model: &str, rules: &str) -> String {
    format!("model \"{ROOT}/examples/models/{model}\"\ntarget iOS18\n{rules}\n")
}

fn data(name: &str) -> String {
    format!("{ROOT}/examples/models/{name}.safetensors")
}

fn run(world: &World, arguments: &[&str]) -> Ran {
    let mut command = world.command(arguments);
    command.env("XDG_CACHE_HOME", world.path("caches")).env("HOME", world.path("home"));
    Ran::of(command.output().unwrap())
}

fn words(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}", ran.all()))
}

/// The ratio in dB of the outputs that a recipe leaves, and the share of the size that it makes.
fn judged(world: &World, recipe: &str) -> (f64, f64) {
    let data = data("digits-test");
    let told = json(&run(world, &["eval", recipe, "-n", "30", "--json", "--data", &data]));
    let plan = json(&run(world, &["plan", recipe, "--json"]));
    let bytes = |name: &str| plan["totals"][name].as_f64().unwrap_or_else(|| panic!("{plan}"));
    (told["outputs"][0]["sqnr"].as_f64().unwrap(), bytes("bytes_after") / bytes("bytes"))
}

#[test]
fn a_tuned_recipe_beats_a_uniform_one_of_the_same_size() {
    let world = World::new()
        .file("a.bitmill", recipe("digits.pt2", "all => lut4 per-tensor\nexpect size <= 15%"))
        .file("uniform.bitmill", recipe("digits.pt2", "all => lut4 per-tensor"));
    let data = data("digits-test");
    let line = ["tune", "a.bitmill", "--size", "17%", "-n", "30", "--over", OVER, "--data", &data];
    let ran = run(&world, &line);
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""), "{}", ran.all());
    assert!(ran.stdout.contains("`expect size <= 15%` does not hold any more"), "{}", ran.all());
    let checked = run(&world, &["check", "--deny", "warnings", "a.tuned.bitmill"]);
    assert_eq!(checked.status, Some(0), "{}", checked.all());
    let formatted = run(&world, &["fmt", "--check", "a.tuned.bitmill"]);
    assert_eq!(formatted.status, Some(0), "{}", formatted.all());
    let ((tuned, share), (uniform, less)) = (judged(&world, "a.tuned.bitmill"), judged(&world, "uniform.bitmill"));
    assert!(share <= 0.17 && share < less + 0.02 && tuned > uniform + 2.0, "{tuned} {share} {uniform} {less}");
    let text = world.read("a.tuned.bitmill");
    assert!(
        text.contains("expect size <= 17%") && text.contains("Most sensitive") && text.contains("30 samples"),
        "{text}"
    );
    // What is there is not written over, and that is told before anything is measured.
    let again = run(&world, &line);
    assert!(again.status == Some(3) && again.stderr.contains("--force"), "{}", again.all());
    assert_eq!(world.read("a.tuned.bitmill"), text);
}

#[test]
fn the_least_size_keeps_the_ratio() {
    let world = World::new().file("a.bitmill", recipe("digits.pt2", "all => int8 per-channel\n\"head\" => keep"));
    let data = data("digits-test");
    let ran = run(
        &world,
        &["tune", "a.bitmill", "--min-sqnr", "30dB", "-n", "30", "--over", OVER, "--json", "--data", &data],
    );
    let told = json(&ran);
    assert!(told["error"]["written"].as_f64().unwrap() >= 30.0, "{told}");
    assert_eq!((&told["error"]["of"], &told["stays"][0]["weights"][0]), (&"outputs".into(), &"head.weight".into()));
    assert!(told["after"].as_u64() < told["before"].as_u64().map(|bytes| bytes / 2), "{told}");
    assert_eq!(told["recipe"], world.read("a.tuned.bitmill"));
    let (sqnr, _) = judged(&world, "a.tuned.bitmill");
    assert!(sqnr >= 30.0, "{sqnr}");
    // Of weights alone, `expect` measures the same.
    let ran = run(&world, &["tune", "a.bitmill", "--min-sqnr", "35", "--over", OVER, "--force"]);
    assert!(ran.status == Some(0) && world.read("a.tuned.bitmill").contains("expect sqnr >= 35 dB"), "{}", ran.all());
    let done = run(&world, &["run", "a.tuned.bitmill", "-o", "out.mlpackage"]);
    assert!(done.status == Some(0) && done.stdout.contains("1 expectation met"), "{}", done.all());
}

#[test]
fn the_same_comes_out_on_any_number_of_threads_and_after_any_past() {
    let world = World::new().file("a.bitmill", recipe("digits.pt2", "all => int8 per-channel"));
    let data = data("digits-calibration");
    let begin = ["tune", "a.bitmill", "--budget", "5bpw", "-n", "24", "--over", OVER, "--json", "--data", &data];
    let of = |output: &str, results: &str, threads: &str, more: &[&str]| {
        let arguments = [&begin[..], &["-o", output, "--resume", results], more].concat();
        let mut command = world.command(&arguments);
        let ran = Ran::of(command.env("RAYON_NUM_THREADS", threads).output().unwrap());
        assert_eq!(ran.status, Some(0), "{}", ran.all());
        let told = json(&ran);
        (told["known"].as_u64().unwrap(), told["results"].as_u64().unwrap(), ran.stderr)
    };
    let (known, all, _) = of("one.bitmill", "one.json", "1", &[]);
    assert!(known == 0 && all > 30, "{known} {all}");
    assert_eq!(of("two.bitmill", "two.json", "2", &[]).0, 0);
    assert_eq!(world.read("one.bitmill"), world.read("two.bitmill"));
    // What is known is not measured again, unless that is asked for.
    assert_eq!(of("known.bitmill", "one.json", "2", &[]), (all, all, String::new()));
    assert_eq!(of("known.bitmill", "one.json", "2", &["--fresh", "--force"]).0, 0);
    // What is damaged, or about something else, is told and not taken.
    let results = world.read("two.json");
    std::fs::write(world.path("half.json"), &results[..results.len() / 2]).unwrap();
    let (known, _, told) = of("half.bitmill", "half.json", "2", &[]);
    assert!(known == 0 && told.contains("half.json: is damaged; everything is measured anew"), "{told}");
    let (known, _, told) =
        of("other.bitmill", "one.json", "2", &["--model", &format!("{ROOT}/tests/data/pt2/digits-batched.pt2")]);
    assert!(known == 0 && told.contains("of another model"), "{told}");
    for name in ["known", "half"] {
        assert_eq!(world.read(&format!("{name}.bitmill")), world.read("one.bitmill"), "{name}");
    }
}

#[cfg(unix)]
#[test]
fn what_is_interrupted_goes_on_where_it_was() {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;
    use std::process::Stdio;
    use std::time::{Duration, Instant};

    let world = World::new().file("a.bitmill", recipe("bytes-lm.safetensors", ""));
    let line = words("tune a.bitmill --budget 5bpw --resume results.json");
    let mut command = world.command(&line);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    while !world.path("results.json").exists() && begun.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(20));
    }
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGINT).unwrap();
    let ran = Ran::of(child.wait_with_output().unwrap());
    // A quick machine may have been done before the first results were written.
    if ran.status == Some(0) {
        return;
    }
    assert_eq!(ran.status, Some(130), "{}", ran.all());
    assert!(ran.stderr.contains("interrupted; ") && ran.stderr.contains(" kept in results.json"), "{}", ran.all());
    assert_eq!(world.files(), ["a.bitmill", "results.json"]);
    let again = run(&world, &[&line[..], &["--json", "-o", "-"]].concat());
    let told = json(&again);
    let (known, all) = (told["known"].as_u64().unwrap(), told["results"].as_u64().unwrap());
    assert!(0 < known && known < all && again.stderr.is_empty(), "{known} of {all}: {}", again.stderr);
}

#[test]
fn budgets_that_cannot_be_met_are_told_with_the_nearest() {
    let world = World::new()
        .file("a.bitmill", recipe("digits.pt2", "all => int8 per-channel"))
        .file("kept.bitmill", recipe("digits.pt2", "all => keep"))
        .file(
            "static.bitmill",
            recipe(
                "digits.pt2",
                &format!("calibrate \"{}\"\nall => int8 per-channel, activations uint8", data("digits-calibration")),
            )
            .replace("iOS18", "iOS17"),
        )
        .file("wrong.bitmill", recipe("digits.pt2", "all => int9"))
        .file("checkpoint.bitmill", recipe("digits.safetensors", "all => int8 per-channel"))
        .file("results.json", "my own");
    let digits = data("digits-test");
    let cases: &[(&[&str], i32, &str)] = &[
        (&["a.bitmill", "--budget", "3bpw", "--over", "lut4 per-tensor"], 1, "with the smallest candidates it is "),
        (&["a.bitmill", "--size", "100B", "--over", "lut4 per-tensor"], 1, "the budget of at most 100 B cannot be met"),
        (&["static.bitmill", "--min-sqnr", "200"], 1, "with the best candidates it is "),
        (&["kept.bitmill", "--budget", "4bpw"], 2, "stays because the recipe keeps it"),
        (&["wrong.bitmill", "--budget", "4bpw"], 1, "int9"),
        (&["a.bitmill", "--budget", "4bpw", "--over", "int8 per-channel, int9"], 2, "`int9` is no scheme"),
        (&["a.bitmill"], 2, "--budget"),
        (&["a.bitmill", "--budget", "4bpw", "--size", "3%"], 2, "cannot be used with"),
        (&["a.bitmill", "--budget", "four"], 2, "bits per weight are meant"),
        (&["a.bitmill", "--size", "30dB"], 2, "a size is meant"),
        (&["a.bitmill", "--budget", "4bpw", "-n", "3"], 2, "--data"),
        (&["checkpoint.bitmill", "--budget", "4bpw", "--data", &digits], 2, "a checkpoint holds no program"),
        (&["a.bitmill", "--budget", "4bpw", "--data", "none.safetensors"], 3, "none.safetensors"),
        (&["a.bitmill", "--budget", "4bpw", "--resume", "results.json"], 2, "is no file of results"),
        (&["-", "--budget", "4bpw"], 2, "--output"),
        (&["a.bitmill", "--budget", "4bpw", "-o", "a.bitmill", "--force"], 3, "a.bitmill"),
    ];
    let before = world.files();
    for (arguments, status, told) in cases {
        let ran = run(&world, &[&["tune"], *arguments].concat());
        assert!(ran.status == Some(*status) && ran.all().contains(told), "{arguments:?}: {}", ran.all());
    }
    let own = |name: &String| name != "caches" && name != "home";
    assert_eq!(world.files().into_iter().filter(own).collect::<Vec<_>>(), before);
    assert_eq!(world.read("results.json"), "my own");
}

#[test]
fn settings_of_imports_hold_and_paths_count_from_the_output() {
    let world = World::new()
        .file("base/target.bitmill", "target macOS15, iOS18\nthreshold 300\noutput \"out.mlpackage\"\n")
        .file("recipes/a.bitmill", "import \"../base/target.bitmill\"\nscheme small = lut4 per-tensor\nmodel \"../digits.pt2\"\nall => small\n\"body.*\" => small\nexpect \"head\" => small\nexpect every linear quantized\n")
        .model("digits.pt2");
    std::fs::create_dir(world.path("tuned")).unwrap();
    let line =
        ["tune", "recipes/a.bitmill", "--budget", "5bpw", "--over", "small, int8 per-channel", "-o", "tuned/b.bitmill"];
    let ran = run(&world, &line);
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""), "{}", ran.all());
    let text = world.read("tuned/b.bitmill");
    for line in
        ["\"../digits.pt2\"", "macOS15, iOS18", "300", "\"../base/out.mlpackage\"", "expect every linear quantized"]
    {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(ran.stdout.contains("it has no more elements than the threshold"), "{}", ran.all());
    let checked = run(&world, &["check", "--deny", "warnings", "tuned/b.bitmill"]);
    assert_eq!(checked.status, Some(0), "{}", checked.all());
    // To standard output it is the recipe and nothing else, with paths from here.
    let shown = run(&world, &[&line[..6], &["-o", "-"]].concat());
    assert!(shown.stdout.starts_with("# a.bitmill, tuned for at most 5 bits per weight:\n"), "{}", shown.all());
    assert!(shown.stdout.contains("\"digits.pt2\""), "{}", shown.all());
}

/// Activations are as the recipe has them, and operators without weights too.
#[test]
fn activations_stay_as_they_are() {
    let text = std::fs::read_to_string(format!("{ROOT}/examples/digits-static.bitmill")).unwrap();
    let text = text.replace("models/", &format!("{ROOT}/examples/models/"));
    let world = World::new().file("static.bitmill", &text);
    let ran = run(&world, &["tune", "static.bitmill", "--size", "30%"]);
    assert_eq!(ran.status, Some(0), "{}", ran.all());
    let checked = run(&world, &["check", "--deny", "warnings", "static.tuned.bitmill"]);
    assert_eq!(checked.status, Some(0), "{}", checked.all());
    let of = |recipe: &str| {
        let planned = run(&world, &["plan", recipe]).stdout;
        planned.lines().find(|line| line.starts_with("activations")).map(str::to_owned)
    };
    assert!(of("static.bitmill").is_some_and(|line| Some(line) == of("static.tuned.bitmill")));
    assert!(Path::new(&world.path("static.tuned.bitmill")).is_file());
}
