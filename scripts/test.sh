#!/usr/bin/env bash
# Installs what the tests need and runs all of them; each stage is named, timed and bounded.
# A new crate or test file needs no edit here: tests/real_*.rs of any crate run last, side by side since they wait more than they
# work, and tests/real_load*.rs alone, since they count what is late.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly PACKAGES=(
    cc:build-essential
    cmake:cmake
    espeak-ng:espeak-ng
    flite:flite
    sipp:sip-tester
    baresip:baresip-core
    kamailio:kamailio
    linphonec:linphone-cli
    tcpdump:tcpdump
    dnsmasq:dnsmasq-base
    openssl:openssl
    sox:sox
    valgrind:valgrind
    promtool:prometheus
    chromium:chromium
    "/usr/lib/postgresql/*/bin/initdb:postgresql"
    python3:python3
    "/usr/lib/python3*/ensurepip:python3-venv"
    "/usr/include/python3*/Python.h:python3-dev" # pesq is built from source
)

times=()
running=

# Everything that the stages print is kept too, for the sum at the end.
log=$(mktemp)
exec 3> >(tee "$log")
tee=$!
if [[ -t 1 ]]; then
    export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-always}
fi

# timeout(1) runs a stage outside the terminal's group, so Ctrl-C has to be passed on.
trap '[[ -z $running ]] || kill "$running" 2>/dev/null; exit 130' INT TERM
trap 'rm -f "$log"' EXIT

# stage NAME SECONDS COMMAND...: runs COMMAND for at most SECONDS and notes how long it took.
stage() {
    local name=$1 limit=$2 begin=$SECONDS status=0
    shift 2
    printf '\n=== %s\n' "$name" >&3
    timeout --kill-after=10 "$limit" "$@" >&3 2>&1 &
    running=$!
    wait "$running" || status=$?
    times+=("$(printf '%5d s  %s' $((SECONDS - begin)) "$name")")
    if ((status == 124)); then
        echo "$name took longer than $limit s" >&3
    fi
    if ((status != 0)); then
        summary "failed in: $name"
        exit 1
    fi
}

# The last line is the sum of what every test program counted, alone, for whoever reads it by machine.
summary() {
    exec 3>&-
    # Not for ever: a process that a failed test left behind may hold the other end.
    timeout 5 tail --pid="$tee" --follow /dev/null || true
    printf '\n=== %s, %d s\n' "$1" "$SECONDS"
    printf '%s\n' "${times[@]}"
    awk '/^test result: / { passed += $4; failed += $6 } END { printf "\n%d passed, %d failed\n", passed, failed }' "$log"
}

# The test files of every crate as cargo arguments: `real` ones need sockets, other programs and time, `plain` ones not.
real=()
load=()
plain=(--lib --bins)
for file in tests/*.rs tests/*/main.rs */tests/*.rs */tests/*/main.rs; do
    [[ -e $file ]] || continue
    name=${file%/main.rs}
    name=$(basename "$name" .rs)
    if [[ $name == real_load* ]]; then
        load+=(--test "$name")
    elif [[ $name == real_* ]]; then
        real+=("$name")
    else
        plain+=(--test "$name")
    fi
done

export CARGO_INCREMENTAL=0 RUST_BACKTRACE=${RUST_BACKTRACE:-1}

stage "packages" 900 scripts/packages.sh "${PACKAGES[@]}"
stage "python" 400 scripts/python.sh
OFFHOOK_TEST_PYTHON=$(scripts/python.sh)
export OFFHOOK_TEST_PYTHON
stage "dashboard" 900 scripts/dashboard.sh --check
OFFHOOK_TEST_NODE=$(scripts/dashboard.sh --node)
export OFFHOOK_TEST_NODE
stage "format" 60 cargo fmt --all --check
stage "clippy" 900 cargo clippy --locked --workspace --all-targets -- -D warnings
# The programs too, which the real calls and the gate start.
stage "build" 1200 cargo build --locked --workspace --all-targets
stage "tests" 600 cargo test --locked --workspace --no-fail-fast "${plain[@]}"
stage "instructions" 300 "${CARGO_TARGET_DIR:-target}/debug/benches" check
stage "documentation examples" 300 cargo test --locked --workspace --doc
stage "documentation" 600 env RUSTDOCFLAGS=-Dwarnings cargo doc --locked --workspace --no-deps
if command -v cargo-deny >/dev/null; then
    stage "licences and sources" 120 cargo deny check bans licenses sources
else
    printf '\n=== %s\n' "licences and sources: skipped, cargo-deny is not here and is long to build (make deny)" >&3
fi
# What the fuzzer runs is run by the tests above too, over the seeds and a fixed number of changes of them. Its own build takes
# minutes, so it is asked for: FUZZ_SECONDS=30 make test.
if [[ -n ${FUZZ_SECONDS:-} ]]; then
    stage "fuzz" $((900 + 20 * FUZZ_SECONDS)) scripts/fuzz.sh
else
    printf '\n=== %s\n' "fuzz: the seeds and changes of them were run as tests; FUZZ_SECONDS=30 fuzzes for longer (make fuzz)" >&3
fi
if ((${#real[@]} > 0)); then
    stage "real calls" 2400 scripts/side-by-side.sh 3 2 "${real[@]}"
fi
if ((${#load[@]} > 0)); then
    stage "load" 600 cargo test --locked --workspace --no-fail-fast "${load[@]}" -- --test-threads=1
fi
summary "all tests passed"
