//! Starts `bitmill lsp` for recipes in Zed.

use zed_extension_api::settings::LspSettings;
use zed_extension_api::{self as zed, Command, LanguageServerId, Result, Worktree, serde_json};

struct Bitmill;

impl zed::Extension for Bitmill {
    fn new() -> Self {
        Bitmill
    }

    /// The program that the settings name, else the one on the `PATH`.
    fn language_server_command(&mut self, id: &LanguageServerId, worktree: &Worktree) -> Result<Command> {
        let binary = LspSettings::for_worktree(id.as_ref(), worktree)?.binary;
        let named = binary.as_ref().and_then(|binary| binary.path.clone());
        let command = named.or_else(|| worktree.which("bitmill"));
        let command =
            command.ok_or("`bitmill` is not on the PATH; `lsp.bitmill.binary.path` in the settings names it")?;
        let args = binary.and_then(|binary| binary.arguments).unwrap_or_else(|| vec!["lsp".to_string()]);
        Ok(Command { command, args, env: worktree.shell_env() })
    }

    /// The settings `lsp.bitmill.settings`: model, modelSearchPaths, severity, inlayHints.
    fn language_server_workspace_configuration(
        &mut self,
        id: &LanguageServerId,
        worktree: &Worktree,
    ) -> Result<Option<serde_json::Value>> {
        let settings = LspSettings::for_worktree(id.as_ref(), worktree)?.settings;
        Ok(Some(serde_json::json!({ "bitmill": settings.unwrap_or_default() })))
    }
}

zed::register_extension!(Bitmill);
