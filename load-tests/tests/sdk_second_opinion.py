"""Drives the provider simulator by the vendors' own SDKs, which nobody here wrote, and prints what they made of it.

sdk_second_opinion.py HTTP_URL

The simulator must run with sdk_second_opinion.toml. Every answer is checked against the SDK's own types.
"""

import asyncio
import base64
import json
import logging
import sys
import traceback
import urllib.parse

import anthropic
import cartesia
import deepgram
import elevenlabs
import elevenlabs.client
import groq
import openai
import pydantic
from deepgram.environment import DeepgramClientEnvironment
from elevenlabs.realtime.scribe import AudioFormat, CommitStrategy, ScribeRealtime
from elevenlabs.v_1_speech_to_text_realtime.types.receive_transcription import ReceiveTranscription
from elevenlabs.v_1_text_to_speech_voice_id_multi_stream_input.types.receive_message_multi import ReceiveMessageMulti
from websockets.sync.client import connect

HEARD = "Where is my order?"
SAID = "It is on its way."
CALL = {"order": 7, "deep": {"a": [1, 2]}}
MULAW = {"encoding": "mulaw", "sample_rate": 8000}
SPOKEN = len(SAID) * 60 * 8
FRAME = 160
# One second of a loud square wave, and one of silence, mu-law at 8 kHz.
SPEECH = (b"\x10" * 10 + b"\x90" * 10) * 400
SILENCE = b"\xff" * 8000
PARAMETERS = {"type": "object", "properties": {"order": {"type": "integer"}}, "required": ["order"]}


class Unknown(logging.Handler):
    """Some SDKs only log what they cannot parse."""

    def emit(self, record):
        if "unknown" in record.getMessage().lower() or "Skipping" in record.getMessage():
            raise AssertionError(record.getMessage())


def same(got, want):
    assert got == want, f"{got!r} is not {want!r}"


def strict(event):
    """Checks a message again by its own type: Fern's clients build messages without a check."""
    assert isinstance(event, pydantic.BaseModel), f"not parsed: {event!r}"
    assert type(event).__name__ != "UncheckedBaseModel"
    return type(event).model_validate(json.loads(event.model_dump_json(by_alias=True)))


def frames(audio):
    return [audio[at:at + FRAME] for at in range(0, len(audio), FRAME)]


def openai_like(client, chat_model, native):
    """A streamed tool call and its result, a transcription, speech and, natively, the rest."""
    messages = [{"role": "user", "content": HEARD}]
    tools = [{"type": "function", "function": {"name": "lookup", "description": "Find", "parameters": PARAMETERS}}]
    stream = client.chat.completions.create(model=chat_model, messages=messages, tools=tools, stream=True,
                                            **({"stream_options": {"include_usage": True}} if native else {}))
    text, name, call_id, arguments, finish, usage = "", "", "", "", None, None
    for chunk in stream:
        usage = chunk.usage if native else (chunk.x_groq.usage if chunk.x_groq else None) or usage
        for choice in chunk.choices:
            text += choice.delta.content or ""
            finish = choice.finish_reason or finish
            for call in choice.delta.tool_calls or []:
                name, call_id = name or call.function.name, call_id or call.id
                arguments += call.function.arguments or ""
    same((text, name, json.loads(arguments), finish), ("One moment.", "lookup", CALL, "tool_calls"))
    assert usage.completion_tokens > 0
    messages += [
        {"role": "assistant", "content": text, "tool_calls": [
            {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}]},
        {"role": "tool", "tool_call_id": call_id, "content": "shipped"},
    ]
    whole = client.chat.completions.create(model=chat_model, messages=messages, tools=tools)
    same((whole.choices[0].message.content, whole.choices[0].finish_reason), (SAID, "stop"))
    wav = ("turn.wav", b"RIFF" + bytes(1000), "audio/wav")
    model = "gpt-4o-mini-transcribe" if native else "whisper-large-v3-turbo"
    same(client.audio.transcriptions.create(model=model, file=wav).text, HEARD)
    assert client.models.list().data
    return "chat transcription models"


