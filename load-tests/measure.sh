#!/usr/bin/env bash
# Measures a release build against the targets of docs/performance.md and prints Markdown.
#
#   load-tests/measure.sh              all rows, about 50 minutes; the machine should do nothing else
#   load-tests/measure.sh 9 16         these rows
#   load-tests/measure.sh cascade      the response gap of a cascade, turns ended as shipped; two minutes
#   load-tests/measure.sh headline     row 2 (with 11 and 13) at 100 calls, two minutes, with plots
#   load-tests/measure.sh scale        cost and delays from 1 call on until an objective breaks, with plots
#   load-tests/measure.sh soak         MINUTES=30 at 60 % of CAPACITY=200 calls, with faults of the provider, with plots
#   load-tests/measure.sh overload     MAX_CALLS=100 and half as many again
#   SECONDS_UP=20 CALLS="20 50" RUNS=3 BIN=target/release load-tests/measure.sh 2
#
# Server, generator and simulator run on this machine. Each row has a fresh server with a database of its own. Plots go to
# OUT, target/load by default.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=load-tests/stand.sh
source load-tests/stand.sh

readonly SECONDS_UP=${SECONDS_UP:-60} CALLS=${CALLS:-"20 50 100"} SHORT_CALLS=${SHORT_CALLS:-10000} RUNS=${RUNS:-1}
readonly STEPS=${STEPS:-1,10,50,100,200,300,400,500} STEP_SECONDS=${STEP_SECONDS:-30}
readonly MINUTES=${MINUTES:-30} CAPACITY=${CAPACITY:-200} OUT=${OUT:-target/load}
# Calls of row `cascade`: few, so that none waits for another.
readonly CASCADE_CALLS=${CASCADE_CALLS:-5}
# Of rows 7 and 8: calls, and how long they are up.
readonly CALLS_UP=${CALLS_UP:-200} LONG_SECONDS=${LONG_SECONDS:-300}
# What every tier must hold: the provider's delay, the end of turn, and 60 ms of ours.
readonly GAP_MAX=$((PROVIDER_MS + ENDPOINT_MS + 60))
readonly OBJECTIVES=(--slo failed=0 --slo lost=0 --slo late_by_server=0 --slo "response_gap_p95=${GAP_MAX}ms")

