//! A service on a stream: messages are taken in the order in which they come, answers are given when they are ready.
//!
//! Notifications run to their end before the next message is looked at, and every request runs to the first point at
//! which it waits. So a request's snapshot is that of the moment at which it came, and no edit overtakes another.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt, poll_fn};
use futures::{Sink, SinkExt, StreamExt, poll};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tower_lsp::jsonrpc::{Error, Id, Request, Response};
use tower_lsp::{ClientSocket, ExitedError, LanguageServer, LspService};
use tower_service::Service;

use super::framing::{self, Frame, Reader};

/// Requests that may be under way; what comes beyond waits in the stream.
const REQUESTS: usize = 1024;

/// What requests under way have left when the client has closed the stream.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// What the client is told of a fault of ours.
pub const FAULT: &str = "a fault in bitmill; its standard error says more";

/// What is on its way to the client.
pub type Outgoing = mpsc::Receiver<Vec<u8>>;

/// The way to the client for what has to arrive before an answer does: what goes through the library's has no order
/// among answers.
#[derive(Debug, Clone)]
pub struct Outbox(mpsc::Sender<Vec<u8>>);

impl Outbox {
    /// A way, and its end.
    pub fn new() -> (Outbox, Outgoing) {
        let (sender, outgoing) = mpsc::channel(REQUESTS);
        (Outbox(sender), outgoing)
    }

    /// Sends a notification. Where the client is gone, the connection ends by itself.
    pub async fn notify(&self, method: &str, params: Value) {
        self.0.send(bytes(&json!({"jsonrpc": "2.0", "method": method, "params": params}))).await.ok();
    }
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The client had asked for the shutdown.
    Orderly,
    /// It left, or told the server to exit, without that.
    Abrupt,
}

/// Serves until the client says `exit`, the stream ends or cannot be written to.
///
/// # Errors
///
/// Those of reading the stream.
pub async fn serve<S: LanguageServer>(
    service: LspService<S>,
    socket: ClientSocket,
    (outbox, written): (Outbox, Outgoing),
    input: impl AsyncRead + Unpin,
    output: impl AsyncWrite + Unpin + Send + 'static,
) -> std::io::Result<Ended> {
    let Outbox(to_client) = outbox;
    let mut writer = tokio::spawn(write_all(written, output));
    let (mut asked, answers) = socket.split();
    let forward = to_client.clone();
    let forwarder = tokio::spawn(async move {
        while let Some(request) = asked.next().await {
            if forward.send(bytes(&request)).await.is_err() {
                break;
            }
        }
    });
    let mut connection = Connection {
        service,
        answers,
        to_client,
        room: Arc::new(Semaphore::new(REQUESTS)),
        running: JoinSet::new(),
        shut_down: false,
    };
    let ended = tokio::select! {
        ended = connection.read(input) => ended,
        _ = &mut writer => Ok(()),
    };
    let rest = async { while connection.running.join_next().await.is_some() {} };
    // What does not end by itself is dropped, and so cancelled, with the connection.
    tokio::time::timeout(LAST_WORDS, rest).await.ok();
    forwarder.abort();
    let shut_down = connection.shut_down;
    drop(connection);
    tokio::time::timeout(LAST_WORDS, writer).await.ok();
    ended.map(|()| if shut_down { Ended::Orderly } else { Ended::Abrupt })
}

/// Writes messages until there are no more or the client takes none.
async fn write_all(mut messages: mpsc::Receiver<Vec<u8>>, mut output: impl AsyncWrite + Unpin) {
    while let Some(message) = messages.recv().await {
        if framing::write(&mut output, &message).await.is_err() {
            break;
        }
    }
}

/// A message as JSON.
fn bytes(message: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(message).expect("messages have string keys and no errors of their own")
}

/// Gives the document of a message a version where a careless client has left it out or sent no number: what was typed
/// counts whatever it is called, and an edit that were refused would leave the server with another text than the editor.
fn number_version(message: &mut Value) {
    if !matches!(message["method"].as_str(), Some("textDocument/didOpen" | "textDocument/didChange")) {
        return;
    }
    let Some(document) = message.pointer_mut("/params/textDocument").and_then(Value::as_object_mut) else { return };
    let version = document.get("version").and_then(Value::as_i64);
    if version.is_none_or(|version| i32::try_from(version).is_err()) {
        document.insert("version".to_string(), Value::from(0));
    }
}

