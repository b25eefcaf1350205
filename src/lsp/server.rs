//! The methods of the protocol. Each takes the state of the moment, asks [`crate::ide`] and turns the answer into the
//! protocol's shape.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

use serde::Serialize;
use serde_json::{Value, json};
use tokio::task::AbortHandle;

use super::convert::path_of;
use super::log::Log;
use super::protocol::*;
use super::state::{Asked, State, moved_on};
use super::transport::Outbox;
use super::{answers, capabilities, commands, diagnose};
use crate::ide::{completion, formatting, imports, navigation, semantic_tokens, symbols};

/// A connection's server.
pub struct Server {
    state: Arc<State>,
    client: Client,
    log: Arc<Log>,
    /// For parts of answers.
    outbox: Outbox,
    /// Ends the worker when the connection does.
    worker: OnceLock<AbortOnDrop>,
}

struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Server {
    /// The service that a transport drives, and the requests of the server to the client.
    pub fn service(log: Arc<Log>, outbox: Outbox) -> (LspService<Server>, ClientSocket) {
        let new = |client| Server { state: Arc::new(State::default()), client, log, outbox, worker: OnceLock::new() };
        LspService::build(new).custom_method("window/workDoneProgress/cancel", Server::cancel_progress).finish()
    }

    async fn cancel_progress(&self, params: WorkDoneProgressCancelParams) {
        if let Some(stop) = self.state.end_job(&params.token) {
            stop.store(true, Ordering::Relaxed);
        }
    }

    /// Notes something in the log and in that of the client.
    fn note(&self, text: String) {
        self.log.line(&text);
        let client = self.client.clone();
        tokio::spawn(async move {
            tokio::time::timeout(diagnose::PATIENCE, client.log_message(MessageType::WARNING, text)).await.ok();
        });
    }

    /// Asks for the settings where the client can be asked.
    fn fetch_settings(&self) {
        let (state, client) = (Arc::clone(&self.state), self.client.clone());
        tokio::spawn(async move {
            let item = ConfigurationItem { scope_uri: None, section: Some("bitmill".to_string()) };
            let asked = tokio::time::timeout(diagnose::PATIENCE, client.configuration(vec![item])).await;
            let Ok(Ok(mut sections)) = asked else { return };
            let Some(section) = sections.pop().filter(|section| !section.is_null()) else { return };
            for complaint in state.configure(section) {
                client.log_message(MessageType::WARNING, complaint).await;
            }
            diagnose::refresh(&state, &client).await;
        });
    }

    /// Computes an answer of items. Where the client has given a token for its parts, they are sent as they come, in
    /// the shape that `part_of` gives them, all of them before the answer; else the answer has them all.
    async fn in_parts<T: Serialize + Send + 'static>(
        &self,
        token: Option<ProgressToken>,
        part_of: fn(Vec<T>) -> Value,
        compute: impl FnOnce(&Asked, &mut dyn FnMut(Vec<T>)) -> Result<()> + Send + 'static,
    ) -> Result<Vec<T>> {
        let Some(token) = token else {
            let answer = self.state.ask_all(move |asked| {
                let mut all = Vec::new();
                compute(asked, &mut |part| all.extend(part))?;
                Ok(all)
            });
            return answer.await;
        };
        let (part, mut parts) = tokio::sync::mpsc::unbounded_channel();
        let answer = self.state.ask_all(move |asked| compute(asked, &mut |items| _ = part.send(items)));
        let sent = async {
            while let Some(items) = parts.recv().await {
                self.outbox.notify("$/progress", json!({"token": &token, "value": part_of(items)})).await;
            }
        };
        let (answer, ()) = futures::join!(answer, sent);
        answer.map(|()| Vec::new())
    }

    fn refresh(&self) {
        let (state, client) = (Arc::clone(&self.state), self.client.clone());
        tokio::spawn(async move { diagnose::refresh(&state, &client).await });
    }
}

impl LanguageServer for Server {
    async fn initialize(&self, params: InitializeParams) -> Result<InitializeResult> {
        let unit = self.state.initialize(&params);
        let client = params.client_info.map_or("a client without a name".to_string(), |client| {
            format!("{} {}", client.name, client.version.unwrap_or_default())
        });
        self.log.line(&format!("initialize: {client}, columns in {unit:?}"));
        Ok(InitializeResult {
            capabilities: capabilities::capabilities(unit),
            server_info: Some(ServerInfo {
                name: "bitmill".to_string(),
                version: Some(env!("CARGO_PKG_VERSION").to_string()),
            }),
            ..InitializeResult::default()
        })
    }

