//! Messages out of order, wrong ones, and the ends of a connection.

use bitmill::lsp::Ended;
use serde_json::{Value, json};

use super::client::{examples, uri, with_server};

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

#[test]
fn cancelled_requests_say_so_or_are_answered() {
    with_server(async |client| {
        client.initialize(json!({})).await;
        let text = "linear => int8\n".repeat(2_000);
        let at = uri(&examples().join("cancelled.bitmill"));
        client.open(&at, &text).await;
        for _ in 0..20 {
            let id = client.ask("textDocument/documentSymbol", json!({"textDocument": {"uri": at}})).await;
            client.notify("$/cancelRequest", json!({"id": id})).await;
            let answer = client.answer_to(id).await;
            assert!(answer.get("result").is_some() || answer["error"]["code"] == -32800, "{answer}");
        }
    });
}

#[test]
fn answers_about_a_text_that_has_changed_are_none() {
    with_server(async |client| {
        client.initialize(json!({})).await;
        let at = uri(&examples().join("changing.bitmill"));
        client.open(&at, &"linear => int8\n".repeat(3_000)).await;
        let id = client.ask("textDocument/documentSymbol", json!({"textDocument": {"uri": at}})).await;
        client.change(&at, 2, json!([{"text": "linear => int8\n"}])).await;
        let answer = client.answer_to(id).await;
        assert!(answer["error"]["code"] == -32801 || answer["result"].is_array(), "{answer}");
        let symbols = client.about("documentSymbol", &at, json!({})).await;
        assert_eq!(symbols.as_array().unwrap().len(), 1);
    });
}
