-- The server is started for every recipe, unless `vim.g.bitmill_lsp` is false.
if vim.g.bitmill_lsp ~= false and vim.lsp.enable then
  vim.lsp.enable('bitmill')
end

---Asks the server of a buffer to execute a command, and hands on what it answers.
---@param buffer integer
---@param command string
---@param arguments any[]
---@param done fun(answer: any)
local function execute(buffer, command, arguments, done)
  local client = vim.lsp.get_clients({ name = 'bitmill', bufnr = buffer })[1]
  if client == nil then
    vim.notify('no bitmill server is attached to this buffer', vim.log.levels.ERROR)
    return
  end
  local params = { command = command, arguments = arguments }
  client:request('workspace/executeCommand', params, function(failure, answer)
    if failure ~= nil then
      vim.notify(failure.message, vim.log.levels.ERROR)
    else
      done(answer)
    end
  end, buffer)
end

---Shows text in a window of its own.
---@param name string
---@param filetype string
---@param text any
local function show(name, filetype, text)
  local content = type(text) == 'string' and text or vim.inspect(text)
  local buffer = vim.fn.bufnr('^' .. vim.fn.escape(name, '\\.*[]?{},') .. '$')
  if buffer < 0 then
    buffer = vim.api.nvim_create_buf(false, true)
    vim.api.nvim_buf_set_name(buffer, name)
  end
  vim.bo[buffer].modifiable = true
  vim.api.nvim_buf_set_lines(buffer, 0, -1, false, vim.split(content, '\n', { trimempty = true }))
  vim.bo[buffer].modifiable = false
  vim.bo[buffer].filetype = filetype
  if vim.fn.bufwinid(buffer) < 0 then
    vim.api.nvim_open_win(buffer, false, { split = 'right' })
  end
end

---What is done for a command of the server: for code lenses and for the commands below.
---@type table<string, fun(buffer: integer, arguments: any[])>
local commands = {
  ['bitmill.plan'] = function(buffer, arguments)
    execute(buffer, 'bitmill.plan', arguments, function(answer)
      show('bitmill-plan://' .. vim.uri_to_fname(arguments[1]), '', answer)
    end)
  end,
  ['bitmill.run'] = function(buffer, arguments)
    execute(buffer, 'bitmill.run', arguments, function(answer)
      if type(answer) == 'string' then
        vim.notify(answer)
      end
    end)
  end,
  ['bitmill.explain'] = function(buffer, arguments)
    execute(buffer, 'bitmill.explain', arguments, function(answer)
      show('bitmill-page://' .. arguments[2], 'markdown', answer)
    end)
  end,
}

for name, run in pairs(commands) do
  vim.lsp.commands[name] = function(command, context)
    run(context.bufnr, command.arguments)
  end
end

local function here()
  local buffer = vim.api.nvim_get_current_buf()
  return buffer, vim.uri_from_bufnr(buffer)
end

vim.api.nvim_create_user_command('BitmillPlan', function()
  local buffer, uri = here()
  commands['bitmill.plan'](buffer, { uri })
end, { desc = 'Show what becomes of every weight' })

vim.api.nvim_create_user_command('BitmillRun', function()
  vim.cmd('silent update')
  local buffer, uri = here()
  commands['bitmill.run'](buffer, { uri })
end, { desc = 'Quantize the model of this recipe' })

vim.api.nvim_create_user_command('BitmillExplain', function(options)
  local buffer, uri = here()
  local line = vim.api.nvim_win_get_cursor(0)[1] - 1
  local finding = vim.diagnostic.get(buffer, { lnum = line })[1]
  local word = options.args ~= '' and options.args or finding and finding.code or vim.fn.expand('<cword>')
  commands['bitmill.explain'](buffer, { uri, word })
end, { nargs = '?', desc = 'Explain a code, or the finding on this line' })

vim.api.nvim_create_user_command('BitmillModel', function(options)
  local buffer, uri = here()
  execute(buffer, 'bitmill.pickModel', { uri, vim.fn.fnamemodify(options.args, ':p') }, function() end)
end, { nargs = 1, complete = 'file', desc = 'Take another model for this recipe' })
