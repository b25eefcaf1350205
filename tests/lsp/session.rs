//! One whole session: everything that an editor asks about a recipe.

use serde_json::{Value, json};

use super::client::{Client, examples, uri, with_server};

const RECIPE: &str = "\
# \u{1F9EE}
model  \"models/bytes-lm.safetensors\"
target iOS18

scheme w4 = int4 per-group(48)

linear                 => w4
\"*.mlp.down_proj\"      => int8
embeding or \"lm_head\" => int8 per-channel
expect size <= 35%
";

async fn opened(client: &mut Client, capabilities: Value) -> String {
    client.initialize(capabilities).await;
    let at = uri(&examples().join("session.bitmill"));
    client.open(&at, RECIPE).await;
    at
}

/// Where the answer is not of interest but for its size.
fn brief(value: &Value) -> String {
    let text = value.to_string().replace(&uri(&examples()), "EXAMPLES");
    let cut: String = text.chars().take(600).collect();
    if cut.len() < text.len() { format!("{cut}…") } else { cut }
}

#[test]
fn every_question_is_answered() {
    let (log, _) = with_server(async |client| {
        let at =
            opened(client, json!({"textDocument": {"completion": {"completionItem": {"snippetSupport": true}}}})).await;
        let mut log = Vec::new();
        let published = client.notified("textDocument/publishDiagnostics").await;
        for one in published["diagnostics"].as_array().unwrap() {
            log.push(format!("finding {}: {}", one["range"], one["code"]));
        }
        let everything = json!({"start": {"line": 0, "character": 0}, "end": {"line": 99, "character": 0}});
        let at_scheme = json!({"line": 6, "character": 27});
        for (method, more) in [
            ("hover", json!({"position": {"line": 6, "character": 2}})),
            ("hover", json!({"position": at_scheme})),
            ("inlayHint", json!({"range": everything})),
            ("codeLens", json!({})),
            ("signatureHelp", json!({"position": {"line": 4, "character": 27}})),
            ("definition", json!({"position": at_scheme})),
            ("references", json!({"position": at_scheme, "context": {"includeDeclaration": true}})),
            ("documentHighlight", json!({"position": at_scheme})),
            ("prepareRename", json!({"position": at_scheme})),
            ("rename", json!({"position": at_scheme, "newName": "four"})),
            ("linkedEditingRange", json!({"position": at_scheme})),
            ("documentSymbol", json!({})),
            ("documentLink", json!({})),
            ("foldingRange", json!({})),
            ("selectionRange", json!({"positions": [at_scheme]})),
            (
                "semanticTokens/range",
                json!({"range": {"start": {"line": 4, "character": 0}, "end": {"line": 5, "character": 0}}}),
            ),
            ("formatting", json!({"options": {"tabSize": 4, "insertSpaces": true}})),
        ] {
            let answer = client.about(method, &at, more).await;
            log.push(format!("{method}: {}", brief(&answer)));
        }
        let items = client.about("completion", &at, json!({"position": {"line": 6, "character": 26}})).await;
        let items = items.as_array().unwrap();
        let labels: Vec<&str> = items.iter().take(6).map(|item| item["label"].as_str().unwrap()).collect();
        log.push(format!("completion: {labels:?}"));
        let resolved = client.request("completionItem/resolve", items[0].clone()).await;
        assert!(resolved["documentation"]["value"].is_string(), "{resolved}");
        let automatic = json!({"diagnostics": [], "triggerKind": 2});
        let actions = client.about("codeAction", &at, json!({"range": everything, "context": automatic})).await;
        assert!(actions.as_array().unwrap().iter().all(|action| action["kind"] == "quickfix"), "{actions}");
        let on_save = json!({"diagnostics": [], "triggerKind": 2, "only": ["source.fixAll"]});
        let actions = client.about("codeAction", &at, json!({"range": everything, "context": on_save})).await;
        assert_eq!(actions.as_array().unwrap().len(), 1, "{actions}");
        let context = json!({"diagnostics": []});
        let actions = client.about("codeAction", &at, json!({"range": everything, "context": context})).await;
        for action in actions.as_array().unwrap() {
            assert!(action["edit"].is_object(), "{action}");
            log.push(format!("action {}: {}", action["kind"], action["title"]));
        }
        log.join("\n")
    });
    insta::assert_snapshot!(log);
}

