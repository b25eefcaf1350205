//! Every method, asked by clients that can more and less: what a client cannot take, it does not get.

use serde_json::{Value, json};

use super::client::{Client, examples, uri, with_server};

const RECIPE: &str = "\
# \u{1F9EE}
model  \"models/bytes-lm.safetensors\"
target iOS18
preset weight-only-int8

scheme w4 = int4 per-group(48)

linear                 => w4
\"*.mlp.down_proj\"      => int8
embeding or \"lm_head\" => int8 per-channel {
  scale fp32
}
expect size <= 35%
";

/// What a client says that it can.
type Capabilities = fn() -> Value;

/// One ability of a client, and what must not come to clients that lack it.
struct Ability {
    name: &'static str,
    capabilities: Capabilities,
    /// Whether a message from the server needs the ability.
    needed_by: fn(&Value) -> bool,
}

fn is_asked(message: &Value, method: &str) -> bool {
    message["method"] == method
}

/// Whether a value holds an object in which a key has a value that is meant.
fn holds(value: &Value, key: &str, meant: &dyn Fn(&Value) -> bool) -> bool {
    match value {
        Value::Object(object) => {
            object.iter().any(|(name, value)| name == key && meant(value) || holds(value, key, meant))
        }
        Value::Array(values) => values.iter().any(|value| holds(value, key, meant)),
        _ => false,
    }
}

const ABILITIES: &[Ability] = &[
    Ability {
        name: "snippets",
        capabilities: || json!({"textDocument": {"completion": {"completionItem": {"snippetSupport": true}}}}),
        needed_by: |message| holds(message, "insertTextFormat", &|format| *format == 2),
    },
    Ability {
        name: "edits of versions",
        capabilities: || json!({"workspace": {"workspaceEdit": {"documentChanges": true}}}),
        needed_by: |message| holds(message, "documentChanges", &|_| true),
    },
    Ability {
        name: "settings",
        capabilities: || json!({"workspace": {"configuration": true}}),
        needed_by: |message| is_asked(message, "workspace/configuration"),
    },
    Ability {
        name: "watching files",
        capabilities: || json!({"workspace": {"didChangeWatchedFiles": {"dynamicRegistration": true}}}),
        needed_by: |message| is_asked(message, "client/registerCapability"),
    },
    Ability {
        name: "progress",
        capabilities: || json!({"window": {"workDoneProgress": true}}),
        needed_by: |message| is_asked(message, "window/workDoneProgress/create"),
    },
    Ability {
        name: "fresh diagnostics",
        capabilities: || json!({"workspace": {"diagnostics": {"refreshSupport": true}}}),
        needed_by: |message| is_asked(message, "workspace/diagnostic/refresh"),
    },
    Ability {
        name: "fresh hints",
        capabilities: || json!({"workspace": {"inlayHint": {"refreshSupport": true}}}),
        needed_by: |message| is_asked(message, "workspace/inlayHint/refresh"),
    },
    Ability {
        name: "fresh lenses",
        capabilities: || json!({"workspace": {"codeLens": {"refreshSupport": true}}}),
        needed_by: |message| is_asked(message, "workspace/codeLens/refresh"),
    },
    Ability {
        name: "fresh tokens",
        capabilities: || json!({"workspace": {"semanticTokens": {"refreshSupport": true}}}),
        needed_by: |message| is_asked(message, "workspace/semanticTokens/refresh"),
    },
];

/// Abilities of which clients that lack them take more, not less.
const OTHERS: &[(&str, Capabilities)] = &[
    ("asking for diagnostics", || json!({"textDocument": {"diagnostic": {}}})),
    ("folds of lines", || json!({"textDocument": {"foldingRange": {"lineFoldingOnly": true}}})),
    ("columns in bytes", || json!({"general": {"positionEncodings": ["utf-8"]}})),
    ("columns in characters", || json!({"general": {"positionEncodings": ["utf-32", "utf-16"]}})),
];

/// The capabilities of both.
fn joined(a: &mut Value, b: Value) {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            b.into_iter().for_each(|(key, value)| joined(a.entry(key).or_insert(json!({})), value));
        }
        (a, b) => *a = b,
    }
}

