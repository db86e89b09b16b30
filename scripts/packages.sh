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

# A package with a daemon would start it at once (PostgreSQL, Prometheus); what needs one here starts its own.
readonly POLICY=/usr/sbin/policy-rc.d
if [[ ! -e $POLICY ]]; then
    trap '"${as_root[@]}" rm -f "$POLICY"' EXIT
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$POLICY" >/dev/null
    "${as_root[@]}" chmod 755 "$POLICY"
fi
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive timeout "$APT_SECONDS" apt-get -qq -o Acquire::Retries=3)
"${apt[@]}" update
"${apt[@]}" install --yes --no-install-recommends "${missing[@]}"

# Nor at the next boot.
if [[ -d /run/systemd/system ]]; then
    for package in "${missing[@]}"; do
        for unit in $(dpkg-query --listfiles "$package" | grep -oE '[^/@]+\.service$' | sort -u); do
            "${as_root[@]}" systemctl disable --quiet "$unit"
        done
    done
fi
