#!/usr/bin/env bash
# Installs the Debian packages whose programs are missing: packages.sh PROGRAM:PACKAGE...
# A PROGRAM with a slash is a file, and may be a pattern. Does nothing, and needs no rights, when all are there.
set -euo pipefail

readonly APT_SECONDS=600 # a slow mirror is slower than this only when it is down

missing=()
for pair in "$@"; do
    program=${pair%%:*}
    package=${pair##*:}
    if [[ $program == */* ]]; then
        compgen -G "$program" >/dev/null || missing+=("$package")
    else
        command -v "$program" >/dev/null || missing+=("$package")
    fi
done
if ((${#missing[@]} == 0)); then
    exit 0
fi

if ! command -v apt-get >/dev/null; then
    echo "missing: ${missing[*]} (Debian package names); install them and try again" >&2
    exit 1
fi
as_root=()
if ((EUID != 0)); then
    if ! command -v sudo >/dev/null; then
        echo "missing: ${missing[*]}; as root: apt-get install ${missing[*]}" >&2
        exit 1
    fi
    as_root=(sudo)
fi
echo "installing ${missing[*]}"
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive timeout "$APT_SECONDS" apt-get -qq -o Acquire::Retries=3)
"${apt[@]}" update
"${apt[@]}" install --yes --no-install-recommends "${missing[@]}"