    async fn initialized(&self, _: InitializedParams) {
        let work = || tokio::spawn(diagnose::work(Arc::clone(&self.state), self.client.clone()));
        // A client that says so twice gets no second one.
        self.worker.get_or_init(|| AbortOnDrop(work().abort_handle()));
        let abilities = self.state.abilities();
        if abilities.configuration {
            self.fetch_settings();
        }
        if abilities.watches {
            let client = self.client.clone();
            tokio::spawn(async move {
                let registration = client.register_capability(vec![capabilities::watchers()]);
                tokio::time::timeout(diagnose::PATIENCE, registration).await.ok();
            });
        }
    }

    async fn shutdown(&self) -> Result<()> {
        self.log.line("shutdown");
        Ok(())
    }

    async fn did_open(&self, params: DidOpenTextDocumentParams) {
        let document = params.text_document;
        self.state.open(document.uri, document.version, document.text);
    }

    async fn did_change(&self, params: DidChangeTextDocumentParams) {
        let document = params.text_document;
        if let Err(why) = self.state.change(&document.uri, document.version, params.content_changes) {
            self.note(why);
        }
    }

    async fn did_close(&self, params: DidCloseTextDocumentParams) {
        if !self.state.close(&params.text_document.uri) {
            self.note(format!("{}: closed, and is not open", params.text_document.uri.as_str()));
        }
    }

    async fn did_change_configuration(&self, params: DidChangeConfigurationParams) {
        if self.state.abilities().configuration {
            return self.fetch_settings();
        }
        let section = params.settings.get("bitmill").cloned().unwrap_or(params.settings);
        for complaint in self.state.configure(section) {
            self.note(complaint);
        }
        self.refresh();
    }

    async fn did_change_workspace_folders(&self, params: DidChangeWorkspaceFoldersParams) {
        let paths = |folders: Vec<WorkspaceFolder>| -> Vec<PathBuf> {
            folders.iter().filter_map(|folder| path_of(&folder.uri)).collect()
        };
        self.state.change_folders(&paths(params.event.added), &paths(params.event.removed));
    }

    async fn did_change_watched_files(&self, params: DidChangeWatchedFilesParams) {
        let paths: Vec<PathBuf> = params.changes.iter().filter_map(|change| path_of(&change.uri)).collect();
        self.state.changed_on_disk(&paths);
        self.refresh();
    }

    async fn execute_command(&self, params: ExecuteCommandParams) -> Result<Option<LSPAny>> {
        commands::execute(&self.state, &self.client, params).await
    }

    async fn diagnostic(&self, params: DocumentDiagnosticParams) -> Result<DocumentDiagnosticReportResult> {
        let known = params.previous_result_id;
        let answer = self.state.ask(&params.text_document.uri, move |view| {
            Ok(DocumentDiagnosticReportResult::Report(answers::report(view, known.as_deref())))
        });
        answer.await
    }

    async fn workspace_diagnostic(&self, params: WorkspaceDiagnosticParams) -> Result<WorkspaceDiagnosticReportResult> {
        let previous = params.previous_result_ids;
        let token = params.partial_result_params.partial_result_token;
        let answer = self.in_parts(
            token,
            |items| json!({"items": items}),
            move |asked, take| {
                for path in asked.world.recipes() {
                    let view = match asked.view(&path) {
                        Ok(view) => view,
                        Err(_) if asked.cancel.is_cancelled() => return Err(moved_on()),
                        Err(_) => continue,
                    };
                    let Some(uri) = asked.uri(&path) else { continue };
                    let before = previous.iter().find(|one| one.uri == uri).map(|one| one.value.as_str());
                    take(vec![answers::workspace_report(&view, uri, &path, before)]);
                }
                Ok(())
            },
        );
        Ok(WorkspaceDiagnosticReportResult::Report(WorkspaceDiagnosticReport { items: answer.await? }))
    }

    async fn completion(&self, params: CompletionParams) -> Result<Option<CompletionResponse>> {
        let at = params.text_document_position;
        let answer = self.state.ask(&at.text_document.uri, move |view| Ok(answers::completion(view, at.position)));
        answer.await.map(Some)
    }

    async fn completion_resolve(&self, mut item: CompletionItem) -> Result<CompletionItem> {
        if let Some((kind, label)) = answers::completion_of(&item) {
            item.documentation = completion::documentation(kind, &label).map(answers::markdown_documentation);
        }
        Ok(item)
    }

    async fn hover(&self, params: HoverParams) -> Result<Option<Hover>> {
        let at = params.text_document_position_params;
        self.state.ask(&at.text_document.uri, move |view| Ok(answers::hover(view, at.position))).await
    }

    async fn signature_help(&self, params: SignatureHelpParams) -> Result<Option<SignatureHelp>> {
        let at = params.text_document_position_params;
        self.state.ask(&at.text_document.uri, move |view| Ok(answers::signature_help(view, at.position))).await
    }

