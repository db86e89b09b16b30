"""Calls sessions by WebRTC, with a stack that nobody here wrote. Prints what it saw as one line of JSON.

webrtc_session.py URL API_KEY SPEECH.wav SCENARIO
talk: says the file and listens to what is talked back. two: the same, twice at once. flood: the same, while garbage comes to the server's port.
lossy: the same, over a network that loses and delays packets. bare: no data channel. gone: is there until it is killed. refused: offers that
cannot be taken. typed: types instead.
"""

import asyncio
import fractions
import json
import os
import random
import re
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
import wave

import aioice.ice
import av
import numpy
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError

# The server is on loopback, which is not among a host's addresses elsewhere.
aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]

RATE = 8000
LOUD = 1000


def ask(method, url, body=None, headers=None):
    request = urllib.request.Request(url, body, headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=15) as answer:
            return answer.status, dict(answer.headers), answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read().decode()


def make(url, key, wish=None):
    headers = {"X-API-Key": key, "Content-Type": "application/json"}
    status, _, text = ask("POST", url + "/api/v1/sessions", json.dumps(wish or {}).encode(), headers)
    assert status == 201, text
    return json.loads(text)


def impair(loss, jitter_ms, seed):
    """Loses packets of media both ways, so many of a hundred, and holds up those to the server by up to so long."""
    chance, send, recv = random.Random(seed), aioice.Connection.send, aioice.Connection.recv

    def is_media(data):
        return 128 <= data[0] <= 191 and not 192 <= data[1] <= 223

    async def sending(self, data):
        if not is_media(data):
            return await send(self, data)
        if chance.random() * 100 >= loss:
            wait = chance.random() * jitter_ms / 1000
            asyncio.get_running_loop().call_later(wait, lambda: asyncio.ensure_future(quietly(send(self, data))))

    async def receiving(self):
        while True:
            data = await recv(self)
            if not is_media(data) or chance.random() * 100 >= loss:
                return data

    async def quietly(sent):
        try:
            await sent
        except ConnectionError:
            pass

    aioice.Connection.send, aioice.Connection.recv = sending, receiving


class Voice(MediaStreamTrack):
    """Silence, and once it is told to, a file."""

    kind = "audio"

    def __init__(self, path):
        super().__init__()
        with wave.open(path) as file:
            assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE, 1, 2)
            self.octets = file.readframes(file.getnframes())
        self.at, self.begin, self.said = 0, None, None
        self.done = asyncio.Event()

    async def recv(self):
        now = asyncio.get_running_loop().time()
        self.begin = self.begin or now
        await asyncio.sleep(max(0, self.begin + self.at * 0.02 - now))
        piece = b""
        if self.said is not None:
            piece = self.octets[self.said * 320 :][:320]
            self.said += 1
            if not piece:
                self.said = None
                self.done.set()
        frame = av.AudioFrame(format="s16", layout="mono", samples=160)
        frame.planes[0].update(piece.ljust(320, b"\0"))
        frame.sample_rate, frame.pts, frame.time_base = RATE, self.at * 160, fractions.Fraction(1, RATE)
        self.at += 1
        return frame


