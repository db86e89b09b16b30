"""Calls the server as Twilio does, with Twilio's own signatures and a WebSocket that nobody here wrote.

twilio_second_opinion.py URL TOKEN NUMBER SPEECH.wav
"""

import base64
import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import wave
import xml.etree.ElementTree

import numpy
from twilio.request_validator import RequestValidator
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

FRAME = 160
SILENCE = b"\xff" * FRAME


def mulaw(samples):
    """G.711 mu-law (ITU-T G.711, table 2) of 16 bit samples."""
    magnitude = numpy.minimum(numpy.abs(samples.astype(numpy.int32)), 32635) + 132
    segment = numpy.floor(numpy.log2(magnitude)).astype(numpy.int32) - 7
    step = (magnitude >> (segment + 3)) & 0x0F
    sign = numpy.where(samples < 0, 0x80, 0)
    return (~(sign | segment << 4 | step) & 0xFF).astype(numpy.uint8).tobytes()


def post(url, form, signature):
    """Status and body of a signed webhook."""
    headers = {"X-Twilio-Signature": signature}
    request = urllib.request.Request(url, urllib.parse.urlencode(form).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=15) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


class Call:
    """A media stream, spoken as docs of Media Streams tell it."""

    def __init__(self, socket, call_sid, parameters):
        self.socket, self.sequence, self.next = socket, 0, time.monotonic()
        self.audio, self.marks, self.clears = bytearray(), 0, 0
        self.send("connected", protocol="Call", version="1.0.0")
        self.send("start", start={
            "streamSid": "MZ9", "accountSid": "AC9", "callSid": call_sid, "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": parameters,
        })

    def send(self, event, **content):
        self.sequence += 1
        message = {"event": event, "sequenceNumber": str(self.sequence), "streamSid": "MZ9", **content}
        self.socket.send(json.dumps(message))

    def frame(self, payload):
        """Sends 20 ms and hears what came meanwhile; marks are echoed at once, as audio comes in real time."""
        self.send("media", media={"track": "inbound", "payload": base64.b64encode(payload).decode()})
        self.next += 0.02
        while (left := self.next - time.monotonic()) > 0:
            try:
                message = json.loads(self.socket.recv(timeout=left))
            except TimeoutError:
                return
            assert message["streamSid"] == "MZ9", message
            if message["event"] == "media":
                self.audio += base64.b64decode(message["media"]["payload"], validate=True)
            elif message["event"] == "mark":
                self.marks += 1
                self.send("mark", mark=message["mark"])
            elif message["event"] == "clear":
                self.clears += 1
            else:
                raise AssertionError(f"Twilio knows no {message}")

    def say(self, audio):
        for start in range(0, len(audio), FRAME):
            self.frame(audio[start:start + FRAME].ljust(FRAME, b"\xff"))

    def listen(self, seconds):
        """Seconds of agent audio in this time, without what is only silence."""
        before = len(self.audio)
        for _ in range(int(seconds * 50)):
            self.frame(SILENCE)
        heard = numpy.frombuffer(bytes(self.audio[before:]), numpy.uint8)
        return float(numpy.count_nonzero((heard & 0x7F) < 0x70)) / 8000


def main(url, auth_token, number, speech):
    validator = RequestValidator(auth_token)
    form = {"CallSid": "CA9", "AccountSid": "AC9", "From": "+15550199999", "To": number, "CallStatus": "ringing",
            "CallerName": "Zoë & \"co\"", "Direction": "inbound", "Empty": ""}
    voice = url + "/twilio/voice"
    status, _ = post(voice, form, RequestValidator("another").compute_signature(voice, form))
    assert status == 403, f"a wrong signature got {status}"
    status, twiml = post(voice, form, validator.compute_signature(voice, form))
    assert status == 200, f"the right signature got {status}: {twiml}"

    document = xml.etree.ElementTree.fromstring(twiml.encode())
    stream = document.find("./Connect/Stream")
    assert document.tag == "Response" and stream is not None, twiml
    parameters = {parameter.get("name"): parameter.get("value") for parameter in stream.findall("Parameter")}

    target = stream.get("url")
    try:
        connect(target, additional_headers={"X-Twilio-Signature": "AAAA"})
        raise AssertionError("a stream with a wrong signature got in")
    except InvalidStatus as error:
        assert error.response.status_code == 403, error
    with wave.open(speech) as file:
        samples = numpy.frombuffer(file.readframes(3 * 8000), numpy.int16)

    signature = validator.compute_signature(target, {})
    with connect(target, additional_headers={"X-Twilio-Signature": signature}) as socket:
        call = Call(socket, "CA9", parameters)
        greeting = call.listen(7)
        assert greeting > 1, f"{greeting} s of greeting"
        assert call.marks == 1, f"{call.marks} marks after the greeting"
        call.say(mulaw(samples))
        answer = call.listen(5)
        assert answer > 1, f"{answer} s of answer"
        call.send("stop", stop={"accountSid": "AC9", "callSid": "CA9"})
    done = {**form, "CallStatus": "completed", "CallDuration": "15", "SequenceNumber": "2"}
    status, _ = post(url + "/twilio/status", done, validator.compute_signature(url + "/twilio/status", done))
    assert status == 204, f"the status callback got {status}"
    print(json.dumps({"greeting_s": greeting, "answer_s": answer, "marks": call.marks, "clears": call.clears}))


if __name__ == "__main__":
    main(*sys.argv[1:])
