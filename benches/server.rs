//! What an editor waits for, with the real server over its pipes: a recipe of 5,000 lines, a model of 100,000 tensors.
//!
//! `cargo bench --bench server` prints the median and the 99th percentile of each wait, and the most memory that the
//! server held. The goals are a frame (16 ms), 50 ms and, from the start to the first findings, 100 ms.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Times that each wait is measured.
const TIMES: usize = 200;

/// Times that a server is started.
const STARTS: usize = 20;

/// Layers of the model; each has eight tensors.
const LAYERS: usize = 12_500;

/// The layer in whose rule is typed.
const TYPED: usize = 1201;

fn long_recipe() -> String {
    let mut text = String::from("model \"model.safetensors\"\ntarget iOS18\nlinear => int4 per-group(32)\n");
    for layer in 0..2499 {
        _ = writeln!(text, "# layer {layer}\n\"layers.{layer}.mlp.up_proj\" => int8 per-channel");
    }
    text
}

/// A checkpoint with all of its header and none of its values: the file is a hole.
fn write_model(path: &Path) -> std::io::Result<()> {
    const BYTES: u64 = 256 * 256 * 2;
    let mut header = String::from("{");
    let mut end = 0;
    for layer in 0..LAYERS {
        for module in ["q_proj", "k_proj", "v_proj", "o_proj", "mlp.up_proj", "mlp.down_proj", "mlp.gate_proj", "norm"]
        {
            let (shape, bytes) = if module == "norm" { ("[256]", 512) } else { ("[256,256]", BYTES) };
            let comma = if end == 0 { "" } else { "," };
            let offsets = format!("[{end},{}]", end + bytes);
            _ = write!(
                header,
                "{comma}\"layers.{layer}.{module}.weight\":{{\"dtype\":\"F16\",\"shape\":{shape},\"data_offsets\":{offsets}}}"
            );
            end += bytes;
        }
    }
    header.push('}');
    header.push_str(&" ".repeat(header.len().next_multiple_of(8) - header.len()));
    let mut file = File::create(path)?;
    file.write_all(&(header.len() as u64).to_le_bytes())?;
    file.write_all(header.as_bytes())?;
    file.set_len(8 + header.len() as u64 + end)
}

/// A server and its client.
struct Session {
    server: Child,
    to_server: ChildStdin,
    from_server: BufReader<ChildStdout>,
    uri: String,
    version: i32,
    /// The last version whose findings came.
    told: i64,
    requests: i64,
}

impl Session {
    /// Starts a server and opens the recipe; with the time until its findings came.
    fn start(directory: &Path, text: &str) -> (Session, Duration) {
        let begun = Instant::now();
        let mut server = Command::new(env!("CARGO_BIN_EXE_bitmill"))
            .arg("lsp")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let to_server = server.stdin.take().expect("it is piped");
        let from_server = BufReader::new(server.stdout.take().expect("it is piped"));
        let uri = format!("file://{}", directory.join("long.bitmill").display());
        let mut session = Session { server, to_server, from_server, uri, version: 1, told: 0, requests: 0 };
        session.request("initialize", json!({"processId": null, "rootUri": null, "capabilities": {}}));
        session.notify("initialized", json!({}));
        let document = json!({"uri": session.uri, "languageId": "bitmill", "version": 1, "text": text});
        session.notify("textDocument/didOpen", json!({"textDocument": document}));
        session.published(1);
        (session, begun.elapsed())
    }

    fn send(&mut self, message: &Value) {
        let body = message.to_string();
        write!(self.to_server, "Content-Length: {}\r\n\r\n{body}", body.len()).expect("the server reads");
        self.to_server.flush().expect("the server reads");
    }

    fn notify(&mut self, method: &str, params: Value) {
        self.send(&json!({"jsonrpc": "2.0", "method": method, "params": params}));
    }

    fn read(&mut self) -> Value {
        let mut length = 0;
        loop {
            let mut line = String::new();
            self.from_server.read_line(&mut line).expect("the server writes");
            match line.trim_end().strip_prefix("Content-Length: ") {
                Some(told) => length = told.parse().expect("a length"),
                None => break,
            }
        }
        let mut body = vec![0; length];
        self.from_server.read_exact(&mut body).expect("the server writes");
        let message: Value = serde_json::from_slice(&body).expect("messages are JSON");
        if message["method"] == "textDocument/publishDiagnostics" {
            self.told = message["params"]["version"].as_i64().expect("findings are of a version");
        }
        message
    }

