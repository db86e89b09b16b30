#!/usr/bin/env bash
# Offhook and active-call (a voice agent in Rust, crates.io) side by side on this machine, as a Markdown table.
#
#   load-tests/peers/active-call.sh                      20, 50 and 100 calls of a minute, about 12 minutes
#   SECONDS_UP=15 CALLS=20 load-tests/peers/active-call.sh
#   PIN=yes load-tests/peers/active-call.sh              the server on core 0, all else on the others
#
# Both take G.711 calls from the same generator, detect speech, and exchange audio over a WebSocket with an application: the peer
# with a bot that echoes, Offhook with a simulated realtime provider that answers. Server CPU and memory are the generator's
# readings of /proc/PID. They take turns at each number of calls. What is not the same is printed below the table. active-call is built once, of the version below, which
# takes up to half an hour; PEERS is where it is kept.
set -euo pipefail
cd "$(dirname "$0")/../.."

readonly VERSION=0.3.113
readonly SECONDS_UP=${SECONDS_UP:-60} CALLS=${CALLS:-"20 50 100"} FRAME_MS=${FRAME_MS:-20}
readonly PEERS=${PEERS:-${XDG_CACHE_HOME:-$HOME/.cache}/offhook/peers}
# Programs of your own choice are not built.
readonly BUILD=${BIN:+no}
readonly BIN=${BIN:-${CARGO_TARGET_DIR:-target}/release}
readonly HERE=load-tests/peers

server_pin=() others_pin=()
if [[ ${PIN:-no} == yes ]]; then
    server_pin=(taskset -c 0) others_pin=(taskset -c "1-$(($(nproc) - 1))")
fi

folder=$(mktemp -d)
server=""
application=""