    async fn inlay_hint(&self, params: InlayHintParams) -> Result<Option<Vec<InlayHint>>> {
        let range = params.range;
        self.state.ask(&params.text_document.uri, move |view| Ok(Some(answers::inlay_hints(view, range)))).await
    }

    async fn code_lens(&self, params: CodeLensParams) -> Result<Option<Vec<CodeLens>>> {
        let uri = params.text_document.uri.clone();
        self.state.ask(&params.text_document.uri, move |view| Ok(Some(answers::code_lenses(view, &uri)))).await
    }

    async fn code_action(&self, params: CodeActionParams) -> Result<Option<CodeActionResponse>> {
        let uri = params.text_document.uri.clone();
        self.state.ask(&uri, move |view| answers::code_actions(view, &params).map(Some)).await
    }

    async fn document_symbol(&self, params: DocumentSymbolParams) -> Result<Option<DocumentSymbolResponse>> {
        let answer = self.state.ask(&params.text_document.uri, move |view| Ok(answers::outline(view)));
        answer.await.map(|symbols| Some(DocumentSymbolResponse::Nested(symbols)))
    }

    async fn symbol(&self, params: WorkspaceSymbolParams) -> Result<Option<WorkspaceSymbolResponse>> {
        let token = params.partial_result_params.partial_result_token;
        let query = params.query;
        let answer = self.in_parts(
            token,
            |symbols| json!(symbols),
            move |asked, take| {
                let take = |found| take(answers::workspace_symbols(asked, found));
                symbols::workspace_symbols_by_recipe(&asked.world, &query, &asked.cancel, take).map_err(|_| moved_on())
            },
        );
        answer.await.map(|symbols| Some(WorkspaceSymbolResponse::Nested(symbols)))
    }

    async fn folding_range(&self, params: FoldingRangeParams) -> Result<Option<Vec<FoldingRange>>> {
        self.state.ask(&params.text_document.uri, move |view| Ok(Some(answers::folds(view)))).await
    }

    async fn selection_range(&self, params: SelectionRangeParams) -> Result<Option<Vec<SelectionRange>>> {
        let positions = params.positions;
        let answer = self.state.ask(&params.text_document.uri, move |view| {
            Ok(positions.into_iter().map(|position| answers::selection(view, position)).collect())
        });
        answer.await.map(Some)
    }

    async fn semantic_tokens_full(&self, params: SemanticTokensParams) -> Result<Option<SemanticTokensResult>> {
        let state = Arc::clone(&self.state);
        let answer = self.state.ask(&params.text_document.uri, move |view| {
            let data = Arc::new(answers::tokens(view, semantic_tokens::semantic_tokens(&view.analysis, None)));
            let (id, _) = state.keep_tokens(view.analysis.path(), &data, None);
            Ok(SemanticTokens { result_id: Some(id), data: data.to_vec() })
        });
        answer.await.map(|tokens| Some(SemanticTokensResult::Tokens(tokens)))
    }

    async fn semantic_tokens_full_delta(
        &self,
        params: SemanticTokensDeltaParams,
    ) -> Result<Option<SemanticTokensFullDeltaResult>> {
        let state = Arc::clone(&self.state);
        let previous = params.previous_result_id;
        let answer = self.state.ask(&params.text_document.uri, move |view| {
            let data = Arc::new(answers::tokens(view, semantic_tokens::semantic_tokens(&view.analysis, None)));
            let (id, before) = state.keep_tokens(view.analysis.path(), &data, Some(&previous));
            Ok(match before {
                Some(before) => SemanticTokensFullDeltaResult::TokensDelta(SemanticTokensDelta {
                    result_id: Some(id),
                    edits: answers::token_edits(&before, &data),
                }),
                None => {
                    SemanticTokensFullDeltaResult::Tokens(SemanticTokens { result_id: Some(id), data: data.to_vec() })
                }
            })
        });
        answer.await.map(Some)
    }

    async fn semantic_tokens_range(
        &self,
        params: SemanticTokensRangeParams,
    ) -> Result<Option<SemanticTokensRangeResult>> {
        let answer = self.state.ask(&params.text_document.uri, move |view| {
            let span = view.span(params.range);
            let data = answers::tokens(view, semantic_tokens::semantic_tokens(&view.analysis, Some(span)));
            Ok(SemanticTokens { result_id: None, data })
        });
        answer.await.map(|tokens| Some(SemanticTokensRangeResult::Tokens(tokens)))
    }

    async fn goto_definition(&self, params: GotoDefinitionParams) -> Result<Option<GotoDefinitionResponse>> {
        let at = params.text_document_position_params;
        self.state.ask(&at.text_document.uri, move |view| Ok(answers::definition(view, at.position))).await
    }

