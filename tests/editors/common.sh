# Sourced by the scripts here.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
# Where editors are installed, and what they write.
editors=${BITMILL_EDITORS:-$root/target/editors}
bitmill=${BITMILL_BIN:-${CARGO_TARGET_DIR:-$root/target}/debug/bitmill}

# Ends a script that cannot do its work here.
skip() {
  echo "SKIPPED: $*" >&2
  exit 77
}

# Installs Debian packages where that is possible.
debian() {
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
  { apt-get install -y -qq --no-install-recommends "$@" || { apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@"; }; } >/dev/null 2>&1
}

# A fresh workspace with a recipe and the model that it names: workspace DIRECTORY
workspace() {
  rm -rf "$1"
  mkdir -p "$1/models"
  cp "$here"/workspace/*.bitmill "$1"
  cp "$root/examples/models/digits.safetensors" "$1/models"
}

# A program that is not there or does not start is a failure, not an editor that is missing.
"$bitmill" lsp --help >/dev/null || { echo "$bitmill does not run; BITMILL_BIN names one that does" >&2; exit 1; }
