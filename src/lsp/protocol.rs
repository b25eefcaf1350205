//! The types of the protocol: the one place that names where they come from, since the next version of the library
//! moves them.

pub use tower_lsp::jsonrpc::{Error, ErrorCode, Result};
pub use tower_lsp::ls_types::*;
pub use tower_lsp::{Bounded, Cancellable, Client, ClientSocket, LanguageServer, LspService, OngoingProgress};
