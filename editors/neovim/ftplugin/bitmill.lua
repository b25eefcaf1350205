vim.bo.commentstring = '# %s'
vim.bo.comments = ':#'
vim.bo.expandtab = true
vim.bo.shiftwidth = 2
vim.bo.softtabstop = 2
-- Names of schemes and kinds have hyphens.
vim.bo.iskeyword = '@,48-57,192-255,_,-'
vim.b.undo_ftplugin = 'setlocal commentstring< comments< expandtab< shiftwidth< softtabstop< iskeyword<'

-- With the parser of grammar/tree-sitter-bitmill; syntax/bitmill.vim is there without it.
if vim.treesitter.language.add('bitmill') then
  vim.treesitter.start()
  vim.wo[0][0].foldexpr = 'v:lua.vim.treesitter.foldexpr()'
  vim.b.undo_ftplugin = vim.b.undo_ftplugin .. ' | setlocal foldexpr< | lua vim.treesitter.stop()'
end