rows=("$@")
((${#rows[@]} > 0)) || rows=(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 cascade)

wanted() { [[ " ${rows[*]} " == *" $1 "* ]]; }

# Rows 2, 11 and 13 are of the same calls; so is 3 on the other leg.
calls() {
    local kind=$1 number=$2 count run costs
    for count in $CALLS; do
        costs=()
        for run in $(seq "$RUNS"); do
            start_server
            load "$kind" --calls "$count" --rate 10 --hold "$((SECONDS_UP + count / 10))"
            costs+=("$(get "r['server']['cpu_percent_per_call']")")
            row "$number" "$kind, realtime, recorded, $count calls, run $run of $RUNS" \
                "$(get "'%.3f %% of a core, %.2f MB a call' % (r['server']['cpu_percent_per_call'], r['server']['rss_kib_per_call'] * 1.024e-3)")" \
                "$(get "'%d failed, %d lost, %d late by the server; generator p99 %.1f ms late; simulator %.3f %%, generator %.3f %%' % (r['failed'], r['packets']['lost'], r['packets']['late_by_server'], r['generator']['send_lateness_ms']['p99'], r['simulator']['cpu_percent_per_call'], r['generator']['cost']['cpu_percent_per_call'])")"
            if [[ $kind == sip ]] && wanted 11; then
                row 11 "sendout lateness p99.9, $count calls" "$(quantile offhook_sendout_lateness_seconds 0.999) ms" ""
            fi
            if [[ $kind == sip ]] && wanted 13; then
                row 13 "gap beyond the provider's $PROVIDER_MS ms and $ENDPOINT_MS ms of silence, p95, $count calls" \
                    "$(get "'%.0f ms' % (r['response_gap_ms']['p95'] - $PROVIDER_MS - $ENDPOINT_MS)")" \
                    "$(get "'%d answers' % r['response_gap_ms']['count']")"
            fi
        done
        if ((RUNS > 1)); then
            row "$number" "$kind, median of $RUNS runs, $count calls" \
                "$(python3 -c "import statistics, sys; print('%.3f %% of a core a call' % statistics.median(map(float, sys.argv[1:])))" "${costs[@]}")" ""
        fi
    done
}

# Row 1: no provider, but a bot that gives each 20 ms back at once.
bot_calls() {
    local count run
    start_bot
    for count in $CALLS; do
        for run in $(seq "$RUNS"); do
            CONFIG=$folder/bot.toml start_server
            load sip --calls "$count" --rate 10 --hold "$((SECONDS_UP + count / 10))"
            row 1 "sip, stream to an echo bot, no VAD, not recorded, $count calls, run $run of $RUNS" \
                "$(get "'%.3f %% of a core, %.2f MB a call' % (r['server']['cpu_percent_per_call'], r['server']['rss_kib_per_call'] * 1.024e-3)")" \
                "$(get "'%d failed, %d lost, %d late by the server; bot %.3f %%, generator %.3f %%' % (r['failed'], r['packets']['lost'], r['packets']['late_by_server'], r['simulator']['cpu_percent_per_call'], r['generator']['cost']['cpu_percent_per_call'])")"
        done
    done
    start_simulator
}

# Rows 4 and 5: callers who are joined in pairs as soon as they are up, without agents and recordings. CODECS are dealt in turn.
bridged_calls() {
    local number=$1 what=$2 codecs=$3 count run joining passed
    for count in $CALLS; do
        for run in $(seq "$RUNS"); do
            start_bridge
            join_pairs "$count" &
            joining=$!
            load sip --codec "$codecs" --calls "$count" --rate 10 --hold "$((SECONDS_UP + count / 10))" --say continuous
            wait "$joining" || { echo "calls were not joined: no figures" >&2; exit 1; }
            passed=$(counted offhook_rtp_passed_total)
            row "$number" "$what, $((count / 2)) bridges of two legs, run $run of $RUNS" \
                "$(get "'%.3f %% of a core, %.2f MB a bridge' % (2 * r['server']['cpu_percent_per_call'], r['server']['rss_kib_per_call'] * 2.048e-3)")" \
                "$(get "'%d failed, %d lost, %d late by the server, %.0f %% passed on' % (r['failed'], r['packets']['lost'], r['packets']['late_by_server'], 100 * $passed / r['packets']['sent'])")"
        done
    done
}

# Row 6: row 2 in the open and encrypted, in turns, since the machine drifts.
encrypted_calls() {
    local run plain sealed adds=()
    for run in $(seq "$RUNS"); do
        OFFHOOK__RTP__SRTP=optional start_server
        load sip --calls 100 --rate 10 --hold "$((SECONDS_UP + 10))"
        plain=$(get "r['server']['cpu_percent_per_call']")
        OFFHOOK__RTP__SRTP=optional start_server
        load sip --srtp --calls 100 --rate 10 --hold "$((SECONDS_UP + 10))"
        sealed=$(get "r['server']['cpu_percent_per_call']")
        adds+=("$(awk "BEGIN { print 100 * ($sealed / $plain - 1) }")")
        row 6 "sip, realtime, recorded, 100 calls, SRTP (AES_CM_128_HMAC_SHA1_80), run $run of $RUNS" \
            "$(awk "BEGIN { printf \"%+.1f %%\", ${adds[-1]} }") of row 2" "$plain % in the open, $sealed % encrypted, $(get "'%d failed, %d lost' % (r['failed'], r['packets']['lost'])")"
    done
    if ((RUNS > 1)); then
        row 6 "SRTP, median of $RUNS runs" "$(python3 -c "import statistics, sys; print('%+.1f %% of row 2' % statistics.median(map(float, sys.argv[1:])))" "${adds[@]}")" ""
    fi
}

# Row cascade: what a caller waits for an answer of three providers, and what of it is ours. MODEL and what it is.
cascade_calls() {
    local stored
    start_cascade "$1"
    load sip --calls "$CASCADE_CALLS" --rate 1 --hold "$SECONDS_UP" --slo failed=0 --slo response_gap_p95=520ms
    # What is told last is written within half a second.
    sleep 1
    stored=$(stored_gap 0.95)
    row cascade "cascade, $2, $CASCADE_CALLS calls" \
        "$(get "'gap p95 %.0f ms' % r['response_gap_ms']['p95']"), on the record $stored ms, so ours $((stored - STAGES_MS)) ms" \
        "$(verdict); $(get "'%d answers' % r['response_gap_ms']['count']"), begun early: $(counted offhook_speculations_total 'outcome="used"') used, $(counted offhook_speculations_total 'outcome="wasted"') in vain"
}

# Rows 7 and 8: every objective for five minutes.
long_calls() {
    local number=$1 what=$2
    start_server
    load sip --calls "$CALLS_UP" --rate 10 --hold "$((LONG_SECONDS + CALLS_UP / 10))" "${OBJECTIVES[@]}"
    row "$number" "$CALLS_UP calls for $LONG_SECONDS s, $what" "$(verdict)" \
        "$(get "'%.3f %% of a core a call; sendout' % r['server']['cpu_percent_per_call']") $(quantile offhook_sendout_lateness_seconds 1) ms at worst"
}

short_calls() {
    start_server
    load sip --calls 1000 --rate 50 --hold 0.5 --say silent
    sleep 35 # transactions live 32 s
    local before
    before=$(rss_kib)
    load sip --calls "$SHORT_CALLS" --rate 50 --hold 0.5 --say silent
    sleep 35
    row 14 "$SHORT_CALLS short calls after 1,000" "$(((($(rss_kib) - before) * 1024) / SHORT_CALLS)) bytes a call" \
        "$(get "'%d failed' % r['failed']"), $before KiB before"
}

cold_start() {
    start_server
    # Again, with the database that is there now.
    mv "$folder/data" "$folder/kept"
    stop_server
    start_server OFFHOOK__DATABASE__URL="sqlite://$folder/kept/offhook.db"
    load sip --calls 1 --hold 0.5 --say silent
    row 15 "start to first call answered" "$(get "'%.0f ms' % ($started_ms + r['setup_ms']['max'])")" \
        "ready after $started_ms ms, $(get "'%d failed' % r['failed']")"
}

# Runs with a report and plots of their own: their text is the generator's.
tier() {
    local name=$1
    mkdir -p "$OUT"
    REPORT=$OUT/$name.md
    case $name in
    headline)
        start_server
        load sip --calls 100 --rate 10 --hold "$((SECONDS_UP + 10))" "${OBJECTIVES[@]}" --slo cpu_percent_per_call=0.4 --slo rss_per_call=0.3MB
        ;;
    scale)
        start_server
        load sip --ramp "$STEPS" --step-seconds "$STEP_SECONDS" --rate 20 "${OBJECTIVES[@]}" --slo rejected=0 --stop-on-miss
        ;;
    soak)
        start_simulator --script load-tests/soak.toml
        start_server
        load sip --calls "$((CAPACITY * 60 / 100))" --soak "${MINUTES}m" --hold 60 --rate 5 --slo failed=0 --slo lost=0 \
            --slo late_by_server=0 --slo rss_per_hour=10MB
        ;;
    overload)
        local most=${MAX_CALLS:-100} hold=20
        MAX_CALLS=$most start_server
        # Open arrivals: one and a half times what fits, for six lengths of a call.
        load sip --calls "$((most * 9))" --concurrency 10000 --hold "$hold" --rate "$(awk "BEGIN { print $most * 1.5 / $hold }")" \
            "${OBJECTIVES[@]}" --slo reject_p99=10ms --slo rejected_without_retry_after=0
        ;;
    esac
    cat "$folder/report.txt"
    if [[ $name == headline ]]; then
        echo "sendout lateness p99.9: $(quantile offhook_sendout_lateness_seconds 0.999) ms"
    fi
    echo "with plots: $REPORT"
    unset REPORT
}

