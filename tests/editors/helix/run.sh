#!/usr/bin/env bash
# Helix in a terminal of tmux, with the files of editors/helix, set up as its README says.
#   BITMILL_HELIX     the program (hx on the path)
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../common.sh"
hx=${BITMILL_HELIX:-$(command -v hx || true)}
[ -x "$hx" ] || skip "Helix is not here; nothing installs it for this system but its own releases"
command -v tmux >/dev/null || debian tmux || skip "there is no tmux"
command -v "${CC:-cc}" >/dev/null || skip "there is no C compiler"

export HOME=$editors/helix-home
export XDG_CONFIG_HOME=$HOME/.config XDG_CACHE_HOME=$HOME/.cache XDG_STATE_HOME=$HOME/.state
rm -rf "$HOME"
mkdir -p "$XDG_CONFIG_HOME"/helix/runtime/{grammars,queries} "$HOME/bin"
ln -s "$(realpath "$bitmill")" "$HOME/bin/bitmill"
export PATH=$HOME/bin:$PATH
# Only this grammar is built: the others would be fetched.
{
  echo 'use-grammars = { only = ["bitmill"] }'
  sed "s|/path/to/bitmill|$root|" "$root/editors/helix/languages.toml"
} >"$XDG_CONFIG_HOME/helix/languages.toml"
cp -r "$root/editors/helix/queries/bitmill" "$XDG_CONFIG_HOME/helix/runtime/queries/"
printf '[editor.lsp]\ndisplay-inlay-hints = true\n[editor.inline-diagnostics]\ncursor-line = "hint"\n' >"$XDG_CONFIG_HOME/helix/config.toml"
"$hx" --grammar build
health=$("$hx" --health bitmill)
for line in 'bitmill: .*/bitmill' 'Tree-sitter parser: ✓' 'Highlight queries: ✓' 'Indent queries: ✓'; do
  sed 's/\x1b\[[0-9;]*m//g' <<<"$health" | grep -q "$line" || { echo "Helix does not find everything: $health" >&2; exit 1; }
done

workspace "$editors/workspace-helix"
cd "$editors/workspace-helix"
tmux=(tmux -L "bitmill-helix-$$" -f /dev/null)
trap '"${tmux[@]}" kill-server 2>/dev/null || true' EXIT
"${tmux[@]}" new-session -d -x 120 -y 40 "env LC_ALL=C.UTF-8 TERM=tmux-256color '$hx' recipe.bitmill"

screen() { "${tmux[@]}" capture-pane -p; }
keys() { "${tmux[@]}" send-keys "$@"; sleep 0.3; }
# Waits until the screen shows something: until REGULAR-EXPRESSION
until_shown() {
  for _ in $(seq 200); do
    screen | grep -qE "$1" && { echo "ok: $2"; return; }
    sleep 0.1
  done
  echo "FAILED: $2: no /$1/ on" >&2
  screen >&2
  exit 1
}

until_shown 'linear => int4 per-group\(48\)' "opens"
until_shown 'conv   => w8.* to .*B' "shows sizes behind rules"
keys ']' d
until_shown '48.*(divide|whole)' "shows findings"
keys Space a
until_shown 'per-group\([0-9]+\)' "offers fixes"
keys Enter
until_shown 'linear => int4 per-group\((16|24|32|64)\)' "applies a fix"
keys Space k
until_shown 'bits per weight|weights' "tells what stands under the cursor"
keys Escape
keys g g
keys / 'w8' Enter
keys Escape
keys Space r
keys C-u
keys -l 'eight'
keys Enter
until_shown 'scheme eight = int8' "renames a definition"
until_shown 'conv   => eight' "renames uses"
keys g e
keys o
keys -l 'embedding   =>  lut4 per-gr'
until_shown 'per-grouped-channel' "completes"
keys -l 'ouped-channel(16)'
keys Escape
keys Escape
keys -l ':format'
keys Enter
until_shown 'embedding +=> lut4 per-grouped-channel\(16\)' "formats"
keys -l ':write'
keys Enter
until_shown 'written' "writes"
keys -l ':quit'
keys Enter
"$bitmill" fmt --check recipe.bitmill
echo "Helix $("$hx" --version | cut -d' ' -f2): all passed"
