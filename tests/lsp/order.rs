//! Messages out of order, wrong ones, and the ends of a connection.

use bitmill::lsp::Ended;
use serde_json::{Value, json};

use super::client::{Client, examples, uri, with_server};

#[test]
fn requests_come_in_the_order_of_the_protocol() {
    let (codes, ended) = with_server(async |client| {
        let mut codes = vec![client.refused("textDocument/hover", json!({})).await];
        client.initialize(json!({})).await;
        codes.push(client.refused("initialize", json!({"capabilities": {}})).await);
        codes.push(client.refused("textDocument/nothing", json!({})).await);
        codes.push(client.refused("textDocument/hover", json!({"textDocument": 7})).await);
        let elsewhere = json!({"textDocument": {"uri": "http://a/b"}, "position": {"line": 0, "character": 0}});
        codes.push(client.refused("textDocument/hover", elsewhere).await);
        client.request("shutdown", Value::Null).await;
        codes.push(client.refused("textDocument/hover", json!({})).await);
        client.notify("exit", Value::Null).await;
        codes
    });
    assert_eq!(codes, [-32002, -32600, -32601, -32602, -32602, -32600]);
    assert_eq!(ended, Ended::Orderly);
}

#[test]
fn leaving_without_a_shutdown_is_told() {
    let (_, ended) = with_server(async |client| client.initialize(json!({})).await);
    assert_eq!(ended, Ended::Abrupt);
    let (_, ended) = with_server(async |client| {
        client.initialize(json!({})).await;
        client.notify("exit", Value::Null).await;
    });
    assert_eq!(ended, Ended::Abrupt);
}

#[test]
fn junk_is_refused_and_the_server_lives_on() {
    with_server(async |client| {
        client.initialize(json!({})).await;
        client.raw(b"\xff\xfe junk\r\n\r\nContent-Length: 3\r\n\r\n{{{").await;
        let answer = client.next().await;
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&Value::Null, &json!(-32700)));
        client.send(json!([1, 2])).await;
        assert_eq!(client.next().await["error"]["code"], -32600);
        client.send(json!({"jsonrpc": "2.0", "id": 9, "method": 5})).await;
        let answer = client.next().await;
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(9), &json!(-32600)));
        // Notifications of things that are not there, and unknown ones.
        client.notify("textDocument/didClose", json!({"textDocument": {"uri": "file:///nowhere"}})).await;
        client.change("file:///nowhere", 3, json!([{"text": "x"}])).await;
        client.notify("$/unknown", json!({})).await;
        client.notify("workspace/didChangeConfiguration", json!({"settings": {"bitmill": {"severity": 3}}})).await;
        client.send(json!({"jsonrpc": "2.0", "id": "none", "result": null})).await;
        assert_eq!(client.request("workspace/symbol", json!({"query": "no such"})).await, json!([]));
    });
}

/// What comes back for a request that something else follows at once, on a text that nothing is known of yet.
async fn overtaken(client: &mut Client, uri: &str, version: i32, next: impl Fn(i64) -> Value) -> Value {
    client.requests += 1;
    let id = client.requests;
    let text = format!("# {version}\n{}", "linear => int8\n".repeat(3_000));
    let document = json!({"uri": uri, "version": version});
    let change = json!({"textDocument": document, "contentChanges": [{"text": text}]});
    let asked = json!({"textDocument": {"uri": uri}});
    client
        .burst(&[
            json!({"jsonrpc": "2.0", "method": "textDocument/didChange", "params": change}),
            json!({"jsonrpc": "2.0", "id": id, "method": "textDocument/documentSymbol", "params": asked}),
            next(id),
        ])
        .await;
    client.answer_to(id).await
}

/// Tries of which one at least must find the request under way.
const TRIES: i32 = 20;

#[test]
fn requests_that_are_cancelled_say_so() {
    with_server(async |client| {
        client.initialize(json!({"textDocument": {"diagnostic": {}}})).await;
        let at = uri(&examples().join("cancelled.bitmill"));
        client.open(&at, "").await;
        let mut cancelled = 0;
        for version in 2..2 + TRIES {
            let cancel = |id| json!({"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": id}});
            let answer = overtaken(client, &at, version, cancel).await;
            assert!(answer["result"].is_array() || answer["error"]["code"] == -32800, "{answer}");
            cancelled += i32::from(answer["error"]["code"] == -32800);
        }
        assert!(cancelled > 0);
    });
}

#[test]
fn requests_about_a_text_that_has_changed_say_so() {
    with_server(async |client| {
        client.initialize(json!({"textDocument": {"diagnostic": {}}})).await;
        let at = uri(&examples().join("changing.bitmill"));
        client.open(&at, "").await;
        let mut moved_on = 0;
        for version in 1..=TRIES {
            let change = json!({
                "textDocument": {"uri": at, "version": 2 * version + 1},
                "contentChanges": [{"text": "linear => int8\n"}],
            });
            let next = |_| json!({"jsonrpc": "2.0", "method": "textDocument/didChange", "params": change});
            let answer = overtaken(client, &at, 2 * version, next).await;
            assert!(answer["result"].is_array() || answer["error"]["code"] == -32801, "{answer}");
            moved_on += i32::from(answer["error"]["code"] == -32801);
            let symbols = client.about("documentSymbol", &at, json!({})).await;
            assert_eq!(symbols.as_array().unwrap().len(), 1);
        }
        assert!(moved_on > 0);
    });
}
