//! Clients that lie or do not care, and files that change while they are read.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::client::{Client, examples, uri, with_server};

fn position(line: u32, character: u32) -> Value {
    json!({"line": line, "character": character})
}

fn range(start: (u32, u32), end: (u32, u32)) -> Value {
    json!({"start": position(start.0, start.1), "end": position(end.0, end.1)})
}

/// The names of a recipe's statements, as the server has them.
async fn names(client: &mut Client, at: &str) -> Vec<String> {
    let symbols = client.about("documentSymbol", at, json!({})).await;
    symbols.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_string()).collect()
}

/// The codes of the findings of a document.
async fn codes(client: &mut Client, at: &str) -> Vec<String> {
    let report = client.about("diagnostic", at, json!({})).await;
    let items = report["items"].as_array().unwrap();
    items.iter().map(|one| one["code"].as_str().unwrap().to_string()).collect()
}

#[test]
fn versions_that_go_backwards_repeat_or_lack_change_nothing() {
    with_server(async |client| {
        client.initialize(json!({})).await;
        let at = uri(&examples().join("versions.bitmill"));
        client.open(&at, "linear => int8\n").await;
        for (version, name) in [(9, "conv"), (3, "embedding"), (3, "all"), (i32::MIN, "linear"), (i32::MAX, "lstm")] {
            client.change(&at, version, json!([{"text": format!("{name} => int8\n")}])).await;
            assert_eq!(names(client, &at).await, [name]);
        }
        for document in [json!({"uri": at}), json!({"uri": at, "version": null}), json!({"uri": at, "version": "7"})] {
            let changes = json!([{"range": range((0, 0), (0, 0)), "text": "all => keep\n"}]);
            client.notify("textDocument/didChange", json!({"textDocument": document, "contentChanges": changes})).await;
        }
        assert_eq!(names(client, &at).await, ["all", "all", "all", "lstm"]);
        // The findings that come last are those of the last text.
        client.change(&at, 4, json!([{"text": "linar => int8\n"}])).await;
        while client.notified("textDocument/publishDiagnostics").await["version"] != 4 {}
        // Opened without a version, and twice.
        let document = json!({"uri": at, "languageId": "bitmill", "text": "conv => int8\n"});
        client.notify("textDocument/didOpen", json!({"textDocument": document})).await;
        assert_eq!(names(client, &at).await, ["conv"]);
    });
}

#[test]
fn columns_within_a_character_are_those_of_its_beginning() {
    with_server(async |client| {
        client.initialize(json!({})).await;
        let at = uri(&examples().join("within.bitmill"));
        client.open(&at, "\"\u{1F9EE}\" => int8\n").await;
        // Column 2 is the second half of a pair.
        client.change(&at, 2, json!([{"range": range((0, 2), (0, 2)), "text": "a"}])).await;
        assert_eq!(names(client, &at).await, ["\"a\u{1F9EE}\""]);
        client.change(&at, 3, json!([{"range": range((0, 3), (0, 4)), "text": "b"}])).await;
        let after = names(client, &at).await;
        assert_eq!(after.len(), 1, "{after:?}");
        for method in ["hover", "completion", "definition", "documentHighlight", "signatureHelp"] {
            client.about(method, &at, json!({"position": position(0, 3)})).await;
        }
    });
    for encoding in ["utf-8", "utf-32"] {
        with_server(async |client| {
            client.initialize(json!({"general": {"positionEncodings": [encoding]}})).await;
            let at = uri(&examples().join("within.bitmill"));
            client.open(&at, "\"\u{1F9EE}\u{4E2D}\" => int8\n").await;
            for column in 0..12 {
                let changes = json!([{"range": range((0, column), (0, column)), "text": ""}]);
                client.change(&at, 2 + column as i32, changes).await;
            }
            assert_eq!(names(client, &at).await, ["\"\u{1F9EE}\u{4E2D}\""]);
        });
    }
}

