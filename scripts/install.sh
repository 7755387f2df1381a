#!/usr/bin/env bash
# install.sh STAMP REQUIREMENT: makes .venv where there is none, installs REQUIREMENT (this checkout, editable) into it
# with the versions of constraints.txt, and touches STAMP. uv first, for its speed; pip where uv cannot reach an index
# that only pip is configured for.
set -euo pipefail
cd "$(dirname "$0")/.."
stamp="$1"
requirement="$2"
start=$SECONDS

if ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 12))' >/dev/null 2>&1; then
    python="$(scripts/find_python.sh)"
    echo "environment: .venv with $("$python" --version) ($python)"
    "$python" -m venv --clear .venv
fi
.venv/bin/python -m pip install --quiet --disable-pip-version-check uv
echo "environment: installing $requirement"
if ! .venv/bin/uv pip install --python .venv/bin/python --constraint constraints.txt --editable "$requirement"; then
    echo "environment: uv could not; trying pip (minutes instead of seconds)"
    .venv/bin/python -m pip install --disable-pip-version-check --constraint constraints.txt --editable "$requirement"
fi
touch "$stamp"
echo "environment: ready in $((SECONDS - start)) s"
