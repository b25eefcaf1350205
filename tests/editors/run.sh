#!/usr/bin/env bash
# Drives a real bitmill from real editors: run.sh [EDITOR]...     vscode, neovim, emacs, helix; all of them if none is named
#   BITMILL_BIN       the program (target/debug/bitmill)
#   BITMILL_EDITORS   where editors are installed (target/editors)
# An editor that cannot be installed here is skipped, aloud. Exit status: 0, or 1 if a test failed.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ $# -gt 0 ] || set -- neovim emacs helix vscode
failed=0
for editor in "$@"; do
  echo "== $editor"
  timeout 600 "$here/$editor/run.sh"
  status=$?
  if [ "$editor" = vscode ] && [ $status != 0 ] && [ $status != 77 ]; then
    # A browser on a busy machine may be late; what is wrong is so twice.
    echo "AGAIN: $editor ($status)" >&2
    timeout 600 "$here/$editor/run.sh"
    status=$?
  fi
  [ $status = 0 ] || [ $status = 77 ] || { echo "FAILED: $editor ($status)" >&2; failed=1; }
done
exit $failed
