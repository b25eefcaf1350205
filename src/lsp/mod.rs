//! The language server: `bitmill lsp`. A thin face of [`crate::ide`]: documents as they are typed, positions in the
//! editor's units, answers in the protocol's shapes.
//!
//! What keeps it in order: notifications end before the next message is read and leave an immutable state of the
//! world behind; a request takes that state first and computes on another thread, under a flag that is set when
//! nobody waits for the answer any longer; the client is asked only by tasks of their own, with a time limit.

mod answers;
mod capabilities;
mod commands;
mod convert;
mod diagnose;
mod framing;
mod log;
mod protocol;
mod server;
mod settings;
mod state;
mod transport;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

pub use commands::ALL as COMMANDS;
use log::Log;
use server::Server;
pub use transport::Ended;
use transport::Outbox;

/// Threads that compute answers. Requests beyond wait.
const COMPUTING: usize = 8;

/// Serves one client on standard input and output, until it exits.
///
/// # Errors
///
/// When the log cannot be written or standard input cannot be read.
pub fn on_stdio(log: Option<&Path>) -> std::io::Result<Ended> {
    let log = Arc::new(Log::new(log)?);
    let runtime = runtime()?;
    let ended = runtime.block_on(serve(tokio::io::stdin(), tokio::io::stdout(), log));
    // A read of standard input may wait for ever.
    runtime.shutdown_background();
    ended
}

/// Serves clients on a port, each with documents of its own, until the process is interrupted. `ready` is told the
/// address, whose port the system chose where it was 0.
///
/// # Errors
///
/// When the log or the port cannot be opened.
pub fn on_tcp(address: SocketAddr, log: Option<&Path>, ready: impl FnOnce(SocketAddr)) -> std::io::Result<Ended> {
    let log = Arc::new(Log::new(log)?);
    runtime()?.block_on(async {
        let listener = TcpListener::bind(address).await?;
        ready(listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true).ok();
            let (input, output) = stream.into_split();
            tokio::spawn(serve(input, output, Arc::clone(&log)));
        }
    })
}

fn runtime() -> std::io::Result<Runtime> {
    Builder::new_multi_thread().worker_threads(2).max_blocking_threads(COMPUTING).enable_all().build()
}

/// Serves one client on a pair of streams, until it exits.
///
/// # Errors
///
/// Those of reading.
async fn serve(
    input: impl AsyncRead + Unpin,
    output: impl AsyncWrite + Unpin + Send + 'static,
    log: Arc<Log>,
) -> std::io::Result<Ended> {
    let (outbox, outgoing) = Outbox::new();
    let (service, socket) = Server::service(Arc::clone(&log), outbox.clone());
    log.line("a client came");
    let ended = transport::serve(service, socket, (outbox, outgoing), input, output).await;
    log.line(&format!("it left: {ended:?}"));
    ended
}

/// Serves one client on a pair of streams: a whole server in memory, for tests and for programs that embed one.
///
/// # Errors
///
/// Those of reading.
pub async fn on_streams(
    input: impl AsyncRead + Unpin,
    output: impl AsyncWrite + Unpin + Send + 'static,
) -> std::io::Result<Ended> {
    serve(input, output, Arc::new(Log::default())).await
}
