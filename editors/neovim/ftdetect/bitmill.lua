vim.filetype.add({ extension = { bitmill = 'bitmill' } })
