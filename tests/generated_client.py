"""Works with a server through a client that openapi-python-client makes of its document, which nobody here wrote.

generated_client.py FOLDER URL API_KEY CALLEE RECEIVER: FOLDER is the receiver's, RECEIVER its URL, CALLEE the SIP URI of a telephone.
"""

import importlib
import json
import pathlib
import subprocess
import sys
import time

from websockets.sync.client import connect

folder, url, key, callee, receiver = pathlib.Path(sys.argv[1]), *sys.argv[2:]


def generate():
    """The client, as a package."""
    config = folder / "generator.yaml"
    config.write_text("post_hooks: []\n")
    generator = pathlib.Path(sys.executable).with_name("openapi-python-client")
    command = [generator, "generate", "--url", f"{url}/api/openapi.json", "--output-path", folder / "offhook_client"]
    made = subprocess.run([*command, "--meta", "none", "--config", config], capture_output=True, text=True, timeout=120)
    assert made.returncode == 0, made.stdout + made.stderr
    sys.path.insert(0, str(folder))
    return importlib.import_module("offhook_client"), importlib.import_module("offhook_client.models")


package, models = generate()
client = package.AuthenticatedClient(base_url=url, token=key, timeout=20)


def ask(tag, operation, status, *path, **given):
    """Calls one of the client's functions; what it read."""
    function = importlib.import_module(f"offhook_client.api.{tag}.{operation}")
    answer = function.sync_detailed(*path, client=client, **given)
    assert answer.status_code == status, f"{operation}: {answer.status_code} {answer.content}"
    return answer.parsed


def until(what, look, seconds=30):
    """Looks until there is something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.1)
    raise AssertionError(f"no {what} within {seconds} s")


def got(kind):
    """What the receiver took of this type."""
    file = folder / "got"
    lines = file.read_text().splitlines() if file.exists() else []
    return [one for one in map(json.loads, lines) if one["body"]["type"] == kind]


hook = ask("webhooks", "webhooks_create", 201, body=models.WebhookWish(url=receiver, events=["call.*", "session.*"]))
(folder / "secrets").write_text(hook.secret)

wish = models.Assistant.from_dict({"name": "desk", "first_message": "Good morning.", "engine": {"kind": "realtime"}})
assistant = ask("assistants", "assistants_create", 201, body=wish)
assert (assistant.name, assistant.version) == ("desk", 1), assistant
number = ask("phone_numbers", "phone_numbers_create", 201,
             body=models.PhoneNumber.from_dict({"number": "+4930123456", "assistant_id": assistant.id}))
assert number.assistant_id == assistant.id, number
problem = ask("phone_numbers", "phone_numbers_create", 422, body=models.PhoneNumber.from_dict({"number": "x"}))
assert [error.field for error in problem.errors] == ["assistant_id"], problem

session = ask("sessions", "sessions_create", 201, body=models.SessionCreateWish(assistant_id=assistant.id))
with connect(f"{session.websocket_url}?token={session.token}") as socket:
    assert json.loads(socket.recv(timeout=15))["type"] == "connected"
    ask("sessions", "sessions_messages_say", 202, session.id, body=models.MessageWish(content="When are you open?"))
    roles = lambda: [one.role for one in ask("sessions", "sessions_messages", 200, session.id).data]
    said = until("answer", lambda: "user" in (all := roles()) and "assistant" in all[all.index("user"):] and all)
    ask("sessions", "sessions_delete", 204, session.id)
until("end of the session", lambda: ask("sessions", "sessions_show", 200, session.id).status == "ended")

call = ask("calls", "calls_place", 201,
           body=models.CallPlaceWish(to=callee, from_="+15550100", assistant_id=assistant.id), idempotency_key="once")
again = ask("calls", "calls_place", 201,
            body=models.CallPlaceWish(to=callee, from_="+15550100", assistant_id=assistant.id), idempotency_key="once")
assert again.id == call.id, "the same call"
ended = until("end of the call", lambda: (now := ask("calls", "calls_show", 200, call.id)).status == "ended" and now, 60)
assert ended.outcome == "completed", ended
of_call = lambda kind: [one for one in got(kind) if one["body"]["data"]["call_id"] == call.id]
told = until("webhook", lambda: of_call("call.ended"), 60)
assert told[0]["verified"] == [True], told
print(json.dumps({"call": call.id, "session": session.id, "roles": said}))
