#!/usr/bin/env bash
# Visual Studio Code: the packaged extension, tested in its extension host and on the screen.
#   run.sh [host|screen]      both if none is named
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../common.sh"
"$here/vscode/install.sh" "$editors/vscode" || exit $?

extension=$root/editors/vscode
cd "$extension"
[ -d node_modules/esbuild ] || npm ci --no-audit --no-fund --loglevel=error || skip "the extension's packages cannot be installed"
npm run --silent check
npm run --silent lint
npm run --silent package >/dev/null
[ $# -gt 0 ] || set -- host screen
for test in "$@"; do
  workspace "$editors/workspace-vscode"
  node "$here/vscode/$test.mjs" "$editors/vscode" "$extension"/bitmill-*.vsix "$editors/workspace-vscode" "$bitmill"
done
