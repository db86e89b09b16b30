#!/usr/bin/env bash
# Fuzzes every target of fuzz/ in turn for FUZZ_SECONDS each (30 unless told), from its seeds and what earlier runs found, and prints
# a line a target: executions, new inputs, finds. A find is kept in fuzz/artifacts and ends in an error.
# Arguments are the targets to run; none: all. It needs a nightly compiler and cargo-fuzz, and installs what is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly SECONDS_EACH=${FUZZ_SECONDS:-30}
targets=("$@")
if ((${#targets[@]} == 0)); then
    for file in fuzz/fuzz_targets/*.rs; do
        targets+=("$(basename "$file" .rs)")
    done
fi

rustup toolchain list | grep -q '^nightly' || rustup toolchain install nightly --profile minimal
command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz

# There is no unsafe code of ours for a sanitizer to look at, and without one it is twice as fast. FUZZ_BUILD passes options on,
# e.g. --no-default-features, without which all that `ai` depends on is built.
# shellcheck disable=SC2206
build=(--sanitizer none ${FUZZ_BUILD:-})
status=0
for target in "${targets[@]}"; do
    case $target in
    sip_message) seeds=(sip/tests/data/rfc4475 sip/tests/data/rfc5118) ;;
    dialog) seeds=(fuzz/seeds/dialog sip/tests/data/rfc4475) ;;
    *) seeds=("fuzz/seeds/$target") ;;
    esac
    mkdir -p "fuzz/corpus/$target"
    log=$(mktemp)
    found=0
    cargo +nightly fuzz run "${build[@]}" "$target" "fuzz/corpus/$target" "${seeds[@]}" -- -max_total_time="$SECONDS_EACH" \
        -timeout=10 -rss_limit_mb=1024 -max_len=4096 -print_final_stats=1 >"$log" 2>&1 || found=1
    executed=$(awk '/stat::number_of_executed_units/ { print $2 }' "$log")
    added=$(awk '/stat::new_units_added/ { print $2 }' "$log")
    if ((found)); then
        printf '%-12s a find, or it could not be run: %s\n' "$target" "$log"
        tail -n 20 "$log"
        status=1
    else
        printf '%-12s %12s executions, %6s new inputs, no find, %s s\n' "$target" "$executed" "$added" "$SECONDS_EACH"
        rm -f "$log"
    fi
done
exit "$status"
