"""A caller whose audio is WebRTC's: aiortc, or openssl alone, with SIP by hand. Prints what it saw as one line of JSON.

usage: webrtc_opinion.py aiortc|forged|openssl HOST:PORT WAV
aiortc: ICE, DTLS-SRTP and Opus by a library; it says the file and counts what it hears. forged: the same, with another fingerprint in
its offer than its certificate has. openssl: an RSA certificate and `s_client -use_srtp`; the handshake alone.
"""

import asyncio
import fractions
import json
import re
import subprocess
import sys
import tempfile
import wave

TALK_SECONDS = 9
WAIT_SECONDS = 15


class Sip(asyncio.DatagramProtocol):
    """One call, as a caller."""

    def __init__(self, server):
        self.server, self.ended = server, asyncio.Event()
        self.answer = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport
        self.local = "%s:%d" % transport.get_extra_info("sockname")[:2]

    def send(self, method, number, branch, body=""):
        to = "<sip:demo@127.0.0.1>" + (f";tag={self.tag}" if method != "INVITE" else "")
        kind = "Content-Type: application/sdp\r\n" if body else ""
        text = (
            f"{method} sip:demo@{self.server[0]}:{self.server[1]} SIP/2.0\r\nVia: SIP/2.0/UDP {self.local};branch=z9hG4bK{branch};rport\r\n"
            f"From: <sip:browser@127.0.0.1>;tag=us\r\nTo: {to}\r\nCall-ID: webrtc-{self.local}\r\nCSeq: {number} {method}\r\n"
            f"Contact: <sip:browser@{self.local}>\r\nMax-Forwards: 70\r\n{kind}Content-Length: {len(body)}\r\n\r\n{body}"
        )
        self.transport.sendto(text.encode(), self.server)

    def datagram_received(self, data, address):
        head, _, body = data.decode().partition("\r\n\r\n")
        if head.startswith("BYE "):
            lines = [line for line in head.split("\r\n")[1:] if line.split(":")[0].lower() in ("via", "from", "to", "call-id", "cseq")]
            self.transport.sendto(("\r\n".join(["SIP/2.0 200 OK", *lines, "Content-Length: 0"]) + "\r\n\r\n").encode(), address)
            self.ended.set()
        elif re.match(r"SIP/2.0 [2-6]", head) and "INVITE" in re.search(r"(?mi)^CSeq:.*$", head)[0]:
            self.tag = re.search(r"(?mi)^To:.*;tag=([^;\s]+)", head)[1]
            accepted = head.startswith("SIP/2.0 200")
            self.send("ACK", 1, "ack" if accepted else "invite")
            if not self.answer.done():
                self.answer.set_result((head.split("\r\n")[0], body))


async def call(server, offer):
    loop = asyncio.get_running_loop()
    _, sip = await loop.create_datagram_endpoint(lambda: Sip(server), local_addr=("127.0.0.1", 0))
    sip.send("INVITE", 1, "invite", offer)
    status, answer = await asyncio.wait_for(sip.answer, WAIT_SECONDS)
    return sip, status, answer


def speech(path):
    with wave.open(path) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (8000, 1, 2)
        return file.readframes(file.getnframes())


