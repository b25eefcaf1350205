//! That the validator refuses what it should, and takes what it should.

use serde_json::{Value, json};

use super::{Schema, Watch};

/// What is wrong with an answer to a request of a method.
fn answer(method: &str, result: Value) -> String {
    let mut watch = Watch::default();
    watch.sent(&json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": {}}));
    let said = watch.received(&json!({"jsonrpc": "2.0", "id": 1, "result": result}));
    said.err().map(|why| why.to_string()).unwrap_or_default()
}

fn said(message: Value) -> String {
    Watch::default().received(&message).err().map(|why| why.to_string()).unwrap_or_default()
}

#[test]
fn what_is_right_is_taken() {
    let range = json!({"start": {"line": 0, "character": 0}, "end": {"line": 2_147_483_647, "character": 1}});
    for (method, result) in [
        ("textDocument/hover", Value::Null),
        ("textDocument/hover", json!({"contents": {"kind": "markdown", "value": "x"}, "range": range})),
        ("textDocument/hover", json!({"contents": ["a", {"language": "c", "value": "x"}]})),
        (
            "textDocument/signatureHelp",
            json!({"signatures": [{"label": "f(x)",
            "parameters": [{"label": [2, 3]}]}], "activeParameter": null}),
        ),
        (
            "textDocument/rename",
            json!({"documentChanges": [
            {"textDocument": {"uri": "file:///a", "version": null}, "edits": [{"range": range, "newText": ""}]}]}),
        ),
        (
            "textDocument/codeAction",
            json!([{"title": "t", "kind": "source.own.kind", "command":
            {"title": "t", "command": "c", "arguments": [{"any": null}]}}]),
        ),
        ("textDocument/diagnostic", json!({"kind": "unchanged", "resultId": "1"})),
        ("workspace/executeCommand", json!({"what": ["it", "likes", null, 1.5]})),
        ("shutdown", Value::Null),
    ] {
        assert_eq!(answer(method, result), "", "{method}");
    }
}

#[test]
fn what_is_wrong_is_refused() {
    let range = json!({"start": {"line": 0, "character": 0}, "end": {"line": 1, "character": 1}});
    let at = |start: Value| json!([{"range": {"start": start, "end": {"line": 1, "character": 1}}}]);
    let faults = [
        answer("textDocument/hover", json!({"contents": "x", "range": null})),
        answer("textDocument/hover", json!({"contents": {"kind": "html", "value": "x"}})),
        answer("textDocument/hover", json!({"contents": "x", "more": 1})),
        answer("textDocument/hover", json!({"range": range})),
        answer("textDocument/documentHighlight", at(json!({"line": -1, "character": 0}))),
        answer("textDocument/documentHighlight", at(json!({"line": 1.0, "character": 0}))),
        answer("textDocument/documentHighlight", at(json!({"line": 2_147_483_648_u32, "character": 0}))),
        answer("textDocument/documentHighlight", at(json!({"line": "1", "character": 0}))),
        answer("textDocument/documentHighlight", at(json!({"line": 1}))),
        answer("textDocument/documentHighlight", json!([{"range": range, "kind": 4}])),
        answer("textDocument/documentHighlight", json!({"0": {"range": range}})),
        answer("textDocument/signatureHelp", json!({"signatures": [{"label": "f", "parameters": [{"label": [1]}]}]})),
        answer("textDocument/rename", json!({"changes": {"no address": []}})),
        answer(
            "textDocument/rename",
            json!({"documentChanges": [{"textDocument": {"uri": "file:///a"},
            "edits": []}]}),
        ),
        answer("textDocument/diagnostic", json!({"kind": "full", "resultId": "1"})),
        answer("textDocument/diagnostic", json!({"kind": "full", "items": [], "resultId": null})),
        answer("textDocument/completion", json!([{"label": "a", "insertTextFormat": 3}])),
        answer("initialize", json!({"capabilities": {"hoverProvider": null}})),
        answer("initialize", json!({"capabilities": {"bitmillProvider": true}})),
        answer("shutdown", json!({})),
        answer("textDocument/nothing", json!(null)),
        said(json!({"jsonrpc": "2.0", "id": 7, "result": null})),
        said(json!({"jsonrpc": "2.0", "id": null, "error": {"code": 1.5, "message": ""}})),
        said(json!({"jsonrpc": "2.0", "id": null, "error": {"code": 1, "message": "", "data": null}})),
        said(json!({"jsonrpc": "2.0", "id": null, "result": null, "error": {"code": 1, "message": ""}})),
        said(json!({"id": null, "error": {"code": 1, "message": ""}})),
        said(json!({"jsonrpc": "2.0", "method": "window/logMessage", "params": {"type": 9, "message": ""}})),
        said(json!({"jsonrpc": "2.0", "method": "window/logMessage"})),
        said(json!({"jsonrpc": "2.0", "method": "textDocument/didOpen", "params": {}})),
        said(json!({"jsonrpc": "2.0", "method": "bitmill/own", "params": {}})),
        said(json!({"jsonrpc": "2.0", "method": "$/progress", "params": {"token": 1, "value": {"kind": "begin"}}})),
        said(json!({"jsonrpc": "2.0", "method": "$/progress", "params": {"token": 1, "value": []}})),
        said(json!({"jsonrpc": "2.0", "id": 1, "method": "client/registerCapability", "params": {"registrations":
            [{"id": "1", "method": "workspace/didChangeWatchedFiles",
              "registerOptions": {"watchers": [{"globPattern": "*", "kind": null}]}}]}})),
    ];
    insta::assert_snapshot!(faults.join("\n"));
}

#[test]
fn parts_are_of_the_answer_that_they_belong_to() {
    let mut watch = Watch::default();
    watch.sent(&json!({"id": 1, "method": "textDocument/references", "params": {"partialResultToken": "t"}}));
    let part =
        |value: Value| json!({"jsonrpc": "2.0", "method": "$/progress", "params": {"token": "t", "value": value}});
    assert!(watch.received(&part(json!([]))).is_ok());
    assert!(watch.received(&part(json!({"kind": "end"}))).is_err());
    assert!(watch.received(&part(json!([{"uri": "file:///a"}]))).is_err());
}

#[test]
fn the_meta_model_is_whole() {
    let schema = Schema::get();
    assert!(schema.requests.len() > 60 && schema.notifications.len() > 20 && schema.structures.len() > 250);
}
