"""A bot that nobody here wrote: pipecat's Twilio serializer and FastAPI transport, echoing. `pipecat_bot.py PORT`.

Key 1 makes it play 20 s of tone and interrupt itself after 2 s; any other is answered with a mark. What it hears of the
protocol it prints, a line each.
"""

import asyncio
import json
import math
import struct
import sys

from loguru import logger

logger.remove()

import uvicorn
from fastapi import FastAPI, WebSocket
from pipecat.frames.frames import (
    InputAudioRawFrame,
    InputDTMFFrame,
    InterruptionFrame,
    OutputAudioRawFrame,
    OutputTransportMessageUrgentFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.serializers.twilio import TwilioFrameSerializer
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.workers.runner import WorkerRunner

RATE = 8000
TONE_SECONDS = 20
INTERRUPT_SECONDS = 2

app = FastAPI()


def say(*words):
    print(*words, flush=True)


class Watched(TwilioFrameSerializer):
    """The serializer as it is, with what passes through it printed."""

    async def deserialize(self, data):
        message = json.loads(data)
        if message["event"] == "mark":
            say("mark", message["mark"]["name"])
        elif message["event"] == "stop":
            say("stop")
        return await super().deserialize(data)

    async def serialize(self, frame):
        text = await super().serialize(frame)
        if isinstance(frame, InterruptionFrame):
            say(json.loads(text)["event"])
        return text


class Echo(FrameProcessor):
    def __init__(self, sid):
        super().__init__()
        self.sid = sid
        self.tasks = []

    async def mark(self, name):
        message = {"event": "mark", "streamSid": self.sid, "mark": {"name": name}}
        await self.push_frame(OutputTransportMessageUrgentFrame(message=message))

    async def tone(self):
        samples = [int(8000 * math.sin(at * 440 * math.tau / RATE)) for at in range(RATE * TONE_SECONDS)]
        audio = struct.pack(f"<{len(samples)}h", *samples)
        await self.push_frame(OutputAudioRawFrame(audio=audio, sample_rate=RATE, num_channels=1))
        await self.mark("tone")
        await asyncio.sleep(INTERRUPT_SECONDS)
        await self.broadcast_interruption()

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            await self.push_frame(OutputAudioRawFrame(audio=frame.audio, sample_rate=frame.sample_rate, num_channels=1))
        elif isinstance(frame, InputDTMFFrame):
            say("key", frame.button.value)
            answer = self.tone() if frame.button.value == "1" else self.mark(f"key-{frame.button.value}")
            self.tasks.append(asyncio.create_task(answer))
        else:
            await self.push_frame(frame, direction)


@app.websocket("/media")
async def media(websocket: WebSocket):
    await websocket.accept()
    assert json.loads(await websocket.receive_text())["event"] == "connected"
    start = json.loads(await websocket.receive_text())["start"]
    say("start", start["customParameters"]["to"])
    serializer = Watched(
        stream_sid=start["streamSid"],
        call_sid=start["callSid"],
        # Hanging up would be by Twilio's REST interface.
        params=TwilioFrameSerializer.InputParams(auto_hang_up=False),
    )
    transport = FastAPIWebsocketTransport(
        websocket=websocket,
        params=FastAPIWebsocketParams(audio_in_enabled=True, audio_out_enabled=True, serializer=serializer),
    )
    worker = PipelineWorker(
        Pipeline([transport.input(), Echo(start["streamSid"]), transport.output()]),
        params=PipelineParams(audio_in_sample_rate=RATE, audio_out_sample_rate=RATE),
    )

    @transport.event_handler("on_client_disconnected")
    async def gone(_transport, _client):
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
