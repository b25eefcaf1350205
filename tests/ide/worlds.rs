//! Open documents over files, and what is analysed anew when.

use std::fs;
use std::sync::Arc;

use bitmill::ide::{Analysis, Cancel, Cancelled, ModelState, Settings, Unavailable, Workspace};
use bitmill::model::Model;
use bitmill::plan::Decisions;
use bitmill::recipe::FileId;

use crate::support::{MODEL, path};

fn analysis(workspace: &Workspace, name: &str) -> Arc<Analysis> {
    workspace.world().analysis(&path(name), &Cancel::default()).unwrap()
}

#[test]
fn what_is_open_counts_and_what_no_change_concerns_stays() {
    let mut workspace = Workspace::new();
    workspace.open(&path("a.bitmill"), "import \"b.bitmill\"\nlinear => int8\n");
    workspace.open(&path("c.bitmill"), "linear => int8\n");
    let (a, c) = (analysis(&workspace, "a.bitmill"), analysis(&workspace, "c.bitmill"));
    assert_eq!(a.recipe().sources.len(), 1, "there is no b yet");
    workspace.open(&path("b.bitmill"), "conv => int8\n");
    assert_eq!(analysis(&workspace, "a.bitmill").recipe().rules.len(), 2);
    assert_eq!(analysis(&workspace, "a.bitmill").path_of(FileId(1)), path("b.bitmill"));
    assert!(Arc::ptr_eq(&c, &analysis(&workspace, "c.bitmill")));
    workspace.close(&path("b.bitmill"));
    assert_eq!(analysis(&workspace, "a.bitmill").recipe().rules.len(), 1);
    workspace.refresh();
    assert!(!Arc::ptr_eq(&c, &analysis(&workspace, "c.bitmill")));
}

#[test]
fn a_world_does_not_move_on() {
    let mut workspace = Workspace::new();
    workspace.open(&path("a.bitmill"), "linear => int8\n");
    let world = workspace.world();
    workspace.open(&path("a.bitmill"), "conv => int8\n");
    assert_eq!(world.text(&path("a.bitmill")).as_deref(), Some("linear => int8\n"));
    assert_eq!(workspace.world().text(&path("a.bitmill")).as_deref(), Some("conv => int8\n"));
    assert!(world.revision() < workspace.world().revision());
}

#[test]
fn nobody_waits_for_what_is_cancelled() {
    let mut workspace = Workspace::new();
    workspace.open(&path("a.bitmill"), "linear => int8\n");
    let cancel = Cancel::default();
    cancel.cancel();
    let world = workspace.world();
    assert!(matches!(world.analysis(&path("a.bitmill"), &cancel), Err(Unavailable::Cancelled(Cancelled))));
    assert_eq!(world.analyse(&path("a.bitmill"), "", &cancel).unwrap_err(), Cancelled);
    assert!(matches!(world.analysis(&path("missing.bitmill"), &Cancel::default()), Err(Unavailable::Unreadable(_))));
}

#[test]
fn models_are_named_chosen_searched_for_or_the_default() {
    let mut workspace = Workspace::new();
    for name in ["m", "other", "lib/found"] {
        workspace.give_model(&path(name), Model::listing(MODEL).unwrap());
    }
    workspace.open(&path("named.bitmill"), "model \"m\"\n");
    workspace.open(&path("elsewhere.bitmill"), "model \"found\"\n");
    workspace.open(&path("none.bitmill"), "linear => int8\n");
    let is_open = |workspace: &Workspace, name: &str| analysis(workspace, name).model_state().open().is_some();
    assert!(is_open(&workspace, "named.bitmill"));
    assert!(matches!(analysis(&workspace, "elsewhere.bitmill").model_state(), ModelState::Unreadable { .. }));
    assert!(matches!(analysis(&workspace, "none.bitmill").model_state(), ModelState::None));
    workspace.configure(Settings {
        model_paths: vec![path("lib")],
        default_model: Some(path("m")),
        models: [(path("named.bitmill"), path("gone"))].into(),
        ..Settings::default()
    });
    assert!(!is_open(&workspace, "named.bitmill"), "what is chosen counts, even where it is not there");
    assert!(is_open(&workspace, "elsewhere.bitmill") && is_open(&workspace, "none.bitmill"));
}