#[test]
fn a_recipe_of_50_mb_is_read_as_far_as_recipes_go() {
    with_server(async |client| {
        client.initialize(json!({"textDocument": {"diagnostic": {}}})).await;
        let at = uri(&examples().join("huge.bitmill"));
        let line = "linear => int4 per-group(32)\n";
        let text = line.repeat((50 << 20) / line.len());
        let begun = Instant::now();
        client.open(&at, &text).await;
        let report = client.about("diagnostic", &at, json!({})).await;
        let items = report["items"].as_array().unwrap();
        assert!(items.iter().any(|one| one["message"].as_str().unwrap().contains("read")), "it says so");
        assert!(items.len() <= 2_000 && items.iter().any(|one| one["message"].as_str().unwrap().contains("not shown")));
        for version in 2..4 {
            let far = (2_000_000_000, 0);
            let changes =
                json!([{"range": range((0, 0), (0, 6)), "text": "conv"}, {"range": range(far, far), "text": "#"}]);
            client.change(&at, version, changes).await;
        }
        client.about("hover", &at, json!({"position": position(0, 2)})).await;
        client.about("completion", &at, json!({"position": position(1_000_000, 2)})).await;
        client.about("foldingRange", &at, json!({})).await;
        // Without optimisation, on a machine that does other things as well.
        assert!(begun.elapsed() < Duration::from_secs(500), "{:?}", begun.elapsed());
        // Whatever came of it, another document is served at once.
        let other = uri(&examples().join("small.bitmill"));
        client.open(&other, "linear => int8\n").await;
        let begun = Instant::now();
        assert_eq!(names(client, &other).await, ["linear"]);
        assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    });
}

#[cfg(unix)]
#[test]
fn imports_and_directories_that_lead_back_end() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    fs::write(root.join("a.bitmill"), "import \"loop/b.bitmill\"\nlinear => w4\n").unwrap();
    fs::write(root.join("b.bitmill"), "import \"loop/loop/a.bitmill\"\nscheme w4 = int4 per-group(32)\n").unwrap();
    std::os::unix::fs::symlink(root, root.join("loop")).unwrap();
    std::os::unix::fs::symlink("self.bitmill", root.join("self.bitmill")).unwrap();
    // Each goes one link deeper than the file that imports it.
    fs::write(root.join("deep.bitmill"), "import \"loop/deep.bitmill\"\nimport \"self.bitmill\"\n").unwrap();
    with_server(async |client| {
        let folder = json!([{"uri": uri(root), "name": "loops"}]);
        let capabilities = json!({"textDocument": {"diagnostic": {}}});
        let params =
            json!({"processId": null, "rootUri": null, "capabilities": capabilities, "workspaceFolders": folder});
        client.request("initialize", params).await;
        client.notify("initialized", json!({})).await;
        for (name, code) in [("a", "import-cycle"), ("b", "import-cycle"), ("deep", "import-cycle"), ("self", "")] {
            let at = uri(&root.join(format!("{name}.bitmill")));
            if name != "self" {
                client.open(&at, &fs::read_to_string(root.join(format!("{name}.bitmill"))).unwrap()).await;
                assert!(codes(client, &at).await.contains(&code.to_string()), "{name}");
                client.about("documentLink", &at, json!({})).await;
            } else {
                client.refused("textDocument/documentSymbol", json!({"textDocument": {"uri": at}})).await;
            }
        }
        let all = client.request("workspace/diagnostic", json!({"previousResultIds": []})).await;
        assert_eq!(all["items"].as_array().unwrap().len(), 3, "each file once, links not followed");
        let symbols = client.request("workspace/symbol", json!({"query": "w4"})).await;
        assert!(symbols.as_array().unwrap().iter().any(|one| one["name"] == "w4"), "{symbols}");
    });
}

