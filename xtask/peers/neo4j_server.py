"""Runs an ArcadeDB, which speaks Bolt and Cypher, in a folder until its input ends. Prints its ports as JSON, once it is
ready.

    neo4j_server.py FOLDER PASSWORD
"""

import json
import socket
import sys

from arcadedb_embedded import create_server


def free_port():
    """Taken and given back: the server cannot choose one and tell."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


folder, password = sys.argv[1:]
http, bolt = free_port(), free_port()
settings = {
    "host": "127.0.0.1",
    "http_port": http,
    "bolt_port": bolt,
    "server_plugins": "Bolt:com.arcadedb.bolt.BoltProtocolPlugin",
}
server = create_server(folder, password, settings)
server.start()
print(json.dumps({"http": http, "bolt": bolt}), flush=True)
sys.stdin.read()
server.stop()
