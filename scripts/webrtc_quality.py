"""Scores a browser's call over a bad network by ITU-T P.862 (narrow band), both ways: rows of a Markdown table on standard output.

webrtc_quality.py URL API_KEY SPEECH.wav

URL is a server whose default assistant talks back what it hears (the offline engine) and records. The caller is aiortc, on this machine; packets of
media are lost both ways, and those to the server held up by up to 40 ms.
"""

import asyncio
import io
import json
import pathlib
import sys
import urllib.request
import wave

import numpy
from pesq import pesq

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "tests"))
import webrtc_session
from webrtc_session import RATE, Caller, ask, impair

LOSSES = [0, 2, 5, 10, 20]
SEEDS = [1, 2, 3]
JITTER_MS = 40


def samples(octets):
    with wave.open(io.BytesIO(octets)) as file:
        assert file.getframerate() == RATE and file.getsampwidth() == 2
        return numpy.frombuffer(file.readframes(file.getnframes()), numpy.int16).reshape(-1, file.getnchannels())


def at(part, whole):
    """Where in the whole the part begins, by what is alike."""
    size = 1 << (len(part) + len(whole)).bit_length()
    spectrum = numpy.fft.rfft(whole.astype(float), size) * numpy.conj(numpy.fft.rfft(part.astype(float), size))
    return int(numpy.argmax(numpy.fft.irfft(spectrum, size)[: len(whole)]))


def score(reference, heard):
    """PESQ of what was heard of the reference, wherever in it that is: MOS-LQO, 1 to 4.55."""
    begin = at(reference, heard)
    return float(pesq(RATE, reference, heard[begin : begin + len(reference)], "nb"))


def recording(url, key, call):
    request = urllib.request.Request(f"{url}/api/v1/calls/{call}/recording", headers={"X-API-Key": key})
    with urllib.request.urlopen(request, timeout=15) as answer:
        return samples(answer.read())


async def one(url, key, path):
    caller = Caller(url, key, path)
    await caller.connect()
    talked = await caller.talk()
    _, _, stats = await asyncio.to_thread(ask, "GET", f"{url}/api/v1/calls/{caller.id}/stats", None, {"X-API-Key": key})
    caller.channel.send(json.dumps({"type": "end-session"}))
    await asyncio.wait_for(caller.ended.wait(), 8)
    await caller.close()
    await asyncio.sleep(1)
    sides = await asyncio.to_thread(recording, url, key, caller.id)
    with open(path, "rb") as file:
        said = samples(file.read())[:, 0]
    # What the agent said back, as it went out, and as it was heard.
    voiced = numpy.flatnonzero(numpy.abs(sides[:, 1].astype(int)) > 500)
    back = sides[max(0, voiced[-1] - len(said)) : voiced[-1] + RATE // 4, 1]
    received = json.loads(stats)["received"]
    return {
        "to_us": score(said, sides[:, 0]),
        "from_us": score(back, numpy.concatenate(caller.heard)),
        "buffer_ms": received["buffer_ms"],
        "loss": received["loss_percent"],
        "set_up_ms": caller.set_up * 1000,
        "gap_ms": talked["gap_s"] * 1000,
    }


def main():
    url, key, path = sys.argv[1:]
    plain = webrtc_session.aioice.Connection.send, webrtc_session.aioice.Connection.recv
    print("| packets lost | PESQ to the agent | PESQ to the browser | held back by our jitter buffer | set-up |\n| ---: | ---: | ---: | ---: | ---: |")
    for loss in LOSSES:
        runs = []
        for seed in SEEDS if loss else SEEDS[:1]:
            webrtc_session.aioice.Connection.send, webrtc_session.aioice.Connection.recv = plain
            impair(loss, JITTER_MS, seed)
            runs.append(asyncio.run(one(url, key, path)))
            print(loss, seed, runs[-1], file=sys.stderr)
        mean = {key: sum(run[key] for run in runs) / len(runs) for key in runs[0]}
        print("| {} % | {to_us:.2f} | {from_us:.2f} | {buffer_ms:.0f} ms | {set_up_ms:.0f} ms |".format(loss, **mean), flush=True)


main()
