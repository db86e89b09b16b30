"""Fills the database of a server with a week of calls of a made-up shop, so that pages are looked at with something on them.

usage: fill.py DATA_FOLDER    prints the id of the call that has everything
"""
import json
import math
import pathlib
import random
import secrets
import sqlite3
import struct
import sys
import time
import uuid
import wave

DAY_S = 86_400
RATE = 8_000
ASSISTANTS = ["reception", "reception", "reception", "orders", "orders", "night"]
CALLERS = ["+4930123456%02d" % number for number in range(40)]
TALK = [
    ("agent", "Good morning, Bluebird Bicycles. What can I do for you?", 0.4, 3.1, None),
    ("caller", "Hi, I ordered a touring bike two weeks ago and I would like to know where it is.", 4.2, 4.4, None),
    ("agent", "Of course. Do you have the order number at hand?", 9.4, 2.6, None),
    ("caller", "Yes, it is four, seven, one, one.", 12.9, 2.7, None),
    ("agent", "Thank you. It left our workshop yesterday evening, and the carrier says that it", 18.1, 4.0, 3400),
    ("caller", "Sorry, can I have it brought to my office instead?", 21.5, 2.9, None),
    ("agent", "You can. I have put Harbour Street 12 down as the new address. It comes on Tuesday morning.", 26.4, 5.0, None),
    ("caller", "Perfect. And do you have panniers that fit it?", 32.3, 2.6, None),
    ("agent", "We do, from 89 euros. Shall I send you two that fit by e-mail?", 36.1, 3.9, None),
    ("caller", "Please do. Thank you very much.", 41.0, 2.0, None),
    ("agent", "With pleasure. Goodbye, and enjoy the ride.", 44.0, 2.8, None),
]

random.seed(7)


def call_id(at_us):
    """UUIDv7: the time in front, so that lists are in order."""
    number = (at_us // 1000) << 80 | 7 << 76 | random.getrandbits(12) << 64 | 2 << 62 | random.getrandbits(62)
    return str(uuid.UUID(int=number))


def timings(gap):
    endpointing = random.randint(250, 420)
    transcript, speech = random.randint(40, 120), random.randint(90, 180)
    sendout = random.randint(4, 12)
    token = max(80, gap - endpointing - transcript - speech - sendout)
    parts = {"endpointing_ms": endpointing, "transcript_ms": transcript, "first_token_ms": token, "first_audio_ms": speech}
    parts |= {"engine_ms": transcript + token + speech, "sendout_ms": sendout}
    parts["response_gap_ms"] = endpointing + parts["engine_ms"] + sendout
    return parts


def insert(base, table, **row):
    names = ", ".join(row)
    base.execute(f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(row))})", list(row.values()))


