#!/usr/bin/env bash
# Prints the path of a Python >= 3.12 that really runs and can make a virtual environment; explains itself otherwise.
# A name on PATH proves nothing: pyenv puts a shim there for versions that are installed but not active.
set -u

usable() {
    "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 12))' >/dev/null 2>&1
}

if [ -n "${PYTHON:-}" ]; then
    if usable "$PYTHON"; then
        command -v "$PYTHON"
        exit 0
    fi
    echo "PYTHON=$PYTHON does not run, is older than 3.12, or lacks the modules venv and ensurepip." >&2
    exit 1
fi

candidates=(python3.12 python3.13)
if command -v pyenv >/dev/null 2>&1; then
    root="$(pyenv root 2>/dev/null)"
    for python in "$root"/versions/3.12*/bin/python "$root"/versions/3.13*/bin/python; do
        [ -x "$python" ] && candidates+=("$python")
    done
fi
candidates+=(python3 python)

for python in "${candidates[@]}"; do
    if usable "$python"; then
        command -v "$python"
        exit 0
    fi
done

cat >&2 <<'MESSAGE'
This project needs Python 3.12 or newer (LeRobot does), with its venv module, and found none that runs.
Any one of these gives you one; then run make again:
    Debian, Ubuntu   sudo apt install python3.12 python3.12-venv
    Fedora           sudo dnf install python3.12
    macOS            brew install python@3.12
    pyenv            pyenv install 3.12
    uv               uv python install 3.12, then  make PYTHON="$(uv python find 3.12)" …
    conda            conda create -n py312 python=3.12, then  make PYTHON=…/envs/py312/bin/python …
If it is installed where PATH does not lead:  make PYTHON=/path/to/python3.12 …
MESSAGE
exit 1
