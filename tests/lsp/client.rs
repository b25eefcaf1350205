//! A client: it speaks the protocol in JSON, and keeps what the server says unasked.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bitmill::lsp::{Ended, on_streams};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream, ReadHalf, WriteHalf};
use tokio::task::JoinHandle;

use super::schema::Watch;

pub struct Client {
    to_server: Option<WriteHalf<DuplexStream>>,
    from_server: BufReader<ReadHalf<DuplexStream>>,
    server: JoinHandle<std::io::Result<Ended>>,
    pub requests: i64,
    pub unasked: VecDeque<Value>,
    /// Holds every message against the types of the protocol.
    watch: Watch,
    /// What requests of the server are answered with.
    pub answer: fn(&Value) -> Value,
}

/// Runs a test with a server that it can talk to.
pub fn with_server<T>(test: impl AsyncFnOnce(&mut Client) -> T) -> (T, Ended) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let (input, output) = tokio::io::split(theirs);
        let server = tokio::spawn(on_streams(input, output));
        let (from_server, to_server) = tokio::io::split(ours);
        let from_server = BufReader::new(from_server);
        let answer = |request: &Value| match request["method"].as_str() {
            Some("workspace/configuration") => json!([null]),
            _ => Value::Null,
        };
        let to_server = Some(to_server);
        let (unasked, watch) = (VecDeque::new(), Watch::default());
        let mut client = Client { to_server, from_server, server, requests: 0, unasked, watch, answer };
        let done = test(&mut client).await;
        let ended = tokio::time::timeout(Duration::from_secs(20), client.leave()).await.unwrap();
        (done, ended)
    })
}

/// The directory of examples, which has recipes and models.
pub fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

pub fn uri(path: &Path) -> String {
    format!("file://{}", path.display())
}

impl Client {
    pub async fn raw(&mut self, bytes: &[u8]) {
        self.to_server.as_mut().unwrap().write_all(bytes).await.unwrap();
    }

    pub async fn send(&mut self, message: Value) {
        self.watch.sent(&message);
        let body = message.to_string();
        self.raw(format!("Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes()).await;
    }

    /// Several messages in one piece, so that the server has all of them at once.
    pub async fn burst(&mut self, messages: &[Value]) {
        messages.iter().for_each(|message| self.watch.sent(message));
        let framed = messages.iter().map(|message| {
            let body = message.to_string();
            format!("Content-Length: {}\r\n\r\n{body}", body.len())
        });
        let bytes: String = framed.collect();
        self.raw(bytes.as_bytes()).await;
    }

    pub async fn notify(&mut self, method: &str, params: Value) {
        self.send(json!({"jsonrpc": "2.0", "method": method, "params": params})).await;
    }

    /// Asks, and gives the number of the question.
    pub async fn ask(&mut self, method: &str, params: Value) -> i64 {
        self.requests += 1;
        let id = self.requests;
        self.send(json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})).await;
        id
    }

    /// The next message that is no request of the server; those are answered.
    pub async fn next(&mut self) -> Value {
        loop {
            let read = tokio::time::timeout(Duration::from_secs(300), self.read());
            let message = read.await.unwrap().unwrap();
            if message.get("method").is_none() || message.get("id").is_none() {
                return message;
            }
            let result = (self.answer)(&message);
            self.unasked.push_back(message.clone());
            self.send(json!({"jsonrpc": "2.0", "id": message["id"], "result": result})).await;
        }
    }

    async fn read(&mut self) -> Option<Value> {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if self.from_server.read_line(&mut line).await.unwrap() == 0 {
                return None;
            }
            match line.trim_end().strip_prefix("Content-Length: ") {
                Some(told) => length = told.parse().unwrap(),
                None if line == "\r\n" => break,
                None => panic!("a header {line:?}"),
            }
        }
        let mut body = vec![0; length];
        self.from_server.read_exact(&mut body).await.unwrap();
        let message = serde_json::from_slice(&body).unwrap();
        self.watch.received(&message).unwrap_or_else(|why| panic!("not of the protocol: {why}\n{message}"));
        Some(message)
    }

    /// The answer to a question.
    pub async fn answer_to(&mut self, id: i64) -> Value {
        loop {
            let message = self.next().await;
            if message.get("method").is_none() && message["id"] == id {
                return message;
            }
            self.unasked.push_back(message);
        }
    }

    /// What comes back for a request.
    pub async fn request(&mut self, method: &str, params: Value) -> Value {
        let id = self.ask(method, params).await;
        let answer = self.answer_to(id).await;
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }

    /// The error that comes back.
    pub async fn refused(&mut self, method: &str, params: Value) -> i64 {
        let id = self.ask(method, params).await;
        let answer = self.answer_to(id).await;
        answer["error"]["code"].as_i64().unwrap_or_else(|| panic!("{method}: {answer}"))
    }

    /// The next notification of a kind.
    pub async fn notified(&mut self, method: &str) -> Value {
        loop {
            if let Some(at) = self.unasked.iter().position(|one| one["method"] == method) {
                return self.unasked.remove(at).unwrap()["params"].clone();
            }
            let message = self.next().await;
            self.unasked.push_back(message);
        }
    }

    pub async fn initialize(&mut self, capabilities: Value) -> Value {
        let folder = json!([{"uri": uri(&examples()), "name": "examples"}]);
        let params =
            json!({"processId": null, "rootUri": null, "capabilities": capabilities, "workspaceFolders": folder});
        let result = self.request("initialize", params).await;
        self.notify("initialized", json!({})).await;
        result
    }

    pub async fn open(&mut self, uri: &str, text: &str) {
        let document = json!({"uri": uri, "languageId": "bitmill", "version": 1, "text": text});
        self.notify("textDocument/didOpen", json!({"textDocument": document})).await;
    }

    pub async fn change(&mut self, uri: &str, version: i32, changes: Value) {
        let params = json!({"textDocument": {"uri": uri, "version": version}, "contentChanges": changes});
        self.notify("textDocument/didChange", params).await;
    }

    /// A request about a document.
    pub async fn about(&mut self, method: &str, uri: &str, mut more: Value) -> Value {
        more["textDocument"] = json!({"uri": uri});
        self.request(&format!("textDocument/{method}"), more).await
    }

    /// Closes the stream, and waits for the server's end.
    async fn leave(&mut self) -> Ended {
        if let Some(mut stream) = self.to_server.take() {
            stream.shutdown().await.unwrap();
        }
        while self.read().await.is_some() {}
        (&mut self.server).await.unwrap().unwrap()
    }
}
