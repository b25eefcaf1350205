---@type vim.lsp.Config
return {
  cmd = { vim.g.bitmill_path or 'bitmill', 'lsp' },
  filetypes = { 'bitmill' },
  root_markers = { '.git' },
  -- As in Visual Studio Code: model, modelSearchPaths, severity, inlayHints.
  settings = { bitmill = {} },
}
