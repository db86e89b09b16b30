# The test stand of measure.sh: server, simulator and generator on this machine. Sourced, not run.
# shellcheck shell=bash disable=SC2034

readonly PROVIDER_MS=300 ENDPOINT_MS=600
# What the stages of a cascade take by load-tests/gap.toml, one after the other.
readonly STAGES_MS=450
# Four ports that are free now.
read -r SIP HTTP METRICS PROVIDER < <(python3 -c '
import socket
held = [socket.create_server(("127.0.0.1", 0)) for _ in range(4)]
print(*("127.0.0.1:%d" % one.getsockname()[1] for one in held))')
readonly SIP HTTP METRICS PROVIDER
# Programs of your own choice are not built.
readonly BUILD=${BIN:+no}
readonly BIN=${BIN:-${CARGO_TARGET_DIR:-target}/release}
# Above this load average somebody else uses the machine.
readonly QUIET_LOAD=0.5

folder=$(mktemp -d)
server=
simulator=
# Row 8 pins them: `taskset -c 0`.
server_pin=()
load_pin=()

# Only what was started here is ended, and the folder goes with it.
cleanup() {
    stop_server
    stop_simulator
    rm -rf "$folder"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

build() { [[ $BUILD == no ]] || cargo build --locked --release --bins -p offhook -p load-tests; }

# Figures of a busy machine are of its other work.
warn_if_busy() {
    local load
    load=$(cut -d' ' -f1 /proc/loadavg)
    if awk "BEGIN { exit !($load > $QUIET_LOAD) }"; then
        echo "measure.sh: load average $load: this machine is not quiet, so the figures are too high" >&2
    fi
}

# start_server [NAME=VALUE...]: a new server, ready to take calls; sets `server` and `started_ms`. CONFIG is its file, where set. It ends
# turns by a plain timer, so that the response gap is the same for each, or with TURNS=shipped by itself.
start_server() {
    stop_server
    local turns=(OFFHOOK__TURN__ENDPOINT_SILENCE_MS="$ENDPOINT_MS" OFFHOOK__TURN__ENDPOINT_SILENCE_MIN_MS="$ENDPOINT_MS")
    if [[ ${TURNS:-timer} == shipped ]]; then turns=(); fi
    rm -rf "$folder/data" "$folder/ready"
    touch "$folder/ready"
    local begin
    begin=$(now_ms)
    env OPENAI_API_KEY=none OFFHOOK__PROVIDERS__OPENAI__BASE_URL="http://$PROVIDER/v1" \
        OFFHOOK__SIP__LISTEN="$SIP" OFFHOOK__HTTP__LISTEN="$HTTP" OFFHOOK__METRICS__LISTEN="$METRICS" OFFHOOK__WEBRTC__LISTEN="${WEBRTC:-127.0.0.1:0}" \
        OFFHOOK__NODE__DATA_DIR="$folder/data" OFFHOOK__NODE__MAX_CALLS="${MAX_CALLS:-2000}" OFFHOOK__LIMITS__CPU_PERCENT="${CPU_PERCENT:-100}" \
        OFFHOOK__TELEMETRY__LOG_LEVEL=warn "${turns[@]}" "$@" \
        "${server_pin[@]}" "$BIN/offhook" serve ${CONFIG:+--config "$CONFIG"} >"$folder/ready" 2>>"$folder/server.log" &
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

# start_simulator [ARGUMENT...]
start_simulator() {
    stop_simulator
    "${load_pin[@]}" "$BIN/offhook-sim" --listen "$PROVIDER" --delay-ms "$PROVIDER_MS" "$@" >/dev/null &
    simulator=$!
}

# start_bot: an external bot that echoes, in the simulator's place, and a configuration whose assistant it is.
start_bot() {
    stop_simulator
    "${load_pin[@]}" "$BIN/offhook-bot" --listen "$PROVIDER" >/dev/null &
    simulator=$!
    cat >"$folder/bot.toml" <<TOML
[[assistants]]
name = "demo"
recording = "off"
[assistants.engine]
kind = "stream"
url = "ws://$PROVIDER/"
TOML
}

# start_bridge: a server whose assistant does not record, and which may be told to join calls.
start_bridge() {
    printf '[security]\napi_key_env = "NODE_KEY"\n[[assistants]]\nname = "demo"\nrecording = "off"\n' >"$folder/bridge.toml"
    NODE_KEY=$(head -c 24 /dev/urandom | base64)
    export NODE_KEY
    CONFIG=$folder/bridge.toml start_server
}

# join_pairs CALLS: as calls come up, each second one is joined with the one before; ends when all are, or after a minute.
join_pairs() {
    timeout 60 python3 - "$folder/data/offhook.db" "http://$HTTP/api/v1/calls" "$1" <<'PYTHON'
import json, os, sqlite3, sys, time, urllib.request
path, url, wanted = sys.argv[1], sys.argv[2], int(sys.argv[3])
database, joined = sqlite3.connect(f"file:{path}?mode=ro", uri=True), 0
while joined < wanted:
    up = [name for (name,) in database.execute("SELECT id FROM calls WHERE answered_us IS NOT NULL ORDER BY id")]
    for one, other in zip(up[joined::2], up[joined + 1 :: 2]):
        body = json.dumps({"action": "join", "call_id": other, "part": "talks"}).encode()
        headers = {"Authorization": "Bearer " + os.environ["NODE_KEY"], "Content-Type": "application/json"}
        urllib.request.urlopen(urllib.request.Request(f"{url}/{one}/actions", body, headers)).read()
        joined += 2
    time.sleep(0.2)
PYTHON
}

# start_cascade MODEL: a server whose assistant hears through Deepgram's MODEL, thinks through Anthropic and speaks through ElevenLabs, all
# of them the simulator, and which ends turns as it is shipped.
start_cascade() {
    {
        printf '[providers.%s]\nbase_url = "http://%s"\n' anthropic "$PROVIDER" deepgram "$PROVIDER" elevenlabs "$PROVIDER"
        cat <<TOML
[[assistants]]
name = "demo"
first_message = "Hello, this is Ada."
[assistants.engine]
kind = "cascade"
[assistants.transcriber]
provider = "deepgram"
model = "$1"
[assistants.model]
provider = "anthropic"
[assistants.voice]
provider = "elevenlabs"
TOML
    } >"$folder/cascade.toml"
    CONFIG=$folder/cascade.toml TURNS=shipped start_server ANTHROPIC_API_KEY=none DEEPGRAM_API_KEY=none ELEVENLABS_API_KEY=none
}

stop_simulator() {
    [[ -n $simulator ]] || return 0
    kill "$simulator" 2>/dev/null || true
    wait "$simulator" 2>/dev/null || true
    simulator=
}

now_ms() { echo $(($(date +%s%N) / 1000000)); }

rss_kib() { awk '/^VmRSS/ { print $2 }' "/proc/$server/status"; }

# load KIND ARGUMENT...: runs the generator; its report is $folder/report.json, and $REPORT as Markdown with plots where that
# is set. Failed calls and missed objectives are told in it; a generator that left no report ends everything, so that no row
# can show the figures of the one before.
load() {
    local kind=$1 target=$SIP status=0
    shift
    [[ $kind == sip ]] || target=http://$HTTP
    rm -f "$folder/report.json"
    "${load_pin[@]}" "$BIN/offhook-load" "$kind" --target "$target" --server-pid "$server" --sim-pid "$simulator" \
        --metrics "$METRICS" --json "$folder/report.json" ${REPORT:+--report "$REPORT"} --allow-failures --allow-rejected \
        "$@" >"$folder/report.txt" || status=$?
    if ((status != 0 && status != 3)) || [[ ! -s $folder/report.json ]]; then
        cat "$folder/report.txt" >&2
        echo "offhook-load did not come to its end: no figures" >&2
        exit 1
    fi
}

# get EXPRESSION: a value of the report `r`.
get() { python3 -c "import json; r = json.load(open('$folder/report.json')); print($1)"; }

# verdict: whether the objectives were held, and those that were not.
verdict() {
    get "'every objective held' if all(o['met'] for o in r['objectives']) else 'missed: ' + ', '.join(
        '%s %s (limit %g)' % (o['name'], 'none' if o['value'] is None else '%.4g' % o['value'], o['limit'])
        for o in r['objectives'] if not o['met'])"
}

# quantile METRIC Q [LABEL="VALUE"]: the upper edge of the bucket of the running server in which the quantile lies, in ms.
quantile() {
    python3 - "$METRICS" "$1" "$2" "${3:-}" <<'PYTHON'
import re, sys, urllib.request
address, name, q, label = sys.argv[1], sys.argv[2], float(sys.argv[3]), sys.argv[4]
buckets = {}
for line in urllib.request.urlopen(f"http://{address}/metrics").read().decode().splitlines():
    found = re.match(name + r'_bucket\{(.*)le="([^"]+)"\} (\S+)', line)
    if found and label in found[1]:
        edge = float(found[2])
        buckets[edge] = buckets.get(edge, 0) + float(found[3])
total = max(buckets.values(), default=0)
print(next((f"<= {edge * 1000:g}" for edge in sorted(buckets) if total and buckets[edge] >= q * total), "none"))
PYTHON
}

# counted METRIC [LABEL="VALUE"]: a counter of the running server, 0 where it was never counted.
counted() {
    curl -s "http://$METRICS/metrics" | awk -v name="$1" -v label="${2:-}" \
        '$1 == name || (index($0, name "{") == 1 && index($0, label)) { sum += $NF } END { print sum + 0 }'
}

# stored_gap Q: the quantile of the response gaps that the server's database has of its turns, in ms.
stored_gap() {
    python3 - "$folder/data/offhook.db" "$1" <<'PYTHON'
import json, math, sqlite3, sys
database, q = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True), float(sys.argv[2])
timings = [json.loads(timings) for (timings,) in database.execute("SELECT timings FROM turns")]
gaps = sorted(told["response_gap_ms"] for told in timings if told)
if not gaps:
    sys.exit("no turn on the record has a response gap")
print(gaps[math.ceil(q * len(gaps)) - 1])
PYTHON
}

row() { printf '| %s | %s | %s | %s |\n' "$1" "$2" "$3" "$4"; }

# Where and when, and the head of the table of rows.
head_of_table() {
    echo
    echo "$(uname -sr), $(nproc) cores, $(date +%F), commit $(git rev-parse --short HEAD 2>/dev/null || echo unknown)"
    echo
    row "#" what measured "by the way"
    row --- --- --- ---
}
