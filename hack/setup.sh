#!/usr/bin/env bash
# Makes the virtual environment .venv from uv.lock. Does nothing when it is there and the lock file has not changed.
set -euo pipefail
cd "$(dirname "$0")/.."

stamp=.venv/.made-from
wanted=$(sha256sum uv.lock pyproject.toml | sha256sum | cut -d' ' -f1)
if [[ -f $stamp && $(cat "$stamp") == "$wanted" ]]; then
  exit 0
fi

python=${PYTHON:-python3}
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  echo "Python 3.11 or newer is needed; set PYTHON to it" >&2
  exit 1
fi
if ! "$python" -c 'import ensurepip' 2>/dev/null; then
  echo "Python's venv module is missing; run: sudo apt-get install python3-venv" >&2
  exit 1
fi

echo "making .venv from uv.lock"
uv=build/bootstrap/bin/uv
if [[ ! -x $uv ]]; then
  "$python" -m venv build/bootstrap
  build/bootstrap/bin/pip install --quiet --disable-pip-version-check "uv>=0.9"
fi
UV_PYTHON_DOWNLOADS=never "$uv" sync --quiet --frozen --python "$("$python" -c 'import sys; print(sys.executable)')"
echo "$wanted" >"$stamp"
