#!/usr/bin/env python3
"""The application behind active-call: accepts each call that its webhook tells of, and echoes the call's audio.

    echo_bot.py BOT_HOST:PORT ACTIVE_CALL_HOST:PORT FRAME_MS

One port takes both: POST /invite is the webhook, GET /audio the WebSocket that active-call opens for a call, 16 kHz 16 bit
both ways in messages of FRAME_MS. Needs nothing but Python; reads no more of HTTP and WebSocket than active-call sends.
"""

import asyncio
import base64
import hashlib
import json
import sys
from urllib.parse import quote

RATE = 16_000
MESSAGE_MAX = 1 << 20  # seconds of audio; more is not from active-call
MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA


def accept_command(bot, frame_ms):
    """What makes active-call answer: its VAD on, the audio to us and back, nothing recorded."""
    media = {"url": f"ws://{bot}/audio", "inputSampleRate": RATE, "outputSampleRate": RATE}
    media |= {"packetSize": RATE * 2 * frame_ms // 1000, "ptime": frame_ms}
    option = {"vad": {"type": "silero"}, "mediaPass": media}
    return json.dumps({"command": "accept", "option": option}).encode()


async def accept(call, bot, server, frame_ms):
    """Holds the control WebSocket of one call, which lives as long as the call."""
    host, port = server.rsplit(":", 1)
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        f"GET /call/sip?id={quote(call)}&dump=false&ping=0 HTTP/1.1\r\nHost: {server}\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: b2ZmaG9vay1vZmZob29rIQ==\r\n\r\n".encode()
    )
    head = await reader.readuntil(b"\r\n\r\n")
    if b" 101 " not in head.split(b"\r\n")[0]:
        print("active-call refused the call:", head.decode(errors="replace"), file=sys.stderr)
    else:
        writer.write(frame(TEXT, accept_command(bot, frame_ms), masked=True))
        while await reader.read(1 << 16):  # its events
            pass
    writer.close()


def frame(kind, payload, masked=False):
    """One WebSocket message. A client's mask may be zero, which leaves the payload as it is."""
    mask = 0x80 if masked else 0
    length = len(payload)
    head = bytes([0x80 | kind, mask | length]) if length < 126 else bytes([0x80 | kind, mask | 126]) + length.to_bytes(2)
    return head + bytes(4 if masked else 0) + payload


class Connection(asyncio.Protocol):
    """One connection of active-call's: a webhook, or the audio of a call."""

    def __init__(self, bot, server, frame_ms):
        self.settings = (bot, server, frame_ms)
        self.waiting = bytearray()
        self.read = self.read_request

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.waiting += data
        while self.read():
            pass
        if len(self.waiting) > MESSAGE_MAX:
            self.transport.close()

    def read_request(self):
        """A request: answers it, and says whether there may be more to read."""
        end = self.waiting.find(b"\r\n\r\n")
        if end < 0:
            return False
        lines = self.waiting[:end].decode(errors="replace").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        length = int(headers.get("content-length", 0))
        if len(self.waiting) < end + 4 + length:
            return False
        body = bytes(self.waiting[end + 4 : end + 4 + length])
        del self.waiting[: end + 4 + length]
        if key := headers.get("sec-websocket-key"):
            proof = base64.b64encode(hashlib.sha1(key.encode() + MAGIC).digest()).decode()
            self.transport.write(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Accept: {proof}\r\n\r\n".encode()
            )
            self.read = self.read_audio
        else:
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            calls.add(task := asyncio.ensure_future(accept(json.loads(body)["dialogId"], *self.settings)))
            task.add_done_callback(calls.discard)
        return True

    def read_audio(self):
        """A message: echoes it, and says whether there may be more to read."""
        waiting = self.waiting
        if len(waiting) < 2:
            return False
        size, start = waiting[1] & 0x7F, 2
        if size == 126:
            size, start = int.from_bytes(waiting[2:4]), 4
        elif size == 127:
            size, start = int.from_bytes(waiting[2:10]), 10
        end = start + 4 + size  # a client masks
        if len(waiting) < end:
            return False
        kind, mask = waiting[0] & 0x0F, waiting[start : start + 4]
        key = int.from_bytes((mask * (size // 4 + 1))[:size])
        payload = (int.from_bytes(waiting[start + 4 : end]) ^ key).to_bytes(size)
        del waiting[:end]
        if kind == BINARY:
            self.transport.write(frame(BINARY, payload))
        elif kind == PING:
            self.transport.write(frame(PONG, payload))
        elif kind == CLOSE:
            self.transport.write(frame(CLOSE, payload))
            self.transport.close()
        return True


async def main(bot, server, frame_ms):
    host, port = bot.rsplit(":", 1)
    loop = asyncio.get_running_loop()
    listener = await loop.create_server(lambda: Connection(bot, server, int(frame_ms)), host, int(port), backlog=1024)
    await listener.serve_forever()


calls = set()  # the event loop itself holds its tasks only weakly

if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    try:
        asyncio.run(main(*sys.argv[1:]))
    except KeyboardInterrupt:
        pass
