-- As a user's init.lua would say it.
vim.opt.runtimepath:append(vim.env.BITMILL_RUNTIME)
if (vim.env.BITMILL_PARSER or '') ~= '' then
  vim.opt.runtimepath:append(vim.env.BITMILL_PARSER)
end
vim.g.bitmill_path = vim.env.BITMILL_BIN
vim.cmd('filetype plugin on | syntax on')
