//! What the server does beyond answering.

use std::fs;

use serde_json::{Value, json};

use super::client::{Client, examples, uri, with_server};

async fn execute(client: &mut Client, command: &str, arguments: Value) -> Value {
    client.request("workspace/executeCommand", json!({"command": command, "arguments": arguments})).await
}

#[test]
fn pages_plans_and_recipes_are_texts() {
    with_server(async |client| {
        client.initialize(json!({})).await;
        let at = uri(&examples().join("bytes-lm-int4.bitmill"));
        let plan = execute(client, "bitmill.plan", json!([at])).await;
        assert!(plan.as_str().unwrap().contains("int4 per-group(32) symmetric"), "{plan}");
        let page = execute(client, "bitmill.explain", json!([null, "affine-block-divides"])).await;
        assert!(page.as_str().unwrap().starts_with('#'), "{page}");
        let recipe = execute(client, "bitmill.newRecipe", json!([null, "coreml_fp32"])).await;
        assert!(recipe.as_str().unwrap().contains("extend"), "{recipe}");
        for (command, arguments) in [
            ("bitmill.explain", json!([null, "no-such-word"])),
            ("bitmill.explain", json!([])),
            ("bitmill.newRecipe", json!([null, "no-such-preset"])),
            ("bitmill.plan", json!(["file:///no/such/recipe.bitmill"])),
            ("bitmill.nothing", json!([])),
            ("bitmill.pickModel", json!([at, "no-such-model.safetensors"])),
        ] {
            client.refused("workspace/executeCommand", json!({"command": command, "arguments": arguments})).await;
        }
    });
}

#[test]
fn a_recipe_runs_with_progress_and_replaces_only_what_it_may() {
    let directory = tempfile::tempdir().unwrap();
    let model = examples().join("models/digits.safetensors");
    let recipe = directory.path().join("r.bitmill");
    let text = format!(
        "model \"{}\"\ntarget iOS17\nall => int8 per-channel\nexpect size <= 90%\noutput \"out.safetensors\"\n",
        model.display()
    );
    let output = directory.path().join("out.safetensors");
    with_server(async |client| {
        client.answer = |request| match request["method"].as_str() {
            Some("window/showMessageRequest") => json!({"title": "Keep"}),
            _ => Value::Null,
        };
        client.initialize(json!({"window": {"workDoneProgress": true}})).await;
        let at = uri(&recipe);
        client.open(&at, &text).await;
        let summary = execute(client, "bitmill.run", json!([at])).await;
        let lines: Vec<&str> = summary.as_str().unwrap().lines().collect();
        assert!(lines[0].contains("weights changed"), "{summary}");
        assert_eq!(lines[1], "1 expectation met");
        assert!(lines[2].starts_with("wrote "), "{summary}");
        // Answers and notifications go different ways: the end may come a moment later.
        assert_eq!(client.notified("$/progress").await["value"]["kind"], "begin");
        while client.notified("$/progress").await["value"]["kind"] != "end" {}
        let first = fs::read(&output).unwrap();
        fs::write(&output, "kept").unwrap();
        assert_eq!(execute(client, "bitmill.run", json!([at])).await, Value::Null);
        assert_eq!(fs::read(&output).unwrap(), b"kept");
        client.answer = |request| match request["method"].as_str() {
            Some("window/showMessageRequest") => json!({"title": "Replace"}),
            _ => Value::Null,
        };
        execute(client, "bitmill.run", json!([at])).await;
        assert_eq!(fs::read(&output).unwrap(), first);
    });
}

#[test]
fn a_model_that_is_picked_or_appears_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let recipe = directory.path().join("r.bitmill");
    with_server(async |client| {
        client.initialize(json!({})).await;
        let at = uri(&recipe);
        client.open(&at, "model \"m.safetensors\"\ntarget iOS17\nlinear => int8 per-channel\n").await;
        let published = client.notified("textDocument/publishDiagnostics").await;
        assert!(published["diagnostics"].to_string().contains("model-unreadable"), "{published}");
        fs::copy(examples().join("models/digits.safetensors"), directory.path().join("m.safetensors")).unwrap();
        let published = client.notified("textDocument/publishDiagnostics").await;
        assert!(!published["diagnostics"].to_string().contains("model-unreadable"), "{published}");
        let other = examples().join("models/bytes-lm.safetensors");
        execute(client, "bitmill.pickModel", json!([at, other.display().to_string()])).await;
        let hints = client
            .about(
                "inlayHint",
                &at,
                json!({"range": {
                    "start": {"line": 0, "character": 0}, "end": {"line": 9, "character": 0},
                }}),
            )
            .await;
        assert!(hints.to_string().contains("29 weights"), "{hints}");
    });
}