async def aiortc(server, path, forged):
    import aioice.ice
    import av
    from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription

    # The server is on loopback, which is not among a host's addresses elsewhere.
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]

    class Voice(MediaStreamTrack):
        kind = "audio"

        def __init__(self):
            super().__init__()
            self.octets, self.at, self.begin = speech(path), 0, None

        async def recv(self):
            now = asyncio.get_running_loop().time()
            self.begin = self.begin or now
            await asyncio.sleep(max(0, self.begin + self.at * 0.02 - now))
            piece = self.octets[self.at * 320 :][:320].ljust(320, b"\0")
            frame = av.AudioFrame(format="s16", layout="mono", samples=160)
            frame.planes[0].update(piece)
            frame.sample_rate, frame.pts, frame.time_base = 8000, self.at * 160, fractions.Fraction(1, 8000)
            self.at += 1
            return frame

    peer = RTCPeerConnection()
    heard = {"frames": 0, "loud": 0}

    @peer.on("track")
    def listen(track):
        async def count():
            while True:
                frame = await track.recv()
                heard["frames"] += 1
                octets = bytes(frame.planes[0])
                samples = memoryview(octets[: len(octets) // 2 * 2]).cast("h")
                heard["loud"] += max(map(abs, samples)) > 1000

        heard["task"] = asyncio.ensure_future(count())

    peer.addTrack(Voice())
    await peer.setLocalDescription(await peer.createOffer())
    offer = peer.localDescription.sdp
    if forged:
        offer = re.sub(r"(a=fingerprint:sha-(?:256|384|512)) \S\S:\S\S", r"\1 00:00", offer)
    sip, status, answer = await call(server, offer)
    result = {"status": status, "answer": answer}
    if status.startswith("SIP/2.0 200"):
        await peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        try:
            await asyncio.wait_for(sip.ended.wait(), TALK_SECONDS)
            result["ended_by"] = "server"
        except asyncio.TimeoutError:
            result["ended_by"] = "caller"
            sip.send("BYE", 2, "bye")
    stats = (await peer.getStats()).values()
    result["received"] = max((part.packetsReceived for part in stats if part.type == "inbound-rtp"), default=0)
    result["lost_there"] = max((part.packetsLost for part in stats if part.type == "remote-inbound-rtp"), default=None)
    result.update(connection=peer.connectionState, frames=heard["frames"], loud=heard["loud"])
    if "task" in heard:
        heard["task"].cancel()
    await asyncio.wait_for(peer.close(), 5)
    return result


async def openssl(server):
    with tempfile.TemporaryDirectory() as folder:
        key, certificate = f"{folder}/key.pem", f"{folder}/certificate.pem"
        make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=peer", "-days", "2"]
        subprocess.run([*make, "-keyout", key, "-out", certificate], check=True, capture_output=True)
        shown = subprocess.run(["openssl", "x509", "-in", certificate, "-noout", "-fingerprint", "-sha512"], check=True, capture_output=True)
        fingerprint = shown.stdout.decode().strip().split("=")[1]
        offer = (
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVP 0\r\n"
            f"a=rtcp-mux\r\na=setup:active\r\na=fingerprint:sha-512 {fingerprint}\r\n"
        )
        sip, status, answer = await call(server, offer)
        port = re.search(r"m=audio (\d+)", answer)[1]
        program = await asyncio.create_subprocess_exec(
            *["openssl", "s_client", "-dtls1_2", "-connect", f"127.0.0.1:{port}", "-use_srtp", "SRTP_AES128_CM_SHA1_32", "-cert", certificate, "-key", key],
            *["-keymatexport", "EXTRACTOR-dtls_srtp", "-keymatexportlen", "60"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        text = b""
        try:
            while b"Keying material:" not in text:
                text += await asyncio.wait_for(program.stdout.readline(), WAIT_SECONDS)
        except asyncio.TimeoutError:
            pass
        await asyncio.sleep(1)
        program.kill()
        await program.wait()
        sip.send("BYE", 2, "bye")
        ours = re.search(r"a=fingerprint:sha-256 (\S+)", answer)[1]
        pem = re.search(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", text, re.S)[0]
        shown = subprocess.run(["openssl", "x509", "-noout", "-fingerprint", "-sha256"], input=pem, check=True, capture_output=True)
        same = shown.stdout.decode().strip().split("=")[1] == ours
        return {"status": status, "log": text.decode(errors="replace"), "certificate_as_in_answer": same}


async def main():
    mode, address, path = sys.argv[1:]
    host, _, port = address.rpartition(":")
    server = (host, int(port))
    result = await openssl(server) if mode == "openssl" else await aiortc(server, path, mode == "forged")
    print(json.dumps(result))


asyncio.run(main())