class Caller:
    """One call."""

    def __init__(self, url, key, path, channel=True):
        self.made = make(url, key)
        self.id, self.url, self.key = self.made["id"], url, key
        self.peer, self.voice = RTCPeerConnection(), Voice(path)
        self.frames, self.peaks, self.heard, self.told = 0, [], [], []
        self.ended, self.opened = asyncio.Event(), asyncio.Event()
        self.peer.addTrack(self.voice)
        self.peer.on("track", lambda track: setattr(self, "task", asyncio.ensure_future(self.listen(track))))
        self.channel = self.peer.createDataChannel("offhook") if channel else None
        if channel:
            self.channel.on("open", self.opened.set)
            self.channel.on("message", self.read)

    def read(self, text):
        message = json.loads(text)
        message["at"] = time.monotonic()
        self.told.append(message)
        if message["type"] == "session-ended":
            self.ended.set()

    async def listen(self, track):
        resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
        try:
            while True:
                for frame in resampler.resample(await track.recv()):
                    samples = numpy.frombuffer(bytes(frame.planes[0])[: frame.samples * 2], dtype=numpy.int16)
                    self.frames += 1
                    self.peaks.append((time.monotonic(), int(numpy.abs(samples.astype(int)).max(initial=0))))
                    self.heard.append(samples)
        except MediaStreamError:
            pass

    async def connect(self):
        await self.peer.setLocalDescription(await self.peer.createOffer())
        headers = {"Content-Type": "application/sdp", "Authorization": "Bearer " + self.made["token"]}
        self.began = time.monotonic()
        self.offer = self.peer.localDescription.sdp
        status, headers, answer = await asyncio.to_thread(ask, "POST", self.made["webrtc_url"], self.offer.encode(), headers)
        assert status == 201, answer
        assert headers["content-type"] == "application/sdp", headers
        self.location, self.answer = headers["location"], answer
        await self.peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        while self.peer.connectionState != "connected":
            assert time.monotonic() < self.began + 10, self.peer.connectionState
            await asyncio.sleep(0.01)
        self.set_up = time.monotonic() - self.began

    def loud_since(self, then):
        return [at for at, peak in self.peaks if at >= then and peak > LOUD]

    async def quiet(self, seconds, longest=30):
        """Waits until nothing loud was heard for so long, after something was."""
        since, deadline = time.monotonic(), time.monotonic() + longest
        while time.monotonic() < deadline:
            await asyncio.sleep(0.1)
            loud = self.loud_since(since)
            if loud and time.monotonic() - loud[-1] > seconds:
                return loud
        raise AssertionError(f"nothing was heard in {longest} s: {self.told}")

    async def talk(self):
        """Hears the greeting, says the file, and hears it again."""
        greeting = await self.quiet(1.0)
        self.voice.said, since = 0, time.monotonic()
        await asyncio.wait_for(self.voice.done.wait(), 60)
        spoken = time.monotonic()
        last = await self.quiet(1.5)
        # Pauses in the speech are turns of their own: they are talked back, and talked over.
        back = self.loud_since(since)
        return {"greeting_s": len(greeting) / 50, "talked_back_s": len(back) / 50, "gap_s": last[0] - spoken}

    async def stats(self):
        stats = (await self.peer.getStats()).values()
        return {
            "received": max((part.packetsReceived for part in stats if part.type == "inbound-rtp"), default=0),
            "lost": max((part.packetsLost for part in stats if part.type == "inbound-rtp"), default=0),
            "lost_there": max((part.packetsLost for part in stats if part.type == "remote-inbound-rtp"), default=None),
        }

    async def close(self):
        if hasattr(self, "task"):
            self.task.cancel()
        await asyncio.wait_for(self.peer.close(), 5)


def kinds(told):
    return [message["type"] for message in told]


async def talk(url, key, path, end="channel", channel=True):
    caller = Caller(url, key, path, channel)
    await caller.connect()
    result = await caller.talk()
    result.update(await caller.stats(), id=caller.id, set_up_s=caller.set_up, answer=caller.answer, frames=caller.frames)
    if not channel:
        headers = {"Authorization": "Bearer " + caller.made["token"]}
        result["left"] = (await asyncio.to_thread(ask, "DELETE", url + caller.location, None, headers))[0]
    else:
        caller.channel.send(json.dumps({"type": "end-session"}))
        await asyncio.wait_for(caller.ended.wait(), 8)
        result["told"], result["messages"] = kinds(caller.told), caller.told
    await caller.close()
    return result


async def lossy(url, key, path):
    impair(5, 40, 1)
    caller = Caller(url, key, path)
    await caller.connect()
    result = await caller.talk()
    headers = {"X-API-Key": key}
    status, _, figures = await asyncio.to_thread(ask, "GET", f"{url}/api/v1/calls/{caller.id}/stats", None, headers)
    assert status == 200, figures
    result.update(await caller.stats(), figures=json.loads(figures), id=caller.id)
    caller.channel.send(json.dumps({"type": "end-session"}))
    await asyncio.wait_for(caller.ended.wait(), 8)
    await caller.close()
    return result


async def two(url, key, path):
    return list(await asyncio.gather(talk(url, key, path), talk(url, key, path)))


async def typed(url, key, path):
    caller = Caller(url, key, path)
    await caller.connect()
    await asyncio.wait_for(caller.opened.wait(), 5)
    await caller.quiet(1.0)
    since = time.monotonic()
    for text in ["nonsense", '{"type":"audio","payload":"AAAA"}', json.dumps({"type": "user-message", "text": "Good morning to you."})]:
        caller.channel.send(text)
    await caller.quiet(1.0)
    caller.channel.send(json.dumps({"type": "end-session"}))
    await asyncio.wait_for(caller.ended.wait(), 8)
    result = {"messages": caller.told, "loud_s": len(caller.loud_since(since)) / 50}
    await caller.close()
    return result


