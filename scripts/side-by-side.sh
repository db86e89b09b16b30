#!/usr/bin/env bash
# Runs test files side by side, since they wait more than they work. What one printed comes whole when it ends. A file that fails is run
# again when the others are done, alone and one test after the other: audio in real time suffers from neighbours. It must pass then, and the
# failure before is shown with a bar in front of each line.
# usage: side-by-side.sh FILES_AT_ONCE TESTS_AT_ONCE NAME...   (tests at once in each file; names as cargo's --test takes them)
set -euo pipefail

one() {
    local tests=$1 name=$2 bar=$3 status=0 log
    log=$(mktemp)
    cargo test --locked --workspace --no-fail-fast --test "$name" -- --test-threads="$tests" >"$log" 2>&1 || status=$?
    if ((status != 0)); then
        echo "side-by-side.sh: $name failed" >>"$log"
        [[ -z $bar ]] || sed -i "s/^/$bar/" "$log"
        echo "$name" >>"$failed"
    fi
    # One write, so that two files that end together do not mix.
    printf '%s\n' "$(cat "$log")"
    rm -f "$log"
    return "$status"
}
export -f one

files=${1:?files at once} tests=${2:?tests at once}
shift 2
failed=$(mktemp)
export failed
trap 'rm -f "$failed"' EXIT
if printf '%s\n' "$@" | sort -u | xargs -P "$files" -I{} bash -c 'one "$@"' one "$tests" {} '| '; then
    exit 0
fi
mapfile -t again <"$failed"
((${#again[@]} > 0)) || exit 1
echo "side-by-side.sh: again, alone: ${again[*]}"
status=0
for name in "${again[@]}"; do
    one 1 "$name" '' || status=1
done
exit "$status"
