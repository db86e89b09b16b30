#!/bin/sh
# SIPp calls as a second opinion: its parser, its timers and its RTP are not ours.
# usage: run.sh HOST:PORT SPEECH.wav [CALLS] [USER] [TRANSPORT: u1 UDP, t1 TCP] [RATE: new calls a second]
# Exits with 0 when every call of every scenario went as scripted. Loopback only.
set -eu

target=${1:?usage: run.sh HOST:PORT SPEECH.wav [CALLS] [USER] [TRANSPORT] [RATE]}
speech=$(realpath "${2:?a speech recording, WAV 8 kHz mono}")
calls=${3:-5}
user=${4:-demo}
transport=${5:-u1}
rate=${6:-5}
scenarios=$(dirname "$(realpath "$0")")

case $target in
127.*:* | localhost:*) ;;
*)
    echo "run.sh: target $target is not on this machine" >&2
    exit 2
    ;;
esac
for program in sipp sox; do
    command -v "$program" >/dev/null || {
        echo "run.sh: $program is not installed (Debian: sip-tester, sox)" >&2
        exit 2
    }
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# SIPp streams headerless G.711.
sox "$speech" -r 8000 -c 1 -t ul "$work/speech.ul"
cd "$work"

# The other scenarios need a server set up for them; tests/real_sipp.rs does that.
for scenario in speech hold late_bye options; do
    status=0
    timeout 300 sipp "$target" -sf "$scenarios/$scenario.xml" -s "$user" -t "$transport" -i 127.0.0.1 -mi 127.0.0.1 \
        -m "$calls" -l "$calls" -r "$rate" \
        -timeout 200 -timeout_error -nostdin -trace_err -error_file "$scenario.errors" \
        >"$scenario.out" 2>&1 </dev/null || status=$?
    if [ "$status" -ne 0 ]; then
        echo "run.sh: scenario $scenario failed (sipp exit $status)" >&2
        tail -n 40 "$scenario.errors" >&2 2>/dev/null || tail -n 40 "$scenario.out" >&2
        exit 1
    fi
    echo "sipp $scenario: $calls calls as scripted, $rate new ones a second"
done
