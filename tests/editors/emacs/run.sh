#!/usr/bin/env bash
# Emacs in batch mode, with the files of editors/emacs and Eglot.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../common.sh"
if ! command -v emacs >/dev/null; then
  debian emacs-nox elpa-eglot || skip "Emacs cannot be installed"
fi
# Eglot is part of Emacs 29; before, Debian packages it where -Q does not look.
load=(-L "$root/editors/emacs")
for directory in /usr/share/emacs/site-lisp/elpa/*/; do load+=(-L "$directory"); done
emacs -Q --batch "${load[@]}" --eval '(require (quote eglot))' 2>/dev/null || debian elpa-eglot || skip "Eglot cannot be installed"
load=(-L "$root/editors/emacs")
for directory in /usr/share/emacs/site-lisp/elpa/*/; do load+=(-L "$directory"); done
elisp=$editors/emacs-compiled
mkdir -p "$elisp"
rm -f "$elisp"/*
cp "$root"/editors/emacs/*.el "$elisp"
emacs -Q --batch -L "$elisp" --eval '(setq byte-compile-error-on-warn t)' -f batch-byte-compile "$elisp"/*.el
echo "ok    compiles without warnings"
workspace "$editors/workspace-emacs"
cd "$editors/workspace-emacs"
# Eglot asks whether a directory is a project.
git init -q .
BITMILL_BIN=$bitmill timeout 300 emacs -Q --batch "${load[@]}" -l "$here/emacs/test.el"