#[test]
fn imports_are_a_hierarchy() {
    with_server(async |client| {
        client.initialize(json!({})).await;
        let at = |name: &str| uri(&examples().join(name));
        let (user, base) = (at("user.bitmill"), at("base.bitmill"));
        client.open(&base, "scheme w4 = int4 per-group(32)\n").await;
        client.open(&user, "import \"base.bitmill\"\nlinear => w4\n").await;
        let start = json!({"position": {"line": 1, "character": 0}});
        let here = client.about("prepareCallHierarchy", &user, start).await;
        assert_eq!((&here[0]["name"], &here[0]["uri"]), (&json!("user.bitmill"), &json!(user)));
        let outgoing = client.request("callHierarchy/outgoingCalls", json!({"item": here[0]})).await;
        assert_eq!(outgoing.as_array().unwrap().len(), 1, "{outgoing}");
        assert_eq!(outgoing[0]["to"]["uri"], json!(base));
        let line = json!({"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 21}});
        assert_eq!(outgoing[0]["fromRanges"], json!([line]));
        let on_import = json!({"position": {"line": 0, "character": 10}});
        let there = client.about("prepareCallHierarchy", &user, on_import).await;
        assert_eq!(there[0]["uri"], json!(base));
        let incoming = client.request("callHierarchy/incomingCalls", json!({"item": there[0]})).await;
        assert_eq!((&incoming[0]["from"]["uri"], &incoming[0]["fromRanges"]), (&json!(user), &json!([line])));
    });
}

#[test]
fn findings_that_are_asked_for_are_not_sent_and_have_names() {
    with_server(async |client| {
        let at = opened(client, json!({"textDocument": {"diagnostic": {}}})).await;
        let first = client.about("diagnostic", &at, json!({})).await;
        assert_eq!(first["kind"], "full");
        // The model may be open only after the first answer.
        let mut first = first;
        let mut again = client.about("diagnostic", &at, json!({"previousResultId": first["resultId"]})).await;
        for _ in 0..100 {
            if again["kind"] == "unchanged" {
                break;
            }
            first = again;
            again = client.about("diagnostic", &at, json!({"previousResultId": first["resultId"]})).await;
        }
        assert_eq!(again, json!({"kind": "unchanged", "resultId": first["resultId"]}));
        let all = client.request("workspace/diagnostic", json!({"previousResultIds": []})).await;
        assert!(all["items"].as_array().unwrap().len() > 10);
        assert!(client.unasked.iter().all(|one| one["method"] != "textDocument/publishDiagnostics"));
        let parts = json!({"previousResultIds": [], "partialResultToken": "parts"});
        // All parts come before the answer: what came after it, nobody would look at.
        assert_eq!(client.request("workspace/diagnostic", parts).await, json!({"items": []}));
        let parts = client.unasked.iter().filter(|one| one["params"]["token"] == "parts").count();
        assert_eq!(parts, all["items"].as_array().unwrap().len());
        let symbols = client.request("workspace/symbol", json!({"query": ""})).await;
        let parts = json!({"query": "", "partialResultToken": 7});
        assert_eq!(client.request("workspace/symbol", parts).await, json!([]));
        let parts = client.unasked.iter().filter(|one| one["params"]["token"] == 7);
        let parts = parts.flat_map(|one| one["params"]["value"].as_array().unwrap().clone());
        assert_eq!(Value::from_iter(parts), symbols);
    });
}

#[test]
fn tokens_are_told_by_what_changed() {
    with_server(async |client| {
        let at = opened(client, json!({})).await;
        let full = client.about("semanticTokens/full", &at, json!({})).await;
        client.change(&at, 2, json!([{"text": RECIPE.replace("iOS18", "iOS17")}])).await;
        let previous = json!({"previousResultId": full["resultId"]});
        let delta = client.about("semanticTokens/full/delta", &at, previous).await;
        assert_eq!(delta["edits"], json!([]), "the same lengths and meanings");
        client.change(&at, 3, json!([{"text": RECIPE.replace("target iOS18", "target iOS18, macOS15")}])).await;
        let delta =
            client.about("semanticTokens/full/delta", &at, json!({"previousResultId": delta["resultId"]})).await;
        assert_eq!(delta["edits"].as_array().unwrap().len(), 1, "{delta}");
        let unknown = client.about("semanticTokens/full/delta", &at, json!({"previousResultId": "?"})).await;
        assert!(unknown["data"].is_array());
    });
}

#[test]
fn columns_count_what_the_client_says() {
    for (encoding, column) in [("utf-8", 4), ("utf-16", 2), ("utf-32", 1)] {
        with_server(async |client| {
            let told = json!({"general": {"positionEncodings": ["utf-7", encoding, "utf-16"]}});
            let result = client.initialize(told).await;
            assert_eq!(result["capabilities"]["positionEncoding"], encoding);
            let at = uri(&examples().join("columns.bitmill"));
            client.open(&at, "\"\u{1F9EE}\" => int8\n").await;
            let symbols = client.about("documentSymbol", &at, json!({})).await;
            assert_eq!(symbols[0]["range"]["end"]["character"], column + 10, "{encoding}");
        });
    }
}
