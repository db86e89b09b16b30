#!/usr/bin/env bash
# Runs test files side by side, since they wait more than they work. What one printed comes whole when it ends.
# usage: side-by-side.sh FILES_AT_ONCE TESTS_AT_ONCE NAME...   (tests at once in each file; names as cargo's --test takes them)
set -euo pipefail

one() {
    local tests=$1 name=$2 status=0 log
    log=$(mktemp)
    cargo test --locked --workspace --no-fail-fast --test "$name" -- --test-threads="$tests" >"$log" 2>&1 || status=$?
    # One write, so that two files that end together do not mix.
    printf '%s\n' "$(cat "$log")"
    rm -f "$log"
    if ((status != 0)); then
        echo "side-by-side.sh: $name failed"
    fi
    return "$status"
}
export -f one

files=${1:?files at once} tests=${2:?tests at once}
shift 2
printf '%s\n' "$@" | sort -u | xargs -P "$files" -I{} bash -c 'one "$@"' one "$tests" {}