def add_call(base, at, length_s, cause, assistant, direction="inbound"):
    at_us = int(at * 1e6)
    id = call_id(at_us)
    caller = random.choice(CALLERS)
    parties = (caller, "+4930987650") if direction == "inbound" else ("+4930987650", caller)
    answered = at_us + 1_200_000 if length_s else None
    packets = int(length_s * 50)
    lost = random.choice([0, 0, 0, packets // 400, packets // 90])
    stats = {"received": packets, "lost": lost, "late": lost // 3, "concealed": lost, "mos": round(4.38 - lost / max(packets, 1) * 40, 2)}
    insert(
        base, "calls", id=id, node="offhook", leg="sip", direction=direction, from_number=parties[0], to_number=parties[1],
        assistant=assistant, engine="cascade", external_id=f"{secrets.token_hex(8)}@198.51.100.7", created_us=at_us,
        ringing_us=at_us + 200_000, answered_us=answered, ended_us=at_us + int((length_s + 1.2) * 1e6), cause=cause,
        stats=json.dumps(stats) if length_s else None, input_text_tokens=int(length_s * 21), output_text_tokens=int(length_s * 4),
        cached_tokens=int(length_s * 12), language="en", trunk="carrier", organization="default",
        cost_micros=int(length_s * 1400) if direction == "outbound" else None,
    )
    return id, caller, answered


def add_turns(base, id, answered):
    for number, (role, text, at, length, heard) in enumerate(TALK):
        parts = timings(int(random.gauss(760, 110))) if role == "agent" and number else {}
        insert(
            base, "turns", call_id=id, number=number, role=role, text=text, started_us=answered + int(at * 1e6),
            ended_us=answered + int((at + length) * 1e6), interrupted=int(heard is not None), heard_ms=heard,
            timings=json.dumps(parts), response_gap_ms=parts.get("response_gap_ms"),
        )


def add_analysis(base, id, caller, at_us, assistant, lead):
    passed = random.random() < 0.86
    reasons = ["asked for panniers by themselves", "has a bike of ours", "wants an offer by e-mail"]
    insert(
        base, "analyses", call_id=id, state="done", due_us=at_us, queued_us=at_us, finished_us=at_us, provider="anthropic",
        model="claude-haiku-4-5", summary="The caller asked where order 4711 is, had it redirected to the office, and wants "
        "panniers offered by e-mail.", sentiment=random.choice(["positive", "neutral", "positive"]), sentiment_score=0.6,
        passed=int(passed), passed_reason="The order was found and the new address taken down." if passed else
        "The caller hung up before the order was found.", fields=json.dumps({"order_number": "4711", "wants_offer": True}),
        lead_score=lead, lead_reasons=json.dumps(reasons) if lead else None,
    )
    if lead:
        state = random.choice(["new", "new", "contacted", "qualified", "won", "lost"])
        insert(
            base, "leads", call_id=id, organization="default", caller=caller.lstrip("+"), assistant=assistant, score=lead,
            reasons=json.dumps(reasons), status=state, notes="" if state == "new" else "Offer sent on Monday.", version=1,
            created_us=at_us, updated_us=at_us,
        )


def voice(spans, pitch):
    """What looks like speech on a waveform: syllables of a tone, within these spans of seconds."""
    def sample(at):
        for begin, end in spans:
            if begin <= at < end:
                syllable = abs(math.sin(math.pi * 3.7 * (at - begin))) * (0.55 + 0.45 * math.sin(1.9 * at + pitch))
                return 0.5 * syllable * math.sin(2 * math.pi * pitch * at)
        return 0.0
    return sample


def add_recording(base, folder, id, opened_us, length_s):
    path = pathlib.Path("recordings") / f"{id}.wav"
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    sides = [voice([(at, at + length) for role, _, at, length, _ in TALK if role == side], pitch)
             for side, pitch in (("caller", 140), ("agent", 210))]
    frames = b"".join(struct.pack("<hh", *(int(32_000 * side(at / RATE)) for side in sides)) for at in range(int(length_s * RATE)))
    with wave.open(str(folder / path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(frames)
    size = (folder / path).stat().st_size
    insert(base, "recordings", call_id=id, path=str(path), format="wav", state="complete", opened_us=opened_us,
           length_ms=int(length_s * 1000), bytes=size)


def week(base, now):
    for hour in range(7 * 24):
        at = now - 7 * DAY_S + hour * 3600
        busy = 5 if 7 <= time.gmtime(at).tm_hour < 19 else 1
        for _ in range(random.randint(0, busy)):
            answered = random.random() < 0.9
            cause = random.choice(["caller_hangup", "agent_hangup", "caller_hangup", "transferred"]) if answered else "cancelled"
            direction = "outbound" if random.random() < 0.25 else "inbound"
            length = random.uniform(25, 240) if answered else 0
            begun = at + random.uniform(0, 3500)
            if begun + length > now - 400:
                continue
            assistant = random.choice(ASSISTANTS)
            id, caller, began = add_call(base, begun, length, cause, assistant, direction)
            if answered:
                add_turns(base, id, began)
                if random.random() < 0.5:
                    lead = random.randint(25, 96) if random.random() < 0.12 else None
                    add_analysis(base, id, caller, began + int(length * 1e6), assistant, lead)


def whole(base, folder, now):
    """The call that has everything."""
    length = 47.5
    id, caller, answered = add_call(base, now - 300, length, "caller_hangup", "orders")
    add_turns(base, id, answered)
    insert(base, "tool_calls", call_id=id, number=0, name="find_order", kind="http", arguments='{"number": "4711"}',
           started_us=answered + 15_800_000, outcome="ok", length_ms=1_840)
    insert(base, "tool_calls", call_id=id, number=1, name="change_address", kind="http",
           arguments='{"number": "4711", "street": "Harbour Street 12"}', started_us=answered + 24_900_000, outcome="ok", length_ms=1_120)
    add_analysis(base, id, caller, answered + int(length * 1e6), "orders", 82)
    add_recording(base, folder, id, answered, length)
    texts = ["Has a touring bike of ours, order 4711.", "Wants parcels brought to Harbour Street 12.", "Prefers e-mail over calls."]
    for number, text in enumerate(texts):
        insert(base, "memories", id=call_id(int(now * 1e6) + number * 1000), organization="default", caller=caller.lstrip("+"),
               text=text, call_id=id, assistant="orders", source="analysis", version=1, created_us=answered,
               confirmed_us=answered, expires_us=answered + int(180 * DAY_S * 1e6))
    return id


def main():
    folder = pathlib.Path(sys.argv[1])
    now = time.time()
    base = sqlite3.connect(folder / "offhook.db", timeout=20)
    with base:
        week(base, now)
        id = whole(base, folder, now)
    base.close()
    print(id)


main()