async def gone(url, key, path):
    caller = Caller(url, key, path)
    await caller.connect()
    await asyncio.wait_for(caller.opened.wait(), 5)
    print(caller.id, flush=True)
    await asyncio.sleep(60)


def flood(port, name, stop):
    """Garbage, forged checks under a name that is right, and packets that look like media."""
    chance = random.Random(1)
    user = name.encode() + b":peer"
    check = b"\0\1" + (8 + (len(user) + 3) // 4 * 4).to_bytes(2, "big") + b"\x21\x12\xa4\x42" + bytes(12)
    check += b"\0\6" + len(user).to_bytes(2, "big") + user.ljust((len(user) + 3) // 4 * 4, b"\0") + b"\0\x24\0\4\x7f\0\0\1"
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(20)]
    sent = 0
    while not stop.is_set():
        for one in sockets:
            kind = chance.randrange(4)
            data = [check, b"\x80" + os.urandom(100), b"\x16\xfe\xfd" + os.urandom(200), os.urandom(chance.randrange(1400))][kind]
            one.sendto(data, ("127.0.0.1", port))
            sent += 1
        time.sleep(0.005)
    return sent


async def flooded(url, key, path):
    caller = Caller(url, key, path)
    await caller.connect()
    port = int(re.search(r"a=candidate:\S+ 1 udp \d+ 127.0.0.1 (\d+)", caller.answer)[1])
    name = re.search(r"a=ice-ufrag:(\S+)", caller.answer)[1]
    stop = threading.Event()
    flooding = asyncio.ensure_future(asyncio.to_thread(flood, port, name, stop))
    result = await caller.talk()
    stop.set()
    result.update(await caller.stats(), sent=await flooding, id=caller.id)
    caller.channel.send(json.dumps({"type": "end-session"}))
    await asyncio.wait_for(caller.ended.wait(), 8)
    await caller.close()
    return result


async def refused(url, key, path):
    """What each offer that cannot be taken is answered: status, and what is said of it."""
    caller = Caller(url, key, path)
    await caller.peer.setLocalDescription(await caller.peer.createOffer())
    good, at = caller.peer.localDescription.sdp, caller.made["webrtc_url"]
    token = {"Authorization": "Bearer " + caller.made["token"]}
    sdp = {"Content-Type": "application/sdp"}
    tried = []

    async def attempt(body, headers, where=at, method="POST"):
        status, _, text = await asyncio.to_thread(ask, method, where, body.encode(), headers)
        problem = json.loads(text) if text.startswith("{") else {"detail": "", "errors": []}
        tried.append([status, problem["detail"], [error["reason"] for error in problem["errors"]]])

    await attempt(good, sdp)
    await attempt(good, {**sdp, "Authorization": "Bearer ohs_wrong"})
    await attempt(good, {**token, "Content-Type": "application/json"})
    await attempt("x" * (16 * 1024 + 1), {**token, **sdp})
    await attempt("hello", {**token, **sdp})
    await attempt(re.sub(r"a=ice-ufrag:.*\r\n", "", good), {**token, **sdp})
    await attempt(re.sub(r"opus/48000/2", "speex/16000", good), {**token, **sdp})
    await attempt(re.sub(r"a=fingerprint:.*\r\n", "", good), {**token, **sdp})
    await attempt(good, {**token, **sdp}, method="PATCH")
    await attempt(good, sdp, at + "?token=" + caller.made["token"])
    await attempt(good, {**token, **sdp})
    await attempt("hello", {**token, **sdp}, method="PATCH")
    await attempt("", {"X-API-Key": key}, method="DELETE")
    await caller.close()
    return tried


async def main():
    url, key, path, scenario = sys.argv[1:]
    scenarios = {"talk": talk, "two": two, "lossy": lossy, "flood": flooded, "gone": gone, "refused": refused, "typed": typed}
    if scenario == "bare":
        result = await talk(url, key, path, channel=False)
    else:
        result = await scenarios[scenario](url, key, path)
    print(json.dumps(result))


if __name__ == "__main__":
    asyncio.run(main())