    async fn references(&self, params: ReferenceParams) -> Result<Option<Vec<Location>>> {
        let at = params.text_document_position;
        let definition = params.context.include_declaration;
        let answer = self.state.ask(&at.text_document.uri, move |view| {
            let (world, cancel, offset) = (&view.asked.world, &view.asked.cancel, view.offset(at.position));
            let found = navigation::references(world, &view.analysis, offset, definition, cancel);
            Ok(answers::locations(view.asked, &found.map_err(|_| moved_on())?))
        });
        answer.await.map(Some)
    }

    /// The hierarchy of "calls" is that of imports: who imports a recipe, and what it imports.
    async fn prepare_call_hierarchy(
        &self,
        params: CallHierarchyPrepareParams,
    ) -> Result<Option<Vec<CallHierarchyItem>>> {
        let at = params.text_document_position_params;
        let answer = self.state.ask(&at.text_document.uri, move |view| {
            let meant = imports::meant(&view.analysis, view.offset(at.position));
            Ok(answers::recipe_item(view.asked, &meant).map(|item| vec![item]))
        });
        answer.await
    }

    async fn incoming_calls(
        &self,
        params: CallHierarchyIncomingCallsParams,
    ) -> Result<Option<Vec<CallHierarchyIncomingCall>>> {
        let answer = self.state.ask_all(move |asked| answers::importers(asked, &params.item));
        answer.await.map(Some)
    }

    async fn outgoing_calls(
        &self,
        params: CallHierarchyOutgoingCallsParams,
    ) -> Result<Option<Vec<CallHierarchyOutgoingCall>>> {
        let uri = params.item.uri;
        self.state.ask(&uri, move |view| Ok(Some(answers::imported(view)))).await
    }

    async fn document_highlight(&self, params: DocumentHighlightParams) -> Result<Option<Vec<DocumentHighlight>>> {
        let at = params.text_document_position_params;
        self.state.ask(&at.text_document.uri, move |view| Ok(Some(answers::highlights(view, at.position)))).await
    }

    async fn prepare_rename(&self, params: TextDocumentPositionParams) -> Result<Option<PrepareRenameResponse>> {
        let answer = self.state.ask(&params.text_document.uri, move |view| {
            let span = navigation::prepare_rename(&view.analysis, view.offset(params.position));
            Ok(span.map(|span| PrepareRenameResponse::Range(view.range(span))))
        });
        answer.await
    }

    async fn rename(&self, params: RenameParams) -> Result<Option<WorkspaceEdit>> {
        let at = params.text_document_position;
        let name = params.new_name;
        self.state.ask(&at.text_document.uri, move |view| answers::rename(view, at.position, &name)).await
    }

    async fn linked_editing_range(&self, params: LinkedEditingRangeParams) -> Result<Option<LinkedEditingRanges>> {
        let at = params.text_document_position_params;
        let answer = self.state.ask(&at.text_document.uri, move |view| {
            let spans = navigation::linked_editing(&view.analysis, view.offset(at.position));
            let ranges = |spans: Vec<_>| spans.into_iter().map(|span| view.range(span)).collect();
            Ok(spans.map(|spans| LinkedEditingRanges { ranges: ranges(spans), word_pattern: None }))
        });
        answer.await
    }

    async fn document_link(&self, params: DocumentLinkParams) -> Result<Option<Vec<DocumentLink>>> {
        self.state.ask(&params.text_document.uri, move |view| Ok(Some(answers::links(view)))).await
    }

    async fn formatting(&self, params: DocumentFormattingParams) -> Result<Option<Vec<TextEdit>>> {
        let answer = self
            .state
            .ask(&params.text_document.uri, move |view| Ok(view.text_edits(formatting::document(&view.analysis))));
        answer.await.map(Some)
    }

    async fn range_formatting(&self, params: DocumentRangeFormattingParams) -> Result<Option<Vec<TextEdit>>> {
        let answer = self.state.ask(&params.text_document.uri, move |view| {
            Ok(view.text_edits(formatting::range(&view.analysis, view.span(params.range))))
        });
        answer.await.map(Some)
    }

    async fn on_type_formatting(&self, params: DocumentOnTypeFormattingParams) -> Result<Option<Vec<TextEdit>>> {
        let at = params.text_document_position;
        let typed = params.ch.chars().next();
        let answer = self.state.ask(&at.text_document.uri, move |view| {
            let edits = typed.map(|typed| formatting::on_type(&view.analysis, view.offset(at.position), typed));
            Ok(view.text_edits(edits.unwrap_or_default()))
        });
        answer.await.map(Some)
    }
}