/// Every request about a document, at several of its places, with all that came back.
async fn ask_everything(client: &mut Client, at: &str) -> Vec<Value> {
    let everything = json!({"start": {"line": 0, "character": 0}, "end": {"line": 99, "character": 0}});
    let options = json!({"tabSize": 2, "insertSpaces": true});
    let context = json!({"diagnostics": []});
    let mut got = Vec::new();
    for (method, more) in [
        ("inlayHint", json!({"range": everything})),
        ("codeLens", json!({})),
        ("documentSymbol", json!({})),
        ("documentLink", json!({})),
        ("foldingRange", json!({})),
        ("semanticTokens/full", json!({})),
        ("semanticTokens/full/delta", json!({"previousResultId": "1"})),
        ("semanticTokens/range", json!({"range": everything})),
        ("formatting", json!({"options": options})),
        ("rangeFormatting", json!({"options": options, "range": everything})),
        ("codeAction", json!({"range": everything, "context": context})),
        ("diagnostic", json!({})),
    ] {
        got.push(client.about(method, at, more).await);
    }
    for (line, character) in
        [(0, 0), (1, 12), (3, 10), (5, 17), (7, 2), (7, 27), (8, 6), (9, 3), (9, 35), (10, 8), (50, 0)]
    {
        let position = json!({"line": line, "character": character});
        for (method, mut more) in [
            ("completion", json!({})),
            ("hover", json!({})),
            ("signatureHelp", json!({})),
            ("definition", json!({})),
            ("references", json!({"context": {"includeDeclaration": true}})),
            ("documentHighlight", json!({})),
            ("linkedEditingRange", json!({})),
            ("prepareCallHierarchy", json!({})),
            ("onTypeFormatting", json!({"ch": "\n", "options": options})),
        ] {
            more["position"] = position.clone();
            got.push(client.about(method, at, more).await);
        }
        got.push(client.about("selectionRange", at, json!({"positions": [position]})).await);
    }
    let scheme = json!({"line": 5, "character": 8});
    got.push(client.about("prepareRename", at, json!({"position": scheme})).await);
    got.push(client.about("rename", at, json!({"position": scheme, "newName": "four"})).await);
    let items = client.about("completion", at, json!({"position": {"line": 7, "character": 26}})).await;
    got.push(client.request("completionItem/resolve", items[0].clone()).await);
    got.push(client.request("workspace/symbol", json!({"query": "w"})).await);
    got.push(client.request("workspace/diagnostic", json!({"previousResultIds": []})).await);
    client.notify("workspace/didChangeConfiguration", json!({"settings": {"bitmill": {"hints": false}}})).await;
    let changed = json!({"changes": [{"uri": at, "type": 2}]});
    client.notify("workspace/didChangeWatchedFiles", changed).await;
    // What the notifications lead to comes meanwhile.
    for _ in 0..3 {
        got.push(client.about("hover", at, json!({"position": scheme})).await);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    got
}

/// What a server says to a client of such capabilities, answers first.
fn session(capabilities: &Value) -> Vec<Value> {
    let run = async |client: &mut Client| {
        client.initialize(capabilities.clone()).await;
        let at = uri(&examples().join("sweep.bitmill"));
        client.open(&at, RECIPE).await;
        let mut got = ask_everything(client, &at).await;
        got.extend(client.unasked.drain(..));
        got
    };
    with_server(run).0
}

#[test]
fn clients_get_what_they_can_take() {
    let mut all = json!({});
    for ability in ABILITIES {
        joined(&mut all, (ability.capabilities)());
    }
    let mut needed = vec![false; ABILITIES.len()];
    let mut sets = vec![("nothing", json!({})), ("everything", all.clone())];
    sets.extend(ABILITIES.iter().map(|ability| (ability.name, (ability.capabilities)())));
    sets.extend(OTHERS.iter().map(|(name, capabilities)| (*name, capabilities())));
    for (_, capabilities) in OTHERS {
        joined(&mut all, capabilities());
    }
    sets.push(("all that there is", all));
    for (name, capabilities) in &sets {
        let messages = session(capabilities);
        for (ability, needed) in ABILITIES.iter().zip(&mut needed) {
            let mut both = capabilities.clone();
            joined(&mut both, (ability.capabilities)());
            let lacks = both != *capabilities;
            let of = messages.iter().find(|message| (ability.needed_by)(message));
            assert!(!lacks || of.is_none(), "a client with {name} gets what needs {}: {of:?}", ability.name);
            *needed |= of.is_some();
        }
        let publishes = messages.iter().any(|message| is_asked(message, "textDocument/publishDiagnostics"));
        assert_eq!(publishes, capabilities["textDocument"]["diagnostic"].is_null(), "{name}");
        let folds = messages.iter().any(|message| holds(message, "startCharacter", &|_| true));
        let only_lines = capabilities["textDocument"]["foldingRange"]["lineFoldingOnly"] == true;
        assert!(!(folds && only_lines), "{name}");
    }
    // A refresh of diagnostics is for who asks for them, which is not in the tables alone.
    let unused: Vec<&str> =
        ABILITIES.iter().zip(needed).filter(|(_, needed)| !needed).map(|(one, _)| one.name).collect();
    assert_eq!(unused, ["progress"], "abilities of which no use is made, but by commands that run");
}
