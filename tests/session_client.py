"""Talks and types in sessions, with a WebSocket that nobody here wrote.

session_client.py URL API_KEY SPEECH.wav SCENARIO
"""

import asyncio
import base64
import contextlib
import json
import sys
import time
import urllib.error
import urllib.request
import wave

import numpy
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

RATE = 16000
PIECE = RATE // 50


class Api:
    def __init__(self, url, key):
        self.url, self.key = url, key

    def ask(self, method, path, body=None, headers=None):
        """Status, headers and body of a request."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"X-API-Key": self.key, "Content-Type": "application/json", **(headers or {})}
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=15) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    def json(self, method, path, body=None, status=200):
        got, _, answer = self.ask(method, path, body)
        assert got == status, f"{method} {path}: {got} {answer}"
        return json.loads(answer) if answer else None

    async def until(self, path, wanted, seconds=10):
        """Asks until the answer is as wanted."""
        end = time.monotonic() + seconds
        while True:
            answer = await asyncio.to_thread(self.json, "GET", path)
            if wanted(answer):
                return answer
            assert time.monotonic() < end, f"{path}: {answer}"
            await asyncio.sleep(0.1)


class Session:
    """A socket, and all that came over it."""

    def __init__(self, api, metadata=None):
        self.api, self.seen, self.audio, self.closed = api, [], bytearray(), None
        self.made = api.json("POST", "/api/v1/sessions", {"metadata": metadata or {}}, 201)
        self.id, self.path = self.made["id"], f"/api/v1/sessions/{self.made['id']}"

    async def open(self, query="", rate=RATE):
        self.rate, began = rate, time.monotonic()
        url = f"{self.made['websocket_url']}?token={self.made['token']}{query}"
        self.socket = await connect(url)
        self.reader = asyncio.create_task(self.read())
        assert (await self.wait("connected"))["session_id"] == self.id
        self.set_up = time.monotonic() - began
        return self

    async def read(self):
        try:
            async for message in self.socket:
                if isinstance(message, bytes):
                    self.audio += message
                    continue
                message = json.loads(message)
                if message["type"] == "assistant-message" and message["audio"]:
                    audio = message["audio"]
                    assert (audio["format"], audio["rate"]) == ("pcm16", self.rate), audio
                    self.audio += base64.b64decode(audio["payload"], validate=True)
                else:
                    self.seen.append(message)
        except ConnectionClosed:
            pass
        self.closed = self.socket.close_code

    async def wait(self, kind, seconds=15, **fields):
        """The first message of this kind, which is taken out with all before it."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for place, message in enumerate(self.seen):
                if message["type"] == kind and all(message.get(name) == value for name, value in fields.items()):
                    del self.seen[:place + 1]
                    return message
            await asyncio.sleep(0.01)
        raise AssertionError(f"no {kind} {fields} in {seconds} s: {self.seen}, {len(self.audio)} bytes of audio, {self.closed}")

    async def send(self, kind, **fields):
        await self.socket.send(json.dumps({"type": kind, **fields}))

    async def say(self, samples, binary=False):
        """Speaks in real time."""
        due = time.monotonic()
        for start in range(0, len(samples), PIECE):
            piece = samples[start:start + PIECE].astype("<i2").tobytes()
            if binary:
                await self.socket.send(piece)
            else:
                await self.send("audio", payload=base64.b64encode(piece).decode(), rate=RATE)
            due += 0.02
            await asyncio.sleep(max(0, due - time.monotonic()))

    async def loud(self, seconds, limit=15):
        """Waits for so much of the agent's voice from now on; without what is only silence."""
        begin, end = len(self.audio), time.monotonic() + limit
        while self.voice(begin) < seconds:
            assert time.monotonic() < end, f"{self.voice(begin)} s of voice"
            await asyncio.sleep(0.02)

    def voice(self, begin=0):
        samples = numpy.frombuffer(bytes(self.audio[begin:len(self.audio) // 2 * 2]), "<i2")
        return float(numpy.count_nonzero(numpy.abs(samples.astype(numpy.int32)) > 200)) / self.rate

    async def over(self, reason, code=1000):
        ended = await self.wait("session-ended")
        assert ended["reason"] == reason, ended
        await asyncio.wait_for(self.reader, 5)
        assert self.closed == code, self.closed


def speech(path, seconds):
    """Speech at 16 kHz, from a file at 8 kHz."""
    with wave.open(path) as file:
        samples = numpy.frombuffer(file.readframes(int(seconds * 8000)), numpy.int16)
    return numpy.interp(numpy.arange(2 * len(samples)) / 2, numpy.arange(len(samples)), samples)


SILENCE = numpy.zeros(RATE * 2)


async def typed(api, _):
    session = await Session(api, {"page": "/pricing"}).open()
    assert session.set_up < 2, session.set_up
    words = await session.wait("assistant-message")
    assert words["text"] and words["turn_id"] and words["audio"] is None, words
    await session.wait("transcript", role="assistant", final=True)
    assert session.voice() > 0.3, session.voice()
    await session.send("user-message", text="I want a pizza.")
    assert (await session.wait("transcript", role="user", final=True))["text"] == "I want a pizza."
    await session.wait("assistant-message")
    # Some words of it.
    await session.loud(1)
    # Typed into it by somebody who is not at the socket.
    said = api.json("POST", session.path + "/messages", {"role": "user", "content": "With olives."}, 202)
    assert said["role"] == "user", said
    await session.wait("interrupted")
    assert (await session.wait("transcript", role="user", final=True))["text"] == "With olives."
    await session.wait("assistant-message")
    await session.wait("transcript", role="assistant", final=True)
    messages = await api.until(session.path + "/messages", lambda answer: len(answer["data"]) >= 5)
    roles = [(one["role"], one["content"]) for one in messages["data"]]
    assert ("user", "I want a pizza.") in roles and ("user", "With olives.") in roles, roles
    shown = api.json("GET", session.path)
    assert (shown["status"], shown["metadata"]) == ("active", {"page": "/pricing"}), shown
    call = api.json("GET", f"/api/v1/calls/{session.id}")
    assert (call["leg"], call["status"], call["to"]) == ("ws", "answered", "demo"), call
    stats = api.json("GET", f"/api/v1/calls/{session.id}/stats")
    assert (stats["live"], stats["codec"], stats["received"]) == (True, "pcm16", None), stats
    await session.send("end-session")
    await session.over("caller_hangup")
    shown = await api.until(session.path, lambda answer: answer["status"] == "ended")
    assert shown["reason"] == "caller_hangup", shown
    status, _, _ = api.ask("POST", session.path + "/messages", {"content": "late"})
    assert status == 409, status
    print(json.dumps({"set_up_ms": round(session.set_up * 1000), "voice_s": session.voice()}))


async def spoken(api, path):
    session = await Session(api).open("&audio=binary")
    await session.wait("transcript", role="assistant", final=True)
    heard = session.voice()
    assert heard > 0.3, heard
    words = speech(path, 3)
    began = time.monotonic()
    await session.say(numpy.concatenate([words, SILENCE]), binary=True)
    await session.wait("speech-started", 1)
    await session.wait("speech-stopped", 1)
    assert "my fellow Americans" in (await session.wait("transcript", role="user", final=True))["text"]
    await session.wait("transcript", role="assistant", final=True)
    assert session.voice() > heard + 0.3, session.voice()
    # A whole sentence at once is heard as time goes on, too.
    await session.socket.send(words.astype("<i2").tobytes()[:RATE * 4])
    await session.wait("speech-started")
    await session.wait("speech-stopped")
    await session.loud(0.2)
    await session.socket.close()
    await api.until(session.path, lambda answer: answer["status"] == "ended")
    transcript = api.json("GET", f"/api/v1/calls/{session.id}/transcript")
    assert transcript["status"] == "ended" and len(transcript["turns"]) >= 4, transcript
    gaps = [turn["timings"]["response_gap_ms"] for turn in
            api.json("GET", f"/api/v1/calls/{session.id}/timeline")["turns"] if turn["timings"]]
    assert gaps and all(0 < gap < 5000 for gap in gaps), gaps
    recording = f"/api/v1/calls/{session.id}/recording"
    status, headers, body = api.ask("GET", recording)
    assert (status, body[:4], headers["Content-Type"]) == (200, b"RIFF", "audio/wav"), (status, headers)
    status, part, head = api.ask("GET", recording, headers={"Range": "bytes=0-43"})
    assert (status, len(head), part["Content-Range"]) == (206, 44, f"bytes 0-43/{len(body)}"), (status, part)
    status, _, _ = api.ask("GET", recording, headers={"If-None-Match": headers["ETag"]})
    assert status == 304, status
    calls = api.json("GET", "/api/v1/calls?status=ended&assistant=demo")["data"]
    assert [call["id"] for call in calls] == [session.id], calls
    summary = api.json("GET", "/api/v1/analytics/summary?group_by=hour")
    assert summary["total"]["calls"] == 1 and summary["total"]["response_gap"]["count"] == len(gaps), summary
    print(json.dumps({"seconds": round(time.monotonic() - began, 1), "gaps_ms": gaps, "wav_bytes": len(body)}))


async def barge_in(api, path):
    session = await Session(api).open("&rate=24000", 24000)
    await session.loud(0.3)
    talking = asyncio.create_task(session.say(speech(path, 3)))
    cut = await session.wait("interrupted", 10)
    sent = len(session.audio) / 2 / session.rate * 1000
    # What was sent is what was heard, but for what is on its way.
    assert 0 < cut["heard_ms"] <= sent + 100 and cut["heard_ms"] > sent - 500, (cut, sent)
    await talking
    silent_from = len(session.audio)
    await session.say(SILENCE[:RATE // 2])
    await session.wait("speech-stopped", 5)
    await session.wait("transcript", role="user", final=True)
    await session.send("end-session")
    await session.over("caller_hangup")
    turns = api.json("GET", f"/api/v1/calls/{session.id}/transcript")["turns"]
    assert turns[0]["role"] == "assistant" and turns[0]["heard_ms"] == cut["heard_ms"], (turns, cut)
    print(json.dumps({"heard_ms": cut["heard_ms"], "sent_ms": round(sent), "after_bytes": len(session.audio) - silent_from}))


async def bad(api, _):
    session = await Session(api).open("&audio=none")
    audio = base64.b64encode(b"\0" * 640).decode()
    wrong = [
        ("not json", "bad_json"), ("[]", "bad_message"), ("{}", "bad_message"), ('{"type":"dance"}', "unknown_type"),
        ('{"type":"user-message"}', "bad_message"), ('{"type":"user-message","text":""}', "bad_message"),
        (json.dumps({"type": "user-message", "text": "x" * 20000}), "too_long"),
        (json.dumps({"type": "audio", "payload": "***"}), "bad_audio"),
        (json.dumps({"type": "audio", "payload": audio, "rate": 11025}), "bad_audio"),
        (b"\0", "bad_audio"), ("x" * 500000, "too_long"), ('{"type":' * 1000, "bad_json"), ("[" * 100000, "bad_json"),
    ]
    for message, code in wrong:
        await session.socket.send(message)
        error = await session.wait("error")
        assert error["code"] == code and error["message"], (message[:40], error)
    for _ in range(1000):
        await session.socket.send("{")
    for _ in range(1000):
        await session.wait("error", code="bad_json")
    await session.send("user-message", text="Are you there?")
    await session.wait("transcript", role="user", final=True)
    await session.wait("transcript", role="assistant", final=True)
    assert not session.audio, "none was asked for"
    # A message that is too long to be read at all ends the session.
    # It may be over before all of it was sent.
    with contextlib.suppress(ConnectionClosed):
        await session.socket.send("x" * 3000000)
    await asyncio.wait_for(session.reader, 10)
    await api.until(session.path, lambda answer: answer["status"] == "ended")
    print(json.dumps({"errors": len(wrong) + 1000}))


async def refused(api, _):
    session = Session(api)
    url = session.made["websocket_url"]
    for query in ["", "?token=ohs_wrong", f"?token={session.made['token']}x", f"?token={api.key}"]:
        try:
            await connect(url + query)
            raise AssertionError(f"{query} got in")
        except InvalidStatus as error:
            assert error.response.status_code == 401, error
    await session.open()
    try:
        await connect(f"{url}?token={session.made['token']}")
        raise AssertionError("the token worked twice")
    except InvalidStatus as error:
        assert error.response.status_code == 401, error
    await session.loud(0.2)
    # Ended by the API in mid-call.
    assert api.ask("DELETE", session.path)[0] == 204
    await session.over("operator_hangup")
    # And one that was never opened.
    late = Session(api)
    assert api.ask("DELETE", late.path)[0] == 204
    try:
        await late.open()
        raise AssertionError("a session that has ended was opened")
    except InvalidStatus as error:
        assert error.response.status_code == 401, error
    print("{}")


async def expired(api, _):
    """The session was made longer ago than its token lives: the test has changed the clock of the database."""
    session = Session(api)
    print(session.id, flush=True)
    sys.stdin.readline()
    assert api.json("GET", session.path)["status"] == "expired"
    try:
        await session.open()
        raise AssertionError("an expired token got in")
    except InvalidStatus as error:
        assert error.response.status_code == 401, error


if __name__ == "__main__":
    url, key, wav, scenario = sys.argv[1:]
    asyncio.run(asyncio.wait_for(globals()[scenario](Api(url, key), wav), 90))
