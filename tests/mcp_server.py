"""An MCP server of the protocol's own SDK, with tools that behave and tools that do not.

mcp_server.py stdio | mcp_server.py http PORT
"""

import os
import sys

import anyio
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError

server = MCPServer("orders")


@server.tool()
def find_order(number: str) -> str:
    """Looks up an order by its number."""
    return f"order {number} is on its way"


@server.tool(name="orders.cancel")
def cancel_order(number: str) -> str:
    """Cancels an order."""
    raise ToolError(f"order {number} has left already")


@server.tool()
async def slow(seconds: float) -> str:
    """Takes its time."""
    await anyio.sleep(seconds)
    return "done at last"


@server.tool()
def huge(kilobytes: int) -> str:
    """Says a lot."""
    return "x" * (kilobytes * 1_000)


@server.tool()
def die() -> str:
    """Ends the server in the middle of the call."""
    os._exit(1)


@server.tool()
def environment() -> str:
    """The variables that the server has."""
    return " ".join(sorted(os.environ))


@server.tool()
async def grow(context: Context) -> str:
    """Adds a tool, and says that the tools have changed."""
    server.add_tool(lambda: "new", name="newcomer", description="Was not there before.")
    await context.notify_tools_changed()
    return "grown"


if __name__ == "__main__":
    print("the server speaks", file=sys.stderr, flush=True)
    if sys.argv[1] == "stdio":
        server.run("stdio")
    else:
        server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[2]))
