//! Documents after many edits are those that the client sees.

use serde_json::{Value, json};

use super::client::{Client, examples, uri, with_server};

/// What is asked after the edits, and of the same text freshly opened.
async fn answers(client: &mut Client, uri: &str) -> Vec<Value> {
    let mut answers = Vec::new();
    for method in ["documentSymbol", "foldingRange", "semanticTokens/full", "codeLens", "documentLink", "diagnostic"] {
        let mut answer = client.about(method, uri, json!({})).await;
        if let Some(answer) = answer.as_object_mut() {
            answer.remove("resultId");
        }
        // A lens names the document.
        let text = answer.to_string().replace(uri, "URI");
        answers.push(serde_json::from_str(&text).unwrap());
    }
    answers
}

/// The position of a character, in units of UTF-16.
fn position(text: &str, at: usize) -> Value {
    let before = &text[..at];
    let line = before.matches('\n').count();
    let column = before[before.rfind('\n').map_or(0, |end| end + 1)..].encode_utf16().count();
    json!({"line": line, "character": column})
}

#[test]
fn random_edits_end_where_a_fresh_document_begins() {
    with_server(async |client| {
        client.initialize(json!({})).await;
        let edited = uri(&examples().join("edited.bitmill"));
        let pieces = [
            "linear => int8\n",
            "\n",
            "# \u{1F9EE} quantization\n",
            "scheme \u{10400} = int4 per-group(32)\n",
            "{",
            "}",
            "\"",
            "model \"models/digits.safetensors\"\n",
            "a\u{301}\u{4E2D}",
            "expect size <= 30%\n",
            " ",
            "scheme w = lut4\nw2 => w\n",
        ];
        let mut text = String::new();
        client.open(&edited, &text).await;
        let mut random = 12345_u64;
        let mut next = |below: usize| {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (random >> 33) as usize % below.max(1)
        };
        for version in 2..300 {
            let mut changes = Vec::new();
            for _ in 0..=next(2) {
                let places: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
                let start = places[next(places.len())];
                let end = places[(places.iter().position(|at| *at == start).unwrap() + next(6)).min(places.len() - 1)];
                let piece = pieces[next(pieces.len())];
                changes.push(json!({
                    "range": {"start": position(&text, start), "end": position(&text, end)},
                    "text": piece,
                }));
                text.replace_range(start..end, piece);
            }
            client.change(&edited, version, json!(changes)).await;
            if version % 50 == 0 {
                let fresh = uri(&examples().join(format!("fresh-{version}.bitmill")));
                client.open(&fresh, &text).await;
                assert_eq!(answers(client, &edited).await, answers(client, &fresh).await, "{text}");
            }
        }
    });
}

#[test]
fn ranges_that_lie_count_as_far_as_the_text_goes() {
    with_server(async |client| {
        client.initialize(json!({})).await;
        let at = uri(&examples().join("lies.bitmill"));
        client.open(&at, "linear => int8").await;
        let far = json!({"line": 4_000_000_000_u32, "character": 4_000_000_000_u32});
        let change = json!([
            {"range": {"start": far, "end": far}, "text": "\nconv => keep"},
            {"range": {"start": {"line": 0, "character": 6}, "end": {"line": 0, "character": 0}}, "text": "embedding"},
        ]);
        client.change(&at, -7, change).await;
        let symbols = client.about("documentSymbol", &at, json!({})).await;
        let names: Vec<&str> = symbols.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["embedding", "conv"]);
        for method in ["hover", "completion", "definition", "documentHighlight", "signatureHelp", "linkedEditingRange"]
        {
            client.about(method, &at, json!({"position": far})).await;
        }
        client.about("selectionRange", &at, json!({"positions": [far, far]})).await;
        client.about("inlayHint", &at, json!({"range": {"start": far, "end": far}})).await;
        client
            .about("codeAction", &at, json!({"range": {"start": far, "end": far}, "context": {"diagnostics": []}}))
            .await;
    });
}

#[test]
fn a_thousand_documents_are_served() {
    with_server(async |client| {
        client.initialize(json!({})).await;
        for number in 0..1_000 {
            client.open(&uri(&examples().join(format!("many-{number}.bitmill"))), "linar => int8\n").await;
        }
        for _ in 0..1_000 {
            let published = client.notified("textDocument/publishDiagnostics").await;
            assert_ne!(published["diagnostics"], json!([]));
        }
    });
}
