#!/usr/bin/env bash
# Visual Studio Code: the packaged extension, tested in its extension host and on the screen.
#   run.sh [host|screen]      both if none is named
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../common.sh"
"$here/vscode/install.sh" "$editors/vscode" || exit $?

extension=$root/editors/vscode
cd "$extension"
if ! cmp -s package-lock.json node_modules/.package-lock-of; then
  npm ci --no-audit --no-fund --loglevel=error || skip "the extension's packages cannot be installed"
  cp package-lock.json node_modules/.package-lock-of
fi
npm run --silent check
npm run --silent lint
package=$editors/bitmill.vsix
npm run --silent package -- --out "$package" >/dev/null
CHROMIUM=${CHROMIUM:-$(command -v chromium)}
export CHROMIUM
[ $# -gt 0 ] || set -- host screen
for test in "$@"; do
  workspace "$editors/workspace-vscode"
  node "$here/vscode/$test.mjs" "$editors/vscode" "$package" "$editors/workspace-vscode" "$bitmill"
done
