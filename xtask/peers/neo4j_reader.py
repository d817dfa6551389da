"""Asks a server that speaks Bolt, by Neo4j's own driver. Reads orders and prints answers, a line of JSON each:

    {"create": "graph1"}                                      makes a database (ArcadeDB has a command of its own for it)
    {"database": "graph1", "query": "MATCH (n) RETURN n"}     answers rows

    neo4j_reader.py HTTP_PORT BOLT_PORT USER PASSWORD
"""

import base64
import json
import sys
import urllib.request
from datetime import timezone

import neo4j
from neo4j.time import DateTime

http, bolt, user, password = sys.argv[1:]
driver = neo4j.GraphDatabase.driver(f"bolt://127.0.0.1:{bolt}", auth=(user, password))


def plain(value):
    """Times as the program prints them; ArcadeDB forgets the zone of one, which was UTC."""
    if isinstance(value, DateTime):
        time = value.to_native()
        time = time.astimezone(timezone.utc) if time.tzinfo else time
        return time.strftime("%Y-%m-%dT%H:%M:%S") + (f".{time.microsecond // 1000:03}" if time.microsecond else "") + "Z"
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return value


def create(name):
    body = json.dumps({"command": f"create database {name}"}).encode()
    login = base64.b64encode(f"{user}:{password}".encode()).decode()
    headers = {"content-type": "application/json", "authorization": f"Basic {login}"}
    request = urllib.request.Request(f"http://127.0.0.1:{http}/api/v1/server", body, headers)
    urllib.request.urlopen(request).read()
    return []


def rows(database, query):
    with driver.session(database=database) as session:
        return [plain(list(record.values())) for record in session.run(query)]


for line in sys.stdin:
    order = json.loads(line)
    try:
        answer = create(order["create"]) if "create" in order else rows(order["database"], order["query"])
    except Exception as error:  # The test says what it asked, and this.
        answer = {"error": str(error)}
    print(json.dumps(answer), flush=True)
