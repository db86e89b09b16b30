"""An MCP server as they were before 2026-07-28, written down by hand: greeted by `initialize`, and it tells of changes unasked."""

import json
import sys

tools = ["find.order"]


def say(message):
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)


for line in sys.stdin:
    request = json.loads(line)
    method, number = request.get("method"), request.get("id")
    if number is None:
        continue
    if method == "initialize":
        capabilities = {"tools": {"listChanged": True}}
        server = {"name": "legacy", "version": "1"}
        result = {"protocolVersion": "2025-03-26", "capabilities": capabilities, "serverInfo": server}
        say({"id": number, "result": result})
    elif method == "tools/list":
        described = [{"name": name, "description": "", "inputSchema": {"type": "object"}} for name in tools]
        say({"id": number, "result": {"tools": described}})
    elif method == "tools/call" and request["params"]["name"] == "garbage":
        print('{"jsonrpc": "2.0", garbage', flush=True)
    elif method == "tools/call" and request["params"]["name"] == "nonsense":
        say({"id": number, "result": {"weather": "fine"}})
    elif method == "tools/call":
        tools.append("newcomer")
        say({"method": "notifications/tools/list_changed"})
        content = [{"type": "text", "text": "called " + request["params"]["name"]}]
        say({"id": number, "result": {"content": content}})
    else:
        say({"id": number, "error": {"code": -32601, "message": "unknown method"}})