def openai_only(url):
    client = openai.OpenAI(api_key="sk-x", base_url=url + "/v1", _strict_response_validation=True, max_retries=0)
    done = openai_like(client, "gpt-4o-mini", True)
    tools = [{"type": "function", "name": "lookup", "parameters": PARAMETERS, "strict": False}]
    with client.responses.stream(model="gpt-4o-mini", input=HEARD, tools=tools) as stream:
        kinds = [event.type for event in stream]
        response = stream.get_final_response()
    same((kinds[0], kinds[-1]), ("response.created", "response.completed"))
    call = next(item for item in response.output if item.type == "function_call")
    same((response.output_text, call.name, json.loads(call.arguments)), ("One moment.", "lookup", CALL))
    items = [{"role": "user", "content": HEARD},
             {"type": "function_call", "call_id": call.call_id, "name": call.name, "arguments": call.arguments},
             {"type": "function_call_output", "call_id": call.call_id, "output": "shipped"}]
    same(client.responses.create(model="gpt-4o-mini", input=items, tools=tools).output_text, SAID)
    wav = ("turn.wav", b"RIFF" + bytes(1000), "audio/wav")
    stream = client.audio.transcriptions.create(model="gpt-4o-transcribe", file=wav, stream=True)
    same([event.text for event in stream if event.type == "transcript.text.done"], ["Bye."])
    with client.audio.speech.with_streaming_response.create(
            model="gpt-4o-mini-tts", voice="alloy", input=SAID, response_format="pcm") as speech:
        same(len(speech.read()), SPOKEN * 6)
    # Strictness does not know what this SDK itself does with base64.
    client = openai.OpenAI(api_key="sk-x", base_url=url + "/v1", max_retries=0)
    vectors = client.embeddings.create(model="text-embedding-3-small", input=["a b", "b a"], dimensions=64).data
    same(vectors[0].embedding, vectors[1].embedding)
    try:
        openai.OpenAI(api_key="wrong", base_url=url + "/v1", max_retries=0).models.list()
        raise AssertionError("a wrong key was taken")
    except openai.AuthenticationError:
        pass
    return done + " responses speech embeddings"


def groq_only(url):
    client = groq.Groq(api_key="gsk-x", base_url=url, _strict_response_validation=True, max_retries=0)
    done = openai_like(client, "llama-3.1-8b-instant", False)
    speech = client.audio.speech.create(model="playai-tts", voice="a", input=SAID, response_format="mulaw", sample_rate=8000)
    same(len(speech.read()), SPOKEN)
    return done + " speech"


def anthropic_only(url):
    client = anthropic.Anthropic(api_key="sk-x", base_url=url, _strict_response_validation=True, max_retries=0)
    tools = [{"name": "lookup", "description": "Find", "input_schema": PARAMETERS}]
    messages = [{"role": "user", "content": HEARD}]
    asked = {"model": "claude-haiku-4-5", "max_tokens": 500, "system": "Be brief.", "tools": tools}
    with client.messages.stream(messages=messages, **asked) as stream:
        for _ in stream:
            pass
        message = stream.get_final_message()
    text, call = message.content
    same((text.text, call.name, call.input, message.stop_reason), ("One moment.", "lookup", CALL, "tool_use"))
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "shipped"}
    spoken = [block.model_dump(include={"type", "text", "id", "name", "input"}, exclude_none=True) for block in message.content]
    messages += [{"role": "assistant", "content": spoken}, {"role": "user", "content": [result]}]
    same(client.messages.create(messages=messages, **asked).content[0].text, SAID)
    for bad in ([{"role": "assistant", "content": "x"}], [{"role": "user", "content": [{"type": "text", "text": ""}]}], messages[:2]):
        try:
            client.messages.create(messages=bad, **asked)
            raise AssertionError(f"taken: {bad}")
        except anthropic.BadRequestError:
            pass
    return "messages"


