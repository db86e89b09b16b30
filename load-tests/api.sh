#!/usr/bin/env bash
# Requests to the API at a steady rate, reads and writes mixed, on PostgreSQL, while calls run: times of the requests, and whether a frame
# of the calls was late.
# usage: api.sh [RATE] [SECONDS] [CALLS] [OUT.json]     1000 30 50; BIN=target/debug takes programs that are built already
set -euo pipefail
cd "$(dirname "$0")/.."

readonly RATE=${1:-1000} SECONDS_LONG=${2:-30} CALLS=${3:-50} OUT=${4:-}
# shellcheck source=load-tests/stand.sh
. load-tests/stand.sh
now_ms() { echo $(($(date +%s%N) / 1000000)); }

postgres=
stop_all() {
    stop_server
    stop_simulator
    if [[ -n $postgres ]]; then kill -INT "$postgres" 2>/dev/null || true; wait "$postgres" 2>/dev/null || true; fi
    rm -rf "$folder"
}
trap stop_all EXIT

build
warn_if_busy
tools=$(dirname "$(find /usr/lib/postgresql -name initdb -path '*/bin/*' | sort -V | tail -1)")
[[ -x $tools/initdb ]] || { echo "api.sh: PostgreSQL is not installed (Debian: postgresql)" >&2; exit 1; }
# PostgreSQL refuses root.
as=()
if ((EUID == 0)); then
    as=(setpriv --reuid=nobody --regid=nogroup --clear-groups)
    chmod 755 "$folder"
fi
mkdir "$folder/postgres"
if ((EUID == 0)); then chown nobody:nogroup "$folder/postgres"; fi
port=$(python3 -c 'import socket; one = socket.create_server(("127.0.0.1", 0)); print(one.getsockname()[1])')
"${as[@]}" "$tools/initdb" --pgdata="$folder/postgres/data" --username=offhook --auth=trust --no-locale --encoding=UTF8 >"$folder/initdb.log"
"${as[@]}" "$tools/postgres" -D "$folder/postgres/data" -k "$folder/postgres" -h 127.0.0.1 -p "$port" >"$folder/postgres.log" 2>&1 &
postgres=$!
until "$tools/pg_isready" --quiet --host=127.0.0.1 --port="$port"; do
    kill -0 "$postgres" || { cat "$folder/postgres.log" >&2; exit 1; }
    sleep 0.1
done

export OFFHOOK_API_KEY=a-key-of-the-load-run-of-the-api
start_server OFFHOOK__DATABASE__URL="postgres://offhook@127.0.0.1:$port/postgres" \
    OFFHOOK__SECURITY__REQUESTS_PER_ADDRESS=0 OFFHOOK__SECURITY__REQUESTS_PER_ACTOR=0
calls=
if ((CALLS > 0)); then
    start_simulator
    "$BIN/offhook-load" sip --target "$SIP" --calls "$CALLS" --rate 25 --hold "$((SECONDS_LONG + 10))" --slo late_by_server=0 \
        --quiet --json "$folder/calls.json" >"$folder/calls.log" 2>&1 &
    calls=$!
    sleep 5
fi
status=0
"$BIN/offhook-load" api --target "$HTTP" --rate "$RATE" --seconds "$SECONDS_LONG" --p95-ms 100 --json "$folder/api.json" || status=$?
if [[ -n $calls ]]; then wait "$calls" || status=$?; fi
python3 - "$folder" "$OUT" "$CALLS" <<'P'
import json, pathlib, sys
folder, out, calls = pathlib.Path(sys.argv[1]), *sys.argv[2:]
api = json.loads((folder / "api.json").read_text())
found = {"api": api, "calls": json.loads((folder / "calls.json").read_text()) if calls != "0" else None}
if found["calls"]:
    print("calls", {name: found["calls"][name] for name in ("asked", "answered", "failed")}, found["calls"]["packets"])
if out:
    pathlib.Path(out).write_text(json.dumps(found, indent=1))
P
exit "$status"
