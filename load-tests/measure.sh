#!/usr/bin/env bash
# Measures a release build against the targets of docs/performance.md and prints a Markdown table.
#
#   load-tests/measure.sh              all rows, about 20 minutes; the machine should do nothing else
#   load-tests/measure.sh 9 16         these rows
#   SECONDS_UP=20 CALLS="20 50" BIN=target/release load-tests/measure.sh 2
#
# Server, generator and simulator run on this machine. Each row has a fresh server with a database of its own.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly SECONDS_UP=${SECONDS_UP:-60} CALLS=${CALLS:-"20 50 100"} SHORT_CALLS=${SHORT_CALLS:-10000}
readonly PROVIDER_MS=300 ENDPOINT_MS=600
# Four ports that are free now.
read -r SIP HTTP METRICS PROVIDER < <(python3 -c '
import socket
held = [socket.create_server(("127.0.0.1", 0)) for _ in range(4)]
print(*("127.0.0.1:%d" % one.getsockname()[1] for one in held))')
readonly SIP HTTP METRICS PROVIDER
# Programs of your own choice are not built.
readonly BUILD=${BIN:+no}
readonly BIN=${BIN:-${CARGO_TARGET_DIR:-target}/release}

rows=("$@")
((${#rows[@]} > 0)) || rows=(2 3 9 11 12 13 14 15 16)
folder=$(mktemp -d)
server=
simulator=

# Only what was started here is ended, and the folder goes with it.
cleanup() {
    stop_server
    [[ -z $simulator ]] || kill "$simulator" 2>/dev/null || true
    rm -rf "$folder"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

wanted() { [[ " ${rows[*]} " == *" $1 "* ]]; }

# start_server [NAME=VALUE...]: a new server, ready to take calls; sets `server` and `started_ms`.
start_server() {
    stop_server
    rm -rf "$folder/data" "$folder/ready"
    touch "$folder/ready"
    local begin
    begin=$(now_ms)
    env OPENAI_API_KEY=none OFFHOOK__PROVIDERS__OPENAI__BASE_URL="http://$PROVIDER/v1" \
        OFFHOOK__SIP__LISTEN=$SIP OFFHOOK__HTTP__LISTEN=$HTTP OFFHOOK__METRICS__LISTEN=$METRICS \
        OFFHOOK__NODE__DATA_DIR="$folder/data" OFFHOOK__TELEMETRY__LOG_LEVEL=warn "$@" \
        "$BIN/offhook" serve >"$folder/ready" 2>>"$folder/server.log" &
    server=$!
    until grep -q "is ready" "$folder/ready"; do
        kill -0 "$server" 2>/dev/null || { cat "$folder/server.log" >&2; exit 1; }
        sleep 0.002
    done
    started_ms=$(($(now_ms) - begin))
}

stop_server() {
    [[ -n $server ]] || return 0
    kill -KILL "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
    server=
}

now_ms() { echo $(($(date +%s%N) / 1000000)); }

rss_kib() { awk '/^VmRSS/ { print $2 }' "/proc/$server/status"; }

# load KIND ARGUMENT...: runs the generator; its report is $folder/report.json. Failed calls are counted in it; a generator
# that left no report ends everything, so that no row can show the figures of the one before.
load() {
    local kind=$1 target=$SIP
    shift
    [[ $kind == sip ]] || target=http://$HTTP
    rm -f "$folder/report.json"
    "$BIN/offhook-load" "$kind" --target "$target" --server-pid "$server" --json "$folder/report.json" --allow-failures "$@" \
        >"$folder/report.txt" 2>&1 || {
        cat "$folder/report.txt" >&2
        echo "offhook-load did not come to its end: no figures" >&2
        exit 1
    }
}

# get EXPRESSION: a value of the report `r`.
get() { python3 -c "import json; r = json.load(open('$folder/report.json')); print($1)"; }

# quantile METRIC Q: the upper edge of the bucket of the running server in which the quantile lies, in ms.
quantile() {
    python3 - "$METRICS" "$1" "$2" <<'PYTHON'
import re, sys, urllib.request
address, name, q = sys.argv[1], sys.argv[2], float(sys.argv[3])
buckets = {}
for line in urllib.request.urlopen(f"http://{address}/metrics").read().decode().splitlines():
    found = re.match(name + r'_bucket\{.*le="([^"]+)"\} (\S+)', line)
    if found:
        edge = float(found[1])
        buckets[edge] = buckets.get(edge, 0) + float(found[2])
total = max(buckets.values(), default=0)
print(next((f"<= {edge * 1000:g}" for edge in sorted(buckets) if total and buckets[edge] >= q * total), "none"))
PYTHON
}

row() { printf '| %s | %s | %s | %s |\n' "$1" "$2" "$3" "$4"; }

[[ $BUILD == no ]] || cargo build --locked --release --workspace --bins
"$BIN/offhook-sim" --listen "$PROVIDER" --delay-ms "$PROVIDER_MS" >/dev/null &
simulator=$!

echo
echo "$(uname -sr), $(nproc) cores, $(date +%F), commit $(git rev-parse --short HEAD 2>/dev/null || echo unknown)"
echo
row "#" what measured "by the way"
row --- --- --- ---

# Rows 2, 11 and 13 are of the same calls; so is 3 on the other leg.
calls() {
    local kind=$1 number=$2 count
    for count in $CALLS; do
        start_server
        load "$kind" --calls "$count" --rate 10 --hold "$((SECONDS_UP + count / 10))"
        row "$number" "$kind, realtime, recorded, $count calls" \
            "$(get "'%.2f %% of a core, %.2f MB a call' % (r['server']['cpu_percent_per_call'], r['server']['rss_kib_per_call'] / 1024)")" \
            "$(get "'%d failed, %d lost, %d late; generator p99 %.1f ms late' % (r['failed'], r['packets']['lost'], r['packets']['late'], r['generator']['send_lateness_ms']['p99'])")"
        if [[ $kind == sip ]] && wanted 11; then
            row 11 "sendout lateness p99.9, $count calls" "$(quantile offhook_sendout_lateness_seconds 0.999) ms" ""
        fi
        if [[ $kind == sip ]] && wanted 13; then
            row 13 "gap beyond the provider's $PROVIDER_MS ms and $ENDPOINT_MS ms of silence, p95, $count calls" \
                "$(get "'%.0f ms' % (r['response_gap_ms']['p95'] - $PROVIDER_MS - $ENDPOINT_MS)")" \
                "$(get "'%d answers' % r['response_gap_ms']['count']")"
        fi
    done
}

if wanted 2 || wanted 11 || wanted 13; then calls sip 2; fi
if wanted 3; then calls twilio 3; fi
if wanted 9; then
    start_server
    load sip --calls 1500 --concurrency 200 --rate 50 --hold 2 --say silent
    row 9 "INVITE to 200 OK, 50 calls/s, 100 up" "$(get "'p99 %.1f ms' % r['setup_ms']['p99']")" \
        "$(get "'p50 %.1f ms, %d failed' % (r['setup_ms']['p50'], r['failed'])")"
fi
if wanted 12; then
    start_server
    load sip --calls 20 --rate 10 --hold "$SECONDS_UP" --barge-in
    row 12 "speech onset to silence on the wire, 20 calls" "$(get "'p95 %.0f ms' % r['barge_in_to_silence_ms']['p95']")" \
        "$(get "'%d failed, %d barge-ins, %d ignored' % (r['failed'], r['barge_in_to_silence_ms']['count'], r['barge_ins_ignored'])")"
fi
if wanted 14; then
    start_server
    load sip --calls 1000 --rate 50 --hold 0.5 --say silent
    sleep 35 # transactions live 32 s
    before=$(rss_kib)
    load sip --calls "$SHORT_CALLS" --rate 50 --hold 0.5 --say silent
    sleep 35
    row 14 "$SHORT_CALLS short calls after 1,000" "$(((($(rss_kib) - before) * 1024) / SHORT_CALLS)) bytes a call" \
        "$(get "'%d failed' % r['failed']"), $before KiB before"
fi
if wanted 15; then
    start_server
    # Again, with the database that is there now.
    mv "$folder/data" "$folder/kept"
    stop_server
    start_server OFFHOOK__DATABASE__URL="sqlite://$folder/kept/offhook.db"
    load sip --calls 1 --hold 0.5 --say silent
    row 15 "start to first call answered" "$(get "'%.0f ms' % ($started_ms + r['setup_ms']['max'])")" "ready after $started_ms ms, $(get "'%d failed' % r['failed']")"
fi
if wanted 16; then
    start_server
    sleep 2
    row 16 "binary; resident memory at rest" \
        "$(($(stat -c %s "$BIN/offhook") / 1000000)) MB; $(($(rss_kib) / 1024)) MB" ""
fi
