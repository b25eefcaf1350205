local SECONDS = 10

---Waits until an answer is there.
local function until_(what, ask)
  local answer
  local came = vim.wait(SECONDS * 1000, function()
    answer = ask()
    return answer ~= nil and answer ~= false
  end, 20)
  assert(came, ('waited %d s for %s'):format(SECONDS, what))
  return answer
end

local function open()
  vim.cmd('silent! %bwipeout!')
  vim.cmd.edit('recipe.bitmill')
  return vim.api.nvim_get_current_buf()
end

local function client(buffer)
  return until_('the server', function()
    local found = vim.lsp.get_clients({ name = 'bitmill', bufnr = buffer })[1]
    return found and found.initialized and found or nil
  end)
end

local function wrong(buffer)
  return vim.iter(vim.diagnostic.get(buffer)):find(function(finding)
    return finding.code == 'affine-block-divides'
  end)
end

local function text(buffer)
  return table.concat(vim.api.nvim_buf_get_lines(buffer, 0, -1, false), '\n')
end

local function at(line, column)
  vim.api.nvim_win_set_cursor(0, { line, column })
end

---Asks the server about the cursor.
local function ask(buffer, method, more)
  local params = vim.lsp.util.make_position_params(0, client(buffer).offset_encoding)
  local answer = client(buffer):request_sync(method, vim.tbl_extend('force', params, more or {}), SECONDS * 1000, buffer)
  assert(answer and not answer.err, method .. ': ' .. vim.inspect(answer))
  return answer.result
end

local tests = {}

table.insert(tests, { 'knows the filetype', function()
  local buffer = open()
  assert(vim.bo[buffer].filetype == 'bitmill', vim.bo[buffer].filetype)
  assert(vim.bo[buffer].commentstring == '# %s')
end })

table.insert(tests, { 'highlights', function()
  local buffer = open()
  if (vim.env.BITMILL_PARSER or '') ~= '' then
    assert(vim.treesitter.highlighter.active[buffer], 'tree-sitter is not active')
    vim.treesitter.get_parser(buffer):parse(true)
    local seen = {}
    for _, place in ipairs({ { 0, 0 }, { 1, 8 }, { 5, 0 }, { 6, 10 } }) do
      local captures = vim.treesitter.get_captures_at_pos(buffer, place[1], place[2])
      table.insert(seen, captures[1] and captures[1].capture or 'none')
    end
    assert(vim.deep_equal(seen, { 'keyword', 'constant.builtin', 'type', 'type.builtin' }), vim.inspect(seen))
  else
    local seen = {}
    for _, place in ipairs({ { 1, 1 }, { 2, 8 }, { 6, 1 }, { 7, 11 }, { 8, 2 } }) do
      table.insert(seen, vim.fn.synIDattr(vim.fn.synID(place[1], place[2], 1), 'name'))
    end
    local wanted = { 'bitmillStatement', 'bitmillTarget', 'bitmillKind', 'bitmillBase', 'bitmillString' }
    assert(vim.deep_equal(seen, wanted), vim.inspect(seen))
  end
end })

table.insert(tests, { 'finds what is wrong, and mends it', function()
  local buffer = open()
  local finding = until_('a finding', function() return wrong(buffer) end)
  assert(finding.lnum == 6 and finding.severity == vim.diagnostic.severity.ERROR, vim.inspect(finding))
  at(7, finding.col)
  vim.lsp.buf.code_action({
    apply = true,
    filter = function(action) return action.title:find('per-group(32)', 1, true) ~= nil end,
  })
  until_('the fix', function() return text(buffer):find('per-group(32)', 1, true) end)
  until_('no finding', function() return wrong(buffer) == nil end)
end })

table.insert(tests, { 'completes', function()
  local buffer = open()
  at(4, #'scheme w8 = int8 ')
  local answer = ask(buffer, 'textDocument/completion')
  local items = answer.items or answer
  local found = vim.iter(items):find(function(item) return vim.startswith(item.label, 'per-channel') end)
  assert(found, vim.inspect(vim.tbl_map(function(item) return item.label end, items)))
end })

table.insert(tests, { 'hovers', function()
  local buffer = open()
  at(6, 1)
  local answer = ask(buffer, 'textDocument/hover')
  assert(vim.inspect(answer):find('weight'), vim.inspect(answer))
end })

table.insert(tests, { 'shows sizes behind rules', function()
  local buffer = open()
  client(buffer)
  vim.lsp.inlay_hint.enable(true, { bufnr = buffer })
  until_('hints', function() return #vim.lsp.inlay_hint.get({ bufnr = buffer }) > 0 end)
end })

table.insert(tests, { 'formats', function()
  local buffer = open()
  client(buffer)
  vim.api.nvim_buf_set_lines(buffer, 5, 6, false, { 'conv=>w8' })
  vim.lsp.buf.format({ name = 'bitmill', timeout_ms = SECONDS * 1000 })
  assert(text(buffer):find('conv   => w8', 1, true), text(buffer))
end })

table.insert(tests, { 'renames', function()
  local buffer = open()
  client(buffer)
  at(6, 11)
  vim.lsp.buf.rename('w8b', { name = 'bitmill' })
  until_('the new name', function() return select(2, text(buffer):gsub('w8b', '')) == 2 end)
end })

table.insert(tests, { 'shows the plan', function()
  local buffer = open()
  client(buffer)
  vim.cmd.BitmillPlan()
  until_('the plan', function()
    return vim.iter(vim.api.nvim_list_bufs()):find(function(other)
      return vim.api.nvim_buf_get_name(other):find('bitmill-plan', 1, true) and text(other):find('per-channel', 1, true)
    end)
  end)
end })

local failed = 0
for _, test in ipairs(tests) do
  local start = vim.uv.hrtime()
  local ok, why = xpcall(test[2], debug.traceback)
  local took = math.floor((vim.uv.hrtime() - start) / 1e6)
  io.stdout:write(ok and ('ok    %s (%d ms)\n'):format(test[1], took) or ('FAIL  %s\n%s\n'):format(test[1], why))
  failed = failed + (ok and 0 or 1)
end
vim.cmd(failed == 0 and 'qall!' or 'cquit!')