#[test]
fn a_thousand_documents_are_edited_and_closed() {
    with_server(async |client| {
        client.initialize(json!({})).await;
        let at = |number: usize| uri(&examples().join(format!("many-{number}.bitmill")));
        for number in 0..1_000 {
            client.open(&at(number), "linar => int8\n").await;
        }
        for number in 0..1_000 {
            client.change(&at(number), 2, json!([{"range": range((0, 3), (0, 3)), "text": "e"}])).await;
        }
        let begun = Instant::now();
        assert_eq!(names(client, &at(999)).await, ["linear"]);
        assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
        for number in 0..1_000 {
            let params = json!({"textDocument": {"uri": at(number)}});
            client.notify("textDocument/didClose", params).await;
        }
        // What was closed is forgotten before anything else is told.
        let marker = uri(&examples().join("marker.bitmill"));
        client.open(&marker, "linar => int8\n").await;
        let mut told = std::collections::HashMap::new();
        while !told.contains_key(&json!(marker)) {
            let published = client.notified("textDocument/publishDiagnostics").await;
            told.insert(published["uri"].clone(), published["diagnostics"].clone());
        }
        told.remove(&json!(marker));
        assert!(told.values().all(|findings| *findings == json!([])), "{told:?}");
    });
}

/// Says that a file has changed, as a client that watches does.
async fn changed(client: &mut Client, path: &Path) {
    let changes = json!([{"uri": uri(path), "type": 2}]);
    client.notify("workspace/didChangeWatchedFiles", json!({"changes": changes})).await;
}

#[test]
fn a_model_that_is_being_written_is_read_when_it_is_whole() {
    let directory = tempfile::tempdir().unwrap();
    let (recipe, model) = (directory.path().join("r.bitmill"), directory.path().join("m.safetensors"));
    let whole = fs::read(examples().join("models/digits.safetensors")).unwrap();
    with_server(async |client| {
        client.initialize(json!({"textDocument": {"diagnostic": {}}})).await;
        let at = uri(&recipe);
        client.open(&at, "model \"m.safetensors\"\ntarget iOS17\nlinear => int8 per-channel\n").await;
        let steps = 40;
        for step in 0..=steps {
            let length = if step < 10 { step * 3 } else { whole.len() * step / steps };
            fs::write(&model, &whole[..length]).unwrap();
            changed(client, &model).await;
            let found = codes(client, &at).await;
            let is_unreadable = found.iter().any(|code| code == "model-unreadable");
            assert_eq!(is_unreadable, length < whole.len(), "{length} of {} bytes: {found:?}", whole.len());
            let everything = json!({"range": range((0, 0), (9, 0))});
            client.about("inlayHint", &at, everything).await;
        }
        // Written in place, without a word to the server, and longer and shorter than it says.
        fs::write(&model, [&whole[..], b"more"].concat()).unwrap();
        changed(client, &model).await;
        codes(client, &at).await;
        fs::write(&model, &whole).unwrap();
        changed(client, &model).await;
        assert!(!codes(client, &at).await.contains(&"model-unreadable".to_string()));
    });
}

#[test]
fn a_model_may_be_gone_at_any_moment() {
    let directory = tempfile::tempdir().unwrap();
    let (recipe, model) = (directory.path().join("r.bitmill"), directory.path().join("sharded"));
    let whole = fs::read(examples().join("models/digits.safetensors")).unwrap();
    with_server(async |client| {
        client.initialize(json!({"textDocument": {"diagnostic": {}}})).await;
        let at = uri(&recipe);
        client.open(&at, "model \"sharded\"\ntarget iOS17\nlinear => int8 per-channel\n").await;
        let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let writer = {
            let (stop, model) = (stop.clone(), model.clone());
            std::thread::spawn(move || {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    fs::create_dir_all(&model).unwrap();
                    fs::write(model.join("model.safetensors"), &whole).unwrap();
                    std::thread::yield_now();
                    fs::remove_dir_all(&model).unwrap();
                }
                fs::create_dir_all(&model).unwrap();
                fs::write(model.join("model.safetensors"), &whole).unwrap();
            })
        };
        for _ in 0..150 {
            changed(client, &model).await;
            codes(client, &at).await;
            client.about("completion", &at, json!({"position": position(2, 3)})).await;
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        writer.join().unwrap();
        changed(client, &model.join("model.safetensors")).await;
        changed(client, &model).await;
        assert!(!codes(client, &at).await.contains(&"model-unreadable".to_string()));
    });
}
