"""The official client of the Model Context Protocol calls every tool and reads every resource.

    python mcp_client.py PROGRAM CONFIG

needs `pip install mcp`. Prints a line for each call, and fails where one fails.
"""

import asyncio
import json
import sys

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

CALLS = [
    ("describe", {}),
    ("describe", {"type": "nexthink_device"}),
    ("search", {"text": "a", "limit": 3}),
    ("ask", {"question": "open-critical-alerts"}),
    # Names are left out of these.
    ("ask", {"question": "critical-alerts-by-device"}),
    ("ask", {"question": "silent-devices"}),
    ("query", {"query": "select _key from nexthink_device limit 1"}),
    ("query", {"query": "FIND Device THAT INSTALLED Application AS a RETURN a.name, count(Device) AS n"}),
    ("diff", {"before": "current"}),
    ("diff", {"before": "current", "detail": "names"}),
]


async def called(session, name, arguments):
    answer = await session.call_tool(name, arguments)
    text = answer.content[0].text
    is_error = getattr(answer, "is_error", None) or getattr(answer, "isError", False)
    print(f"{name} {json.dumps(arguments)}: {len(text)} bytes")
    assert not is_error, text
    assert len(text) <= 40 * 1024, len(text)
    return json.loads(text)["data"]


async def main(program, config):
    server = StdioServerParameters(command=program, args=["mcp", "--config", config])
    async with stdio_client(server) as (reader, writer), ClientSession(reader, writer) as session:
        await session.initialize()
        listed = await session.list_tools()
        names = {tool.name for tool in listed.tools}
        size = len(listed.model_dump_json(exclude_none=True))
        print(f"tools: {', '.join(sorted(names))} in {size} bytes")
        assert size < 8 * 1024, size
        called_names = {name for name, _ in CALLS} | {"show", "neighbors"}
        assert called_names == names, names ^ called_names
        for name, arguments in CALLS:
            data = await called(session, name, arguments)
            if name == "query" and "_key" in data[0]:
                key = data[0]["_key"]
        await called(session, "show", {"entity": key})
        await called(session, "neighbors", {"entity": key, "limit": 3})
        for resource in (await session.list_resources()).resources:
            read = await session.read_resource(resource.uri)
            print(f"{resource.uri}: {len(read.contents[0].text)} bytes")


asyncio.run(main(*sys.argv[1:]))