/// What a service says to a request, or how it panicked.
type Answer = BoxFuture<'static, std::thread::Result<Result<Option<Response>, ExitedError>>>;

struct Connection<S, A> {
    service: LspService<S>,
    answers: A,
    to_client: mpsc::Sender<Vec<u8>>,
    room: Arc<Semaphore>,
    running: JoinSet<()>,
    shut_down: bool,
}

impl<S: LanguageServer, A: Sink<Response> + Unpin> Connection<S, A> {
    /// Takes messages until the client exits.
    async fn read(&mut self, input: impl AsyncRead + Unpin) -> std::io::Result<()> {
        let mut reader = Reader::new(input);
        while let Some(frame) = reader.next().await? {
            // Those that have ended are forgotten.
            while self.running.try_join_next().is_some() {}
            match frame {
                Frame::Broken(why) => {
                    self.refuse(Id::Null, Error { message: why.into(), ..Error::parse_error() }).await
                }
                Frame::Message(mut message) if message.get("method").is_some() => {
                    number_version(&mut message);
                    let id = message.get("id").and_then(|id| serde_json::from_value(id.clone()).ok());
                    match serde_json::from_value::<Request>(message) {
                        Ok(request) => {
                            let exits = request.method() == "exit";
                            self.take(request).await;
                            if exits {
                                break;
                            }
                        }
                        Err(_) => self.refuse(id.unwrap_or(Id::Null), Error::invalid_request()).await,
                    }
                }
                Frame::Message(message) => self.take_answer(message).await,
            }
        }
        Ok(())
    }

    async fn refuse(&self, id: Id, error: Error) {
        send(&self.to_client, Some(Response::from_error(id, error))).await;
    }

    /// Hands over what the client says to a request of the server.
    async fn take_answer(&mut self, message: Value) {
        match serde_json::from_value::<Response>(message) {
            // It fails after the exit only.
            Ok(answer) => _ = self.answers.send(answer).await,
            Err(_) => self.refuse(Id::Null, Error::invalid_request()).await,
        }
    }

    /// Runs what a request or notification asks for, as far as it goes without waiting.
    async fn take(&mut self, request: Request) {
        if poll_fn(|context| self.service.poll_ready(context)).await.is_err() {
            return;
        }
        let id = request.id().cloned();
        // These change what the next messages mean.
        let first = matches!(request.method(), "initialize" | "shutdown");
        let shuts_down = request.method() == "shutdown";
        let Ok(answer) = std::panic::catch_unwind(AssertUnwindSafe(|| self.service.call(request))) else {
            return send(&self.to_client, panicked(id)).await;
        };
        let mut answer: Answer = AssertUnwindSafe(answer).catch_unwind().boxed();
        if id.is_none() || first {
            let answer = answered(answer.await, id);
            self.shut_down |= shuts_down && answer.as_ref().is_some_and(Response::is_ok);
            return send(&self.to_client, answer).await;
        }
        if let std::task::Poll::Ready(answer) = poll!(&mut answer) {
            return send(&self.to_client, answered(answer, id)).await;
        }
        let Ok(permit) = self.room.clone().acquire_owned().await else { return };
        let to_client = self.to_client.clone();
        self.running.spawn(async move {
            send(&to_client, answered(answer.await, id)).await;
            drop(permit);
        });
    }
}

/// What the client is told about a request.
fn answered(answer: std::thread::Result<Result<Option<Response>, ExitedError>>, id: Option<Id>) -> Option<Response> {
    match answer {
        Ok(answer) => answer.ok().flatten(),
        Err(_) => panicked(id),
    }
}

/// The answer to a request, if it is one, that came upon a fault of ours: the server lives on.
fn panicked(id: Option<Id>) -> Option<Response> {
    id.map(|id| Response::from_error(id, Error { message: FAULT.into(), ..Error::internal_error() }))
}

/// Sends an answer. Where the client is gone, the connection ends by itself.
async fn send(to_client: &mpsc::Sender<Vec<u8>>, answer: Option<Response>) {
    if let Some(answer) = answer {
        to_client.send(bytes(&answer)).await.ok();
    }
}