build
warn_if_busy
start_simulator
case ${rows[0]} in
headline | scale | soak | overload)
    for name in "${rows[@]}"; do tier "$name"; done
    exit
    ;;
esac

head_of_table
if wanted 1; then bot_calls; fi
if wanted 2 || wanted 11 || wanted 13; then calls sip 2; fi
if wanted 3; then calls twilio 3; fi
if wanted 4; then bridged_calls 4 "packets passed on" pcmu; fi
if wanted 5; then bridged_calls 5 "G.711 and Opus, mixed" pcmu,opus; fi
if wanted 6; then encrypted_calls; fi
if wanted 7; then long_calls 7 "all on $(nproc) cores"; fi
if wanted 8; then
    server_pin=(taskset -c 0) load_pin=(taskset -c 1)
    start_simulator
    long_calls 8 "the server on one core, the rest on the other"
    server_pin=() load_pin=()
    start_simulator
fi
if wanted 9; then
    start_server
    load sip --calls 1500 --concurrency 200 --rate 50 --hold 2 --say silent
    row 9 "INVITE to 200 OK, 50 calls/s, 100 up" "$(get "'p99 %.1f ms' % r['setup_ms']['p99']")" \
        "$(get "'p50 %.1f ms, %d failed' % (r['setup_ms']['p50'], r['failed'])")"
fi
if wanted 10; then
    start_server
    load sip --calls 100 --rate 10 --hold "$((SECONDS_UP + 10))"
    for direction in $(curl -s "http://$METRICS/metrics" | sed -n 's/^offhook_media_added_delay_seconds_count{direction="\([^"]*\)"}.*/\1/p'); do
        row 10 "media added, $direction, p99, 100 calls" \
            "$(quantile offhook_media_added_delay_seconds 0.99 "direction=\"$direction\"") ms" ""
    done
fi
if wanted 12; then
    start_server
    load sip --calls 20 --rate 10 --hold "$SECONDS_UP" --barge-in
    row 12 "speech onset to silence on the wire, 20 calls" "$(get "'p95 %.0f ms' % r['barge_in_to_silence_ms']['p95']")" \
        "$(get "'%d failed, %d barge-ins, %d ignored' % (r['failed'], r['barge_in_to_silence_ms']['count'], r['barge_ins_ignored'])")"
fi
if wanted 14; then short_calls; fi
if wanted 15; then cold_start; fi
if wanted cascade; then
    start_simulator --script load-tests/gap.toml
    cascade_calls flux-general-en "Flux, which tells of an early end"
    cascade_calls nova-3 "Nova, whose pauses our detector finds"
    start_simulator
fi
if wanted 16; then
    start_server
    sleep 2
    row 16 "binary; resident memory at rest" \
        "$(($(stat -c %s "$BIN/offhook") / 1000000)) MB; $(($(rss_kib) / 1024)) MB" ""
fi
