#!/usr/bin/env bash
# check_package.sh: builds sdist and wheel, installs the wheel as a user would into a fresh environment for each Python >= 3.12
# that is there, in an empty folder, and tries what comes along. Prints one line for each; fails if anything does.
set -euo pipefail
cd "$(dirname "$0")/.."
checkout="$PWD"
room="$(mktemp -d)"
trap 'rm -rf "$room"' EXIT

# uv where it can reach what the build needs; pip where only that is set up.
.venv/bin/python -m build --installer uv --outdir "$room/dist" "$checkout" >"$room/build.log" 2>&1 ||
    .venv/bin/python -m build --outdir "$room/dist" "$checkout" >"$room/build.log" 2>&1 ||
    { tail -n 30 "$room/build.log"; exit 1; }
wheel="$(ls "$room"/dist/*.whl)"
echo "package: $(ls "$room/dist" | tr '\n' ' ')"

pythons=("$(.venv/bin/python -c 'import sys; print(sys._base_executable)')")
if command -v pyenv >/dev/null 2>&1; then
    for python in "$(pyenv root)"/versions/3.13*/bin/python; do [ -x "$python" ] && pythons+=("$python"); done
elif command -v python3.13 >/dev/null 2>&1; then
    pythons+=(python3.13)
fi
for python in "${pythons[@]}"; do
    version="$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
    "$python" -m venv "$room/$version"
    .venv/bin/uv pip install --quiet --python "$room/$version/bin/python" --constraint constraints.txt "$wheel" ||
        "$room/$version/bin/python" -m pip install --quiet --disable-pip-version-check --constraint constraints.txt "$wheel"
    mkdir "$room/empty-$version"
    (cd "$room/empty-$version" && env -u PYTHONPATH PATH="$room/$version/bin:$PATH" HF_HUB_OFFLINE=1 \
        "$room/$version/bin/python" "$checkout/scripts/try_package.py")
    rm -rf "${room:?}/$version"
    echo "package: Python $version, installed and tried"
done