# Only what was started here is ended, and the folder goes with it.
cleanup() {
    stop
    rm -rf "$folder"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

stop() {
    local pid
    for pid in $server $application; do
        kill -KILL "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    server="" application=""
}

# A port that is free now.
address() { python3 -c 'import socket; print("127.0.0.1:%d" % socket.create_server(("127.0.0.1", 0)).getsockname()[1])'; }

# until_ready FILE WORDS: waits until the server has printed WORDS.
until_ready() {
    local tries
    for ((tries = 0; tries < 500; tries++)); do
        grep -q "$2" "$1" && return
        kill -0 "$server" 2>/dev/null || break
        sleep 0.02
    done
    cat "$folder"/*.log >&2
    echo "the server did not start" >&2
    exit 1
}

# listens ADDRESS: waits until a TCP connection can be made.
listens() {
    local tries
    for ((tries = 0; tries < 500; tries++)); do
        (: <"/dev/tcp/${1/://}") 2>/dev/null && return
        sleep 0.02
    done
    cat "$folder"/*.log >&2
    echo "nothing listens on $1" >&2
    exit 1
}

install_peer() {
    local found
    found=$("$PEERS/bin/active-call" --version 2>/dev/null || true)
    [[ $found == *" $VERSION" ]] && return
    scripts/packages.sh cmake:cmake cc:build-essential
    # Its manual's stack size for the compiler; the profile's own settings are kept.
    RUST_MIN_STACK=16777216 CARGO_TARGET_DIR=${PEER_TARGET_DIR:-$PEERS/target} \
        cargo install active-call --version "$VERSION" --locked --no-default-features --features opus --root "$PEERS"
}

start_peer() {
    local http bot
    sip=$(address) http=$(address) bot=$(address)
    sed -e "s|@HTTP@|$http|" -e "s|@SIP_PORT@|${sip#*:}|" -e "s|@BOT@|$bot|" -e "s|@FOLDER@|$folder|" \
        "$HERE/active-call.toml" >"$folder/active-call.toml"
    "${others_pin[@]}" python3 "$HERE/echo_bot.py" "$bot" "$http" "$FRAME_MS" 2>"$folder/bot.log" &
    application=$!
    listens "$bot"
    # It writes below its working directory.
    (cd "$folder" && exec "${server_pin[@]}" "$PEERS/bin/active-call" --conf active-call.toml >"$folder/server.log" 2>&1) &
    server=$!
    listens "$http"
    sleep 1 # its SIP socket says nothing when it is there
}

# start_offhook NAME=VALUE...: with these settings.
start_offhook() {
    local http metrics provider
    sip=$(address) http=$(address) metrics=$(address) provider=$(address)
    rm -rf "$folder/data"
    "${others_pin[@]}" "$BIN/offhook-sim" --listen "$provider" >/dev/null 2>"$folder/sim.log" &
    application=$!
    listens "$provider"
    env OPENAI_API_KEY=none OFFHOOK__PROVIDERS__OPENAI__BASE_URL="http://$provider/v1" OFFHOOK__SIP__LISTEN="$sip" \
        OFFHOOK__HTTP__LISTEN="$http" OFFHOOK__METRICS__LISTEN="$metrics" OFFHOOK__WEBRTC__LISTEN=127.0.0.1:0 OFFHOOK__NODE__DATA_DIR="$folder/data" \
        OFFHOOK__TELEMETRY__LOG_LEVEL=warn OFFHOOK__LIMITS__CPU_PERCENT=100 "$@" \
        "${server_pin[@]}" "$BIN/offhook" serve >"$folder/ready.log" 2>"$folder/server.log" &
    server=$!
    until_ready "$folder/ready.log" "is ready"
}

# load COUNT ARGUMENT...: calls the running server and leaves the report in $folder/report.json.
load() {
    local count=$1
    shift
    rm -f "$folder/report.json"
    "${others_pin[@]}" "$BIN/offhook-load" sip --target "$sip" --server-pid "$server" --calls "$count" --rate 10 \
        --hold "$((SECONDS_UP + count / 10))" "$@" --allow-failures --json "$folder/report.json" \
        >"$folder/report.log" 2>&1 || {
        cat "$folder"/*.log >&2
        echo "offhook-load did not come to its end: no figures" >&2
        exit 1
    }
}

# row SYSTEM COUNT WORK: the report as a line of the table.
row() {
    python3 - "$folder/report.json" "$@" <<'PYTHON'
import json, sys
path, system, count, work = sys.argv[1:]
r = json.load(open(path))
cost, setup, packets, echo = r["server"], r["setup_ms"], r["packets"], r["mouth_to_ear_ms"]
received = max(packets["received"], 1)
print(
    f"| {system} | {count} | {work} | {cost['cpu_percent_per_call']:.2f} % | {cost['rss_kib_per_call'] / 1024:.2f} MB "
    f"| {setup['p50']:.1f}, {setup['p99']:.1f} ms | {packets['late']} ({100 * packets['late'] / received:.2f} %) "
    f"| {packets['lost']} | {'%.0f ms' % echo['p50'] if echo['count'] else '-'} | {r['failed']} | {r['generator']['send_lateness_ms']['p99']:.1f} ms |"
)
PYTHON
}

[[ $BUILD == no ]] || cargo build --locked --release --workspace --bins
install_peer

echo
echo "$(uname -sr), $(nproc) cores, $(date +%F), commit $(git rev-parse --short HEAD 2>/dev/null || echo unknown)," \
    "active-call $VERSION, $SECONDS_UP s at full height, messages to the peer's bot of $FRAME_MS ms${PIN:+, pinned: $PIN}"
echo
echo "| system | calls | work | CPU of a core a call | RSS a call | set-up p50, p99 | late packets | lost | echo p50 | failed | generator late p99 |"
echo "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
for count in $CALLS; do
    start_peer
    load "$count" --say continuous --marks
    row active-call "$count" "VAD, WebSocket echo"
    stop
    start_offhook OFFHOOK__RECORDING__MODE=off
    load "$count"
    row Offhook "$count" "VAD, turn-taking, realtime provider"
    stop
    start_offhook
    load "$count"
    row Offhook "$count" "the same, stereo recording on"
    stop
done
cat <<NOTES

The work differs. active-call: Silero VAD, raw 16 kHz samples to a Python bot and back in messages of $FRAME_MS ms all the time; packets
are played in the order they come, without a jitter buffer; no turn-taking and no record of the call. Offhook: adaptive jitter buffer,
VAD, turn-taking, OpenAI Realtime's JSON with base64 G.711 while the caller or the agent speaks, a record of each call and of its turns in
SQLite and, where it says so, a stereo recording. Its callers speak in turns, the peer's without end. CPU and memory are of the server
process alone: bot and simulator are not in them, but share the machine with it, as the generator does.
NOTES