#[test]
fn files_are_read_and_changes_of_them_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let (recipe, base) = (directory.path().join("a.bitmill"), directory.path().join("base.bitmill"));
    fs::write(&recipe, "import \"base.bitmill\"\nmodel \"w.safetensors\"\n").unwrap();
    fs::write(&base, "linear => int8\n").unwrap();
    fs::create_dir(directory.path().join(".git")).unwrap();
    fs::write(directory.path().join(".git/hidden.bitmill"), "").unwrap();
    let mut workspace = Workspace::new();
    workspace.set_folders(vec![directory.path().to_owned()]);
    assert_eq!(workspace.world().recipes(), [recipe.clone(), base.clone()]);
    let rules = |workspace: &Workspace| {
        let analysis = workspace.world().analysis(&recipe, &Cancel::default()).unwrap();
        (analysis.recipe().rules.len(), analysis.model_state().open().is_some())
    };
    assert_eq!(rules(&workspace), (1, false));
    fs::write(&base, "linear => int8\nconv => int8\n").unwrap();
    workspace.changed_on_disk(std::slice::from_ref(&base));
    assert_eq!(rules(&workspace), (2, false));
    let model = directory.path().join("w.safetensors");
    let header = br#"{"a.weight":{"dtype":"F16","shape":[2,2],"data_offsets":[0,8]}}"#;
    let length = header.len() as u64;
    fs::write(&model, [&length.to_le_bytes()[..], &header[..], &[0; 8]].concat()).unwrap();
    workspace.changed_on_disk(&[model]);
    assert_eq!(rules(&workspace), (2, true));
    workspace.open(&base, "");
    assert_eq!(rules(&workspace), (0, true));
}

#[test]
fn answers_go_to_any_thread() {
    fn is_shared<T: Send + Sync>() {}
    is_shared::<Analysis>();
    is_shared::<bitmill::ide::World>();
    let mut workspace = Workspace::new();
    workspace.open(&path("a.bitmill"), "linear => int8\n");
    let world = workspace.world();
    let asked = |_| {
        let world = world.clone();
        std::thread::spawn(move || world.analysis(&path("a.bitmill"), &Cancel::default()).unwrap())
    };
    let threads: Vec<_> = (0..8).map(asked).collect();
    let all: Vec<Arc<Analysis>> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert!(all.iter().all(|one| Arc::ptr_eq(one, &all[0])), "whoever asks first makes it, the others wait");
}

#[test]
fn many_rules_are_planned_as_few_are() {
    use std::fmt::Write;
    let mut workspace = Workspace::new();
    workspace.give_model(&path("m"), Model::listing(MODEL).unwrap());
    let mut text = String::from("model \"m\"\ntarget iOS18\n");
    for layer in 0..100 {
        _ = writeln!(text, "\"layers.{}.*\" => int8\nlinear where layer == {} => int4", layer % 5, layer % 3);
    }
    for _ in 0..3 {
        text.push_str("\"*.q_proj\" or embedding => lut4\n");
        workspace.open(&path("r.bitmill"), text.as_str());
        let analysis = analysis(&workspace, "r.bitmill");
        let (model, plan) = analysis.planned().unwrap();
        let tried = model.weights.iter().map(|weight| bitmill::plan::decide(analysis.recipe(), weight));
        assert_eq!(plan.decisions, tried.collect::<Decisions>());
        assert_eq!(*plan, bitmill::plan::plan(analysis.recipe(), model));
    }
}

#[test]
fn plans_made_after_one_another_are_those_made_alone() {
    const LARGE: &str = "
embed.weight embedding 512x64 fp32
layers.{0..199}.attn.q_proj.weight 64x64 fp32
layers.{0..199}.mlp.up.weight 96x64 fp16
layers.{0..199}.mlp.up.bias 96 fp32
layers.{0..199}.norm.weight norm 64
";
    const LINES: [&str; 12] = [
        "all => int8 per-channel",
        "linear => int4 per-group(32)",
        "\"layers.1*.mlp.up\" => lut4",
        "\"layers.{0..99}.attn.q_proj\" => int4 per-group(48)",
        "linear where layer == 150 => keep",
        "\"*.bias\" => int8",
        "embedding => lut8 vector(7)",
        "linear where layer > 120 => in",
        "/.*[13]\\.mlp.up/ => sparse 50%",
        "threshold 5000",
        "precision fp16",
        "not linear => int8",
    ];
    let mut workspace = Workspace::new();
    workspace.give_model(&path("m"), Model::listing(LARGE).unwrap());
    let mut lines: Vec<&str> = LINES[..4].to_vec();
    let mut random = 1u64;
    let mut below = |limit: usize| {
        random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (random >> 33) as usize % limit
    };
    for _ in 0..150 {
        let line = LINES[below(LINES.len())];
        match below(3) {
            0 if lines.len() > 1 => _ = lines.remove(below(lines.len())),
            1 if !lines.is_empty() => {
                let at = below(lines.len());
                lines[at] = line;
            }
            _ => lines.insert(below(lines.len() + 1), line),
        }
        workspace.open(&path("r.bitmill"), format!("model \"m\"\ntarget iOS18\n{}\n", lines.join("\n")));
        let analysis = analysis(&workspace, "r.bitmill");
        let (model, plan) = analysis.planned().unwrap();
        let tried = model.weights.iter().map(|weight| bitmill::plan::decide(analysis.recipe(), weight));
        assert_eq!(plan.decisions, tried.collect::<Decisions>(), "{lines:#?}");
        assert_eq!(*plan, bitmill::plan::plan(analysis.recipe(), model), "{lines:#?}");
    }
}
