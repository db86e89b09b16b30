#!/usr/bin/env python3
"""Writes the seeds of the fuzz targets to fuzz/seeds: what is small and typical, made here or taken from sip/tests/data.

Always the same; run it again after a change here and commit what it wrote. Targets that read whole SIP messages have the
torture messages of sip/tests/data as seeds, which are not copied.
"""

import hmac
import json
import random
import struct
import zlib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SEEDS = ROOT / "fuzz" / "seeds"


def write(target, name, content):
    folder = SEEDS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def offer(*lines, address="192.0.2.70"):
    family = "IP6" if ":" in address else "IP4"
    head = ["v=0", f"o=x 1 1 IN {family} {address}", "s=-", f"c=IN {family} {address}", "t=0 0"]
    return "".join(line + "\r\n" for line in [*head, *lines])


def sdp():
    for path in sorted((ROOT / "sip/tests/data").glob("rfc*/*.dat")):
        body = path.read_bytes().partition(b"\r\n\r\n")[2]
        if body.startswith(b"v=0"):
            write("sdp", f"{path.parent.name}-{path.stem}", body)
    write("sdp", "g711", offer("m=audio 4000 RTP/AVP 0 8 101", "a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-16", "a=ptime:20"))
    write("sdp", "ipv6", offer("m=audio 4000 RTP/AVP 8", "a=rtcp:4005 IN IP6 2001:db8::8", address="2001:db8::7"))
    write("sdp", "held", offer("m=audio 4000 RTP/AVP 0 13", "c=IN IP4 0.0.0.0", "a=inactive", "a=maxptime:40"))
    write("sdp", "g722", offer("m=audio 4000 RTP/AVP 9 0", "a=rtpmap:9 G722/8000", "a=sendonly", "m=video 5000 RTP/AVP 96"))
    opus = ["a=rtpmap:111 opus/48000/2", "a=fmtp:111 useinbandfec=1;usedtx=1;maxaveragebitrate=24000", "a=rtcp-mux"]
    write("sdp", "opus", offer("m=audio 4000 RTP/AVP 111 110", *opus, "a=rtpmap:110 telephone-event/48000"))
    key = "inline:" + "A" * 40
    keys = [f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 {key}|2^20|1:4", f"a=crypto:2 AEAD_AES_128_GCM inline:{'B' * 38}=="]
    write("sdp", "srtp", offer("m=audio 4000 RTP/SAVP 0", *keys, "m=audio 4002 RTP/AVP 0"))
    print256 = "a=fingerprint:sha-256 " + ":".join(["AB"] * 32)
    ice = ["a=ice-ufrag:SJSq", "a=ice-pwd:PYUVq+nINlB2FbPH/LpjnFZ4", "a=candidate:1 1 udp 2130706431 192.0.2.70 4000 typ host"]
    browser = ["a=rtcp-mux", "a=setup:actpass", print256, "a=mid:0", *ice]
    write("sdp", "dtls", offer("a=group:BUNDLE 0", "m=audio 9 UDP/TLS/RTP/SAVPF 0 8", "c=IN IP4 0.0.0.0", *browser))
    write("sdp", "dtls-without-ice", offer("m=audio 4000 UDP/TLS/RTP/SAVP 0", "a=rtcp-mux", "a=setup:passive", print256))
    write("sdp", "refused", offer("m=audio 0 RTP/AVP 0", "m=image 5000 udptl t38", "m=audio 4004/2 RTP/AVP 0 0 0"))


def packet(kind, sequence, time, payload, ssrc=7, first=0x80, after=b""):
    return struct.pack(">BBHII", first, kind, sequence & 0xFFFF, time & 0xFFFFFFFF, ssrc) + after + payload


def rtp():
    def record(*datagrams):
        return b"".join(struct.pack("BB", pause, len(datagram)) + datagram for pause, datagram in datagrams)

    speech = [(0, packet(0, n, n * 160, b"\x55" * 160)) for n in range(6)]
    write("rtp", "speech", b"\0" + record(*speech))
    write("rtp", "wrap", b"\0" + record(*[(0, packet(0, 65533 + n, 2**32 - 320 + n * 160, b"\x12" * 160)) for n in range(6)]))
    write("rtp", "mixed-up", b"\1" + record(*[(n % 3 * 20, packet(8, (3, 1, 2, 2, 9, 8, 4)[n], n * 160, b"\xd5" * 80)) for n in range(7)]))
    event = [(0, packet(101, n, 0, bytes([5, (n > 2) << 7 | 10, 0, n * 160 & 255]))) for n in range(6)]
    write("rtp", "digit", b"\0" + record(*event))
    noise = [(0, packet(0, 0, 0, b"\x55" * 160)), (200, packet(13, 1, 160, b"\x28\x10")), (20, packet(0, 2, 1760, b"\x44" * 160))]
    write("rtp", "noise", b"\0" + record(*noise))
    write("rtp", "g722", b"\2" + record(*[(0, packet(9, n, n * 160, b"\xfa" * 160)) for n in range(3)]))
    write("rtp", "opus", b"\3" + record(*[(0, packet(111, n, n * 960, b"\x78\x0b\xe4\xc1\x36\xec\xc5\x80")) for n in range(3)]))
    odd = packet(0, 1, 0, b"\1" * 20 + b"\x04", first=0xB1, after=b"\0\0\0\1" + b"\xbe\xde\0\1" + b"\x10\0\0\0")
    write("rtp", "extension-padding", odd)
    change = [*speech[:2], (0, packet(0, 40000, 9, b"\x55" * 160, ssrc=8)), (0, packet(0, 40001, 169, b"\x55" * 160, ssrc=8))]
    write("rtp", "other-stream", b"\0" + record(*change))


def rtcp():
    block = struct.pack(">IIIIII", 7, 3 << 24 | 5, 65540, 40, 0x12345678, 6553)
    sender = struct.pack(">BBHI", 0x81, 200, 12, 9) + struct.pack(">QIII", 0xE0000000_00000000, 160, 1, 160) + block
    receiver = struct.pack(">BBHI", 0x81, 201, 7, 9) + block
    names = struct.pack(">BBHI", 0x81, 202, 3, 9) + b"\x01\x05cname\0"
    bye = struct.pack(">BBHI", 0x81, 203, 1, 9)
    extended = struct.pack(">BBHI", 0x80, 207, 4, 9) + struct.pack(">BBHQ", 4, 0, 2, 1 << 60)
    write("rtcp", "sender", sender + names)
    write("rtcp", "receiver", receiver + names + bye)
    write("rtcp", "empty", struct.pack(">BBHI", 0x80, 201, 1, 9) + names)
    write("rtcp", "extended", receiver + extended)
    write("rtcp", "padded", struct.pack(">BBHI", 0xA0, 201, 2, 9) + b"\0\0\0\x04")


def dtls():
    def handshake(number, message, body, record_number, content=22):
        head = struct.pack(">BBHHBHBH", message, 0, len(body), number, 0, 0, 0, len(body))
        return struct.pack(">BHHHIH", content, 0xFEFD, 0, 0, record_number, len(head + body)) + head + body

    def thrown(to, *datagrams):
        return b"".join(struct.pack("BB", to, len(datagram)) + datagram for datagram in datagrams)

    use_srtp = struct.pack(">HHHHHB", 14, 7, 4, 7, 1, 0)
    groups = struct.pack(">HHHHH", 10, 6, 4, 29, 23)
    extensions = use_srtp + groups + struct.pack(">HH", 23, 0)
    suites = struct.pack(">HHHBB", 4, 0xC02B, 0xC02F, 1, 0)
    hello = struct.pack(">H", 0xFEFD) + b"r" * 32 + b"\0\0" + suites + struct.pack(">H", len(extensions)) + extensions
    true = b"\1\0\0\0" * 8
    write("dtls", "true", true)
    write("dtls", "hello", thrown(1, handshake(0, 1, hello, 0)) + true)
    write("dtls", "hello-late", b"\1\0\0\0" * 2 + thrown(1, handshake(1, 1, hello, 9)) + true)
    alert = struct.pack(">BHHHIHBB", 21, 0xFEFD, 0, 0, 5, 2, 2, 40)
    write("dtls", "alert", b"\1\0\0\0" + thrown(0, alert) + true)
    data = struct.pack(">BHHHIH", 23, 0xFEFD, 1, 0, 5, 32) + b"d" * 32
    write("dtls", "data", true + thrown(1, data, data) + thrown(0, data))


def stun():
    def attribute(kind, value):
        return struct.pack(">HH", kind, len(value)) + value + b"\0" * (-len(value) % 4)

    def check(*attributes, password=b"a-password-of-24-letters", kind=1):
        body = attribute(0x0006, b"ours:theirs") + b"".join(attributes)

        def head(more):
            return struct.pack(">HHI", kind, len(body) + more, 0x2112A442) + b"transaction1"

        body += attribute(0x0008, hmac.new(password, head(24) + body, "sha1").digest())
        return head(8) + body + attribute(0x8028, struct.pack(">I", zlib.crc32(head(8) + body) ^ 0x5354554E))

    priority, controlling = attribute(0x0024, struct.pack(">I", 1853824767)), attribute(0x802A, b"12345678")
    write("stun", "check", check(controlling, priority))
    write("stun", "nomination", check(controlling, priority, attribute(0x0025, b"")))
    write("stun", "conflict", check(attribute(0x8029, b"12345678"), priority))
    write("stun", "unknown", check(controlling, priority, attribute(0x0077, b"?")))
    write("stun", "guessed", check(controlling, priority, password=b"guessed"))
    write("stun", "response", check(kind=0x0101))


def twilio():
    sid = {"streamSid": "MZ1"}
    start = {
        "accountSid": "AC1", "callSid": "CA1", "tracks": ["inbound"], "customParameters": {"token": "t"}, **sid,
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
    }  # fmt: skip
    frames = {
        "connected": {"event": "connected", "protocol": "Call", "version": "1.0.0"},
        "start": {"event": "start", "sequenceNumber": "1", "start": start, **sid},
        "media": {"event": "media", "sequenceNumber": "2", "media": {"track": "inbound", "chunk": "1", "timestamp": "5", "payload": "f39/fw=="}, **sid},
        "dtmf": {"event": "dtmf", "dtmf": {"track": "inbound_track", "digit": "#"}, **sid},
        "mark": {"event": "mark", "mark": {"name": "a\\u00e9"}, **sid},
        "stop": {"event": "stop", "stop": {"accountSid": "AC1", "callSid": "CA1"}, **sid},
        "clear": {"event": "clear", **sid},
        "numbers": {"event": "media", "sequenceNumber": 2, "media": {"chunk": 1, "timestamp": 1e3, "payload": ""}, **sid},
    }
    for name, frame in frames.items():
        write("twilio", name, json.dumps(frame))


def dialog():
    def response(status, more):
        head = f"SIP/2.0 {status}\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\nFrom: <sip:us@192.0.2.1>;tag=ours\r\n"
        return f"{head}To: <sip:them@192.0.2.2>;tag=t\r\nCall-ID: call\r\nCSeq: 1 INVITE\r\n{more}Content-Length: 0\r\n\r\n"

    route = "Record-Route: <sip:192.0.2.9;lr>, <sip:[2001:db8::9]:5070;transport=tcp>\r\n"
    write("dialog", "answered", response("200 OK", route + "Contact: <sip:them@192.0.2.2:5062>\r\n"))
    write("dialog", "answered-tel", response("200 OK", "Contact: <tel:+15550100>\r\n") + "\0\0\0\2\0\0\0\1")
    write("dialog", "ringing", response("180 Ringing", "Contact: *\r\n"))


def steps():
    """Octets are steps: any are good, and the fuzzer finds better ones."""
    for target, length in [("endpoint", 400), ("jitter", 600), ("transaction", 200)]:
        source = random.Random(target)
        for number in range(8):
            write(target, f"steps-{number}", source.randbytes(length))


for part in [sdp, rtp, rtcp, dtls, stun, twilio, dialog, steps]:
    part()