def deepgram_only(url):
    socket = url.replace("http", "ws", 1)
    where = DeepgramClientEnvironment(base=url, production=socket, agent=socket, agent_rest=url)
    client = deepgram.DeepgramClient(api_key="x", environment=where)
    kinds, heard = [], ""
    with client.listen.v1.connect(model="nova-3", interim_results="true", utterance_end_ms="1000", vad_events="true", endpointing="10",
                                  encoding="mulaw", sample_rate="8000") as listen:
        for frame in frames(SPEECH + SILENCE):
            listen.send_media(frame)
        while "UtteranceEnd" not in kinds:
            event = strict(listen.recv())
            kinds.append(event.type)
            if event.type == "Results" and event.is_final:
                heard += event.channel.alternatives[0].transcript
        listen.send_keep_alive()
        listen.send_finalize()
        assert strict(listen.recv()).from_finalize
        listen.send_close_stream()
        same(strict(listen.recv()).type, "Metadata")
    same((heard, kinds[0]), (HEARD, "SpeechStarted"))
    events = []
    with client.listen.v2.connect(model="flux-general-en", encoding="mulaw", sample_rate="8000", eager_eot_threshold="0.4") as flux:
        same(strict(flux.recv()).type, "Connected")
        flux.send_configure({"type": "Configure", "thresholds": {"eot_threshold": 0.8}})
        same(strict(flux.recv()).type, "ConfigureSuccess")
        for frame in frames(SPEECH + SILENCE):
            flux.send_media(frame)
        while "EndOfTurn" not in events:
            event = strict(flux.recv())
            events.append(event.event)
        flux.send_close_stream()
    same((events[0], events[-2], event.transcript), ("StartOfTurn", "EagerEndOfTurn", HEARD))
    for version, model in ((client.speak.v1, "aura-2-thalia-en"), (client.speak.v2, "flux-alexis-en")):
        audio, kinds = b"", []
        with version.connect(model=model, encoding="mulaw", sample_rate="8000") as speak:
            speak._send({"type": "Speak", "text": SAID})
            speak.send_flush()
            while "Flushed" not in kinds:
                event = speak.recv()
                if isinstance(event, bytes):
                    audio += event
                else:
                    kinds.append(strict(event).type)
            speak.send_close()
        same(len(audio), SPOKEN)
    once = client.speak.v1.audio.generate(text=SAID, model="aura-2-thalia-en", container="none", **MULAW)
    same(len(b"".join(once)), SPOKEN)
    return "listen flux aura flux-speech"


def elevenlabs_only(url):
    client = elevenlabs.client.ElevenLabs(api_key="x", base_url=url)
    once = client.text_to_speech.stream("voice", text=SAID, model_id="eleven_flash_v2_5", output_format="ulaw_8000")
    same(len(b"".join(once)), SPOKEN)
    # Its socket knows TLS only.
    client.text_to_speech._ws_base_url = url.replace("http", "ws", 1)
    single = client.text_to_speech.convert_realtime("voice", text=iter([SAID]), model_id="eleven_flash_v2_5", output_format="ulaw_8000")
    same(len(b"".join(single)), SPOKEN + 60 * 8)
    # Of several contexts the SDK has the types only.
    message, audio, chars = pydantic.TypeAdapter(ReceiveMessageMulti), b"", []
    query = urllib.parse.urlencode({"model_id": "eleven_flash_v2_5", "output_format": "ulaw_8000"})
    path = f"/v1/text-to-speech/voice/multi-stream-input?{query}"
    with connect(url.replace("http", "ws", 1) + path, additional_headers={"xi-api-key": "x"}) as socket:
        for sent in (elevenlabs.InitializeConnectionMulti(text=" ", context_id="a"),
                     elevenlabs.SendTextMulti(text=SAID + " ", context_id="a", flush=True),
                     elevenlabs.CloseContext(context_id="a", close_context=True)):
            socket.send(sent.model_dump_json(exclude_none=True))
        while True:
            raw = json.loads(socket.recv())
            event = message.validate_python(raw)
            same(raw["contextId"], "a")
            if "audio" not in raw:
                break
            piece = base64.b64decode(event.audio)
            same(sum(event.alignment.char_durations_ms) * 8, len(piece))
            audio, chars = audio + piece, chars + event.alignment.chars
    same((len(audio), "".join(chars)), (SPOKEN + 60 * 8, SAID + " "))
    same(asyncio.run(scribe(url.replace("http", "ws", 1))), ["session_started", "partial_transcript", "committed_transcript"])
    return "http stream-input multi-stream-input scribe"


