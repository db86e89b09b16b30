#!/usr/bin/env bash
# A Prometheus of one's own that reads Offhook and knows its alerts, in the foreground; Ctrl-C ends it and leaves nothing behind.
#   TARGET=HOST:PORT[,...]  whose metrics to read (127.0.0.1:9464)
#   PORT=9090               where to look, on 127.0.0.1
#   INTERVAL=5s             how often to read, and to judge the rules
set -euo pipefail
cd "$(dirname "$0")/.."

readonly TARGET=${TARGET:-127.0.0.1:9464} PORT=${PORT:-9090} INTERVAL=${INTERVAL:-5s}
readonly URL=http://127.0.0.1:$PORT
readonly READY_SECONDS=30 # it starts in one or two

scripts/packages.sh prometheus:prometheus

listens() { # HOST PORT
    (exec 3<>"/dev/tcp/$1/$2") 2>/dev/null
}

answers() { # PATH
    (
        exec 3<>"/dev/tcp/127.0.0.1/$PORT"
        printf 'GET %s HTTP/1.0\r\n\r\n' "$1" >&3
        read -r status <&3
        [[ $status == *" 200 "* ]]
    ) 2>/dev/null
}

if listens 127.0.0.1 "$PORT"; then
    echo "port $PORT is taken; another: PORT=9091 make observe" >&2
    exit 1
fi

folder=$(mktemp -d)
prometheus=
tidy_up() {
    if [[ -n $prometheus ]]; then
        kill "$prometheus" 2>/dev/null || true
        wait "$prometheus" || true
    fi
    rm -rf "$folder"
}
trap tidy_up EXIT
trap 'trap "" INT TERM; exit 0' INT TERM # a second Ctrl-C must not stop the tidying

cat >"$folder/prometheus.yml" <<YAML
global:
  scrape_interval: $INTERVAL
  evaluation_interval: $INTERVAL
rule_files: ["$PWD/grafana/alerts.yml"]
scrape_configs:
  - job_name: offhook
    static_configs:
      - targets: ["${TARGET//,/\", \"}"]
YAML

# In a group of its own: Ctrl-C is for this script, which then ends it and tidies up.
set -m
prometheus --config.file="$folder/prometheus.yml" --storage.tsdb.path="$folder/data" --storage.tsdb.retention.time=1d \
    --web.listen-address="127.0.0.1:$PORT" --log.level=warn >"$folder/log" 2>&1 &
prometheus=$!
set +m

until answers /-/ready; do
    if ! kill -0 "$prometheus" 2>/dev/null || ((SECONDS > READY_SECONDS)); then
        echo "Prometheus does not start:" >&2
        cat "$folder/log" >&2
        exit 1
    fi
    sleep 0.2
done

pages=$URL
if answers /classic/targets; then
    pages=$URL/classic # all that Debian's package has
fi
cat <<TEXT
Prometheus reads $TARGET every $INTERVAL.
  who answers   $pages/targets
  alerts        $pages/alerts
  ask           $pages/graph?g0.expr=offhook_calls_active&g0.tab=0
In Grafana: add the data source Prometheus with the URL $URL, then Dashboards > New > Import,
and upload grafana/fleet.json, node.json, quality.json, providers.json, sip.json and actors.json.
Ctrl-C ends it; what it read is thrown away.
TEXT
for target in ${TARGET//,/ }; do
    if ! listens "${target%:*}" "${target##*:}"; then
        echo "$target does not answer yet: is the server running (make run)?"
    fi
done
wait "$prometheus"
