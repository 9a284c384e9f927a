#!/usr/bin/env bash
# Installs the programs that tests put in front of the server and that pip cannot bring: nginx, Java, curl and a browser.
# Needs Debian's apt and root; without them it says what is missing, and the tests that need it are skipped.
set -euo pipefail

missing=()
PATH=$PATH:/usr/sbin
command -v nginx >/dev/null || missing+=(nginx-light)
command -v java >/dev/null || missing+=(default-jdk-headless)
command -v curl >/dev/null || missing+=(curl)
command -v chromium >/dev/null || missing+=(chromium)
((${#missing[@]})) || exit 0
if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
    echo "not installed, so that tests with them are skipped: ${missing[*]}" >&2
    exit 0
fi
echo "installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
if ! { apt-get update -qq && apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null; }; then
    echo "could not be installed, so that tests with them are skipped: ${missing[*]}" >&2
fi
