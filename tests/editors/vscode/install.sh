#!/usr/bin/env bash
# Installs Visual Studio Code as code-server, Chromium and Playwright: install.sh DIRECTORY
# code-server's own install script downloads from elsewhere, so its native modules are built here against the headers
# of the node at hand. 4.100.3 (VS Code 1.100.3) is the newest for node 20.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../common.sh"
directory=${1:?directory to install into}
version=4.100.3
playwright=1.65.1
[ ! -e "$directory/installed-$version" ] || exit 0

command -v npm >/dev/null || skip "npm is not installed"
node=$(readlink -f "$(command -v node)")
prefix=$(dirname "$(dirname "$node")")
[ -f "$prefix/include/node/node.h" ] || skip "the headers of node are not under $prefix"
for tool in chromium rg; do
  command -v $tool >/dev/null || debian chromium fonts-dejavu-core ripgrep || skip "$tool is not installed"
done
debian libkrb5-dev libxkbfile-dev libsecret-1-dev pkg-config || true
gyp=$(npm root -g)/npm/node_modules/node-gyp/bin/node-gyp.js

mkdir -p "$directory"
cd "$directory"
[ -f package.json ] || echo '{"private":true}' >package.json
quiet=(--ignore-scripts --no-audit --no-fund --loglevel=error)
npm install "code-server@$version" "playwright-core@$playwright" "${quiet[@]}" || skip "code-server cannot be fetched"
code=$directory/node_modules/code-server/lib/vscode
(cd "$code" && npm install --omit=dev "${quiet[@]}") || skip "what code-server needs cannot be fetched"
(cd "$code/extensions" && npm install --omit=dev "${quiet[@]}") || skip "what code-server needs cannot be fetched"

build() { # build MODULE [node-gyp arguments]
  local module=$1
  shift
  [ -f "$module/binding.gyp" ] || return 0
  (cd "$module" && node "$gyp" rebuild --nodedir="$prefix" "$@" >build.log 2>&1) || {
    tail -20 "$module/build.log" >&2
    skip "$module does not build"
  }
}
for module in @vscode/spdlog node-pty @parcel/watcher native-watchdog kerberos @vscode/deviceid; do
  build "$code/node_modules/$module"
done
argon=$directory/node_modules/argon2
[ -d "$argon" ] || argon=$directory/node_modules/code-server/node_modules/argon2
[ -d "$argon/prebuilds" ] ||
  build "$argon" --module_name=argon2 --module_path="$argon/lib/binding/napi-v3" --napi_build_version=3
if [ -d "$code/node_modules/@vscode/ripgrep" ]; then
  mkdir -p "$code/node_modules/@vscode/ripgrep/bin"
  ln -sf "$(command -v rg)" "$code/node_modules/@vscode/ripgrep/bin/rg"
fi
ln -sfn node_modules "$code/node_modules.asar"
node node_modules/code-server/out/node/entry.js --config /dev/null --version
touch "$directory/installed-$version"
