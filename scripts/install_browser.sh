#!/usr/bin/env bash
# install_browser.sh: Debian's Chromium, for the test that opens the page of `dp-plus steer` as a person would. Where it is
# there already, or cannot be installed, nothing happens and the exit status is 0: that test then says why it is skipped.
set -uo pipefail
for program in chromium chromium-browser google-chrome; do
    command -v "$program" >/dev/null && exit 0
done
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "browser: none, and only root can install one with apt-get; its test is skipped"
    exit 0
fi
export DEBIAN_FRONTEND=noninteractive
if timeout 600 bash -c 'apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core' \
    >/dev/null 2>&1; then
    echo "browser: $(chromium --version 2>/dev/null | head -n 1)"
else
    echo "browser: apt-get could not install chromium; its test is skipped"
fi
exit 0
