#!/usr/bin/env bash
# Go for the test programs that are written in it: the machine's own, else the one that the lock file names, in .venv.
set -euo pipefail
cd "$(dirname "$0")/.."

if PATH="$PWD/.venv/bin:$PATH" command -v go >/dev/null; then
  exit 0
fi
echo "no Go here: installing it into .venv"
UV_PYTHON_DOWNLOADS=never build/bootstrap/bin/uv sync --quiet --frozen --inexact --group go