    fn request(&mut self, method: &str, params: Value) -> Value {
        self.requests += 1;
        let id = self.requests;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        loop {
            let message = self.read();
            if message["id"] == id {
                assert!(message.get("error").is_none(), "{method}: {message}");
                return message["result"].clone();
            }
        }
    }

    /// Waits for the findings of a version, where they have not come already.
    fn published(&mut self, version: i32) {
        while self.told < i64::from(version) {
            self.read();
        }
    }

    /// Writes the number of another layer into the rule for one, and does not wait.
    fn type_layer(&mut self, line: usize, layer: usize) {
        self.version += 1;
        let range = json!({"start": {"line": line, "character": 8}, "end": {"line": line, "character": 12}});
        let document = json!({"uri": self.uri, "version": self.version});
        let changes = json!([{"range": range, "text": layer.to_string()}]);
        self.notify("textDocument/didChange", json!({"textDocument": document, "contentChanges": changes}));
    }

    /// Another layer each time, all of four digits.
    fn keystroke(&mut self, line: usize, times: usize) {
        self.type_layer(line, 1000 + (times * 7919) % 9000);
    }

    fn about(&mut self, method: &str, line: usize, character: usize) -> Value {
        let position = json!({"line": line, "character": character});
        let document = json!({"uri": self.uri});
        self.request(method, json!({"textDocument": document, "position": position}))
    }

    /// The most memory that the server held, in bytes, where the system tells.
    fn peak(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.server.id())).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
        Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
    }

    fn end(mut self) {
        self.request("shutdown", Value::Null);
        self.notify("exit", Value::Null);
        self.server.wait().expect("it exits");
    }
}

/// Prints the median and the 99th percentile of some waits, and whether they are within a goal, in ms.
fn tell(what: &str, mut waits: Vec<Duration>, [median_goal, worst_goal]: [f64; 2]) {
    waits.sort();
    let at = |share: f64| {
        let index = ((waits.len() - 1) as f64 * share).ceil() as usize;
        waits[index].as_secs_f64() * 1e3
    };
    let (median, worst) = (at(0.5), at(0.99));
    let verdict = if median <= median_goal && worst <= worst_goal { "within" } else { "BEYOND" };
    println!("{what:<36} median {median:7.2} ms  p99 {worst:7.2} ms  {verdict} {median_goal} and {worst_goal} ms");
}

fn measure(mut one: impl FnMut(usize)) -> Vec<Duration> {
    let mut waits = Vec::with_capacity(TIMES);
    for time in 0..TIMES {
        let begun = Instant::now();
        one(time);
        waits.push(begun.elapsed());
        // People pause, and the server may finish what it does unasked.
        std::thread::sleep(Duration::from_millis(5));
    }
    waits
}

fn main() -> std::io::Result<()> {
    let frame = [16.0, 50.0];
    let directory = tempfile::tempdir()?;
    write_model(&directory.path().join("model.safetensors"))?;
    let text = long_recipe();
    let line = text.lines().position(|line| line.contains(&format!("\"layers.{TYPED}.mlp"))).expect("it is there");
    let scheme = text.lines().nth(line).and_then(|line| line.find("int8")).expect("it is there");

    let mut starts = Vec::new();
    for _ in 0..STARTS {
        let (session, first) = Session::start(directory.path(), &text);
        starts.push(first);
        session.end();
    }
    tell("start to first findings", starts, [100.0, 100.0]);

    let (mut session, _) = Session::start(directory.path(), &text);
    let waits = measure(|time| {
        session.keystroke(line, time);
        session.published(session.version);
    });
    tell("keystroke to published findings", waits, frame);
    for (what, method, character) in [
        ("complete a name", "textDocument/completion", 10),
        ("complete a scheme", "textDocument/completion", scheme + 4),
        ("hover a selector", "textDocument/hover", 10),
        ("hover a scheme", "textDocument/hover", scheme + 1),
    ] {
        let waits = measure(|_| _ = session.about(method, line, character));
        tell(what, waits, frame);
        let waits = measure(|time| {
            session.keystroke(line, time);
            session.about(method, line, character);
        });
        session.published(session.version);
        tell(&format!("{what}, after a keystroke"), waits, frame);
    }
    if let Some(peak) = session.peak() {
        println!("{:<36} {:7.1} MB", "the most memory", peak as f64 / 1e6);
    }
    session.end();
    Ok(())
}
