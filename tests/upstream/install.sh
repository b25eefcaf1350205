#!/usr/bin/env bash
# Makes a Python environment with the upstream tools that tests compare against: install.sh DIRECTORY
set -euo pipefail
directory=${1:?usage: install.sh DIRECTORY}
requirements="$(dirname "${BASH_SOURCE[0]}")/requirements.txt"
if [ -e "$directory/installed" ] && cmp -s "$requirements" "$directory/installed"; then
  exit 0
fi
command -v python3 >/dev/null || { echo "there is no python3" >&2; exit 1; }
python3 -m venv "$directory"
"$directory/bin/pip" install --quiet --disable-pip-version-check -r "$requirements"
cp "$requirements" "$directory/installed"
