#!/usr/bin/env bash
# Checks the scopes that the TextMate grammar gives, as VS Code does it.
#   run.sh DIRECTORY      where to install vscode-tmgrammar-test
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
directory=${1:?directory to install into}
tool="$directory/node_modules/.bin/vscode-tmgrammar-test"
if [ ! -x "$tool" ]; then
  mkdir -p "$directory"
  [ -f "$directory/package.json" ] || echo '{"private":true}' >"$directory/package.json"
  npm install --prefix "$directory" --no-audit --no-fund --loglevel=error vscode-tmgrammar-test@0.1.3 >&2
fi
"$tool" --compact --grammar "$here/../../../grammar/bitmill.tmLanguage.json" "$here/*.bitmill"