async def scribe(url):
    realtime = ScribeRealtime(api_key="x", base_url=url)
    connection = await realtime.connect({
        "model_id": "scribe_v2_realtime", "audio_format": AudioFormat.ULAW_8000, "sample_rate": 8000,
        "commit_strategy": CommitStrategy.VAD})
    kinds, message, done = [], pydantic.TypeAdapter(ReceiveTranscription), asyncio.Event()

    def on(data):
        if "message_type" not in data:  # the SDK's own: the connection has ended
            return
        message.validate_python(data)
        if data["message_type"] not in kinds:
            kinds.append(data["message_type"])
        if data["message_type"] == "committed_transcript":
            same(data["text"], HEARD)
            done.set()

    for event in ("session_started", "partial_transcript", "committed_transcript", "error"):
        connection.on(event, on)
    for frame in frames(SPEECH + SILENCE):
        await connection.send({"audio_base_64": base64.b64encode(frame).decode()})
    await asyncio.wait_for(done.wait(), 10)
    await connection.close()
    return kinds


def cartesia_only(url):
    client = cartesia.Cartesia(api_key="x", base_url=url, websocket_base_url=url.replace("http", "ws", 1),
                               _strict_response_validation=True, max_retries=0)
    voice = {"mode": "id", "id": "f786b574-daa5-4673-aa0c-cbe3e8534c02"}
    format = {"container": "raw", "encoding": "pcm_mulaw", "sample_rate": 8000}
    once = client.tts.generate(model_id="sonic-3", transcript=SAID, voice=voice, output_format=format)
    same(len(once.read()), SPOKEN)
    audio, words = b"", []
    with client.tts.websocket_connect() as connection:
        context = connection.context(model_id="sonic-3", voice=voice, output_format=format)
        context.send(transcript=SAID[:6], model_id="sonic-3", voice=voice, output_format=format, add_timestamps=True)
        context.send(transcript=SAID[6:], model_id="sonic-3", voice=voice, output_format=format, add_timestamps=True)
        context.no_more_inputs()
        for event in context.receive():
            if event.type == "chunk":
                audio += event.audio
            if event.type == "timestamps":
                words += event.word_timestamps.words
            assert event.type != "error", event
    same((len(audio), " ".join(words)), (SPOKEN, SAID))
    query = {"encoding": "pcm_mulaw", "sample_rate": 8000}
    with client.stt.manual_finalize.websocket(model="ink-whisper", **query) as listen:
        for frame in frames(SPEECH):
            listen.send_raw(frame)
        listen.send("finalize")
        events = []
        while not events or events[-1].type != "flush_done":
            events.append(listen.recv())
        same("".join(event.text for event in events if event.type == "transcript" and event.is_final), HEARD)
        listen.send("close")
    with client.stt.auto_finalize.websocket(model="ink-2", **query) as listen:
        for frame in frames(SPEECH + SILENCE):
            listen.send_raw(frame)
        events = []
        while not events or events[-1].type != "turn.end":
            events.append(listen.recv())
        same(events[-1].transcript, HEARD)
        same([event.type for event in events[:2]], ["connected", "turn.start"])
        listen.send({"type": "close"})
    return "bytes tts-socket stt-socket turns"


def main(url):
    logging.getLogger("deepgram").addHandler(Unknown())
    opinions = (openai_only, groq_only, anthropic_only, deepgram_only, elevenlabs_only, cartesia_only)
    failed = 0
    for opinion in opinions:
        name = opinion.__name__.removesuffix("_only")
        try:
            print(f"{name}: {opinion(url)}", flush=True)
        except Exception as error:  # each SDK has its own errors
            failed += 1
            traceback.print_exc()
            print(f"{name}: FAILED {type(error).__name__}: {error}", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
