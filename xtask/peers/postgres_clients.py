"""Reads the graph with real clients of Postgres: psql, psycopg, SQLAlchemy, and the queries of others as recorded texts.

    postgres_clients.py PROGRAM CONFIGURATION
"""

import csv
import datetime
import os
import pathlib
import subprocess
import sys
import tempfile

import psycopg
import sqlalchemy

program, configuration = sys.argv[1:]
folder = pathlib.Path(tempfile.mkdtemp(prefix="postgres-wire-"))
tokens = str(folder / "tokens.json")


def ours(*words):
    command = [program, "--config", configuration, "--quiet", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def token(role):
    return ours("serve", "token", "new", "--name", role, "--role", role, "--tokens", tokens)


analyst, viewer = token("analyst"), token("viewer")
devices = int(ours("query", "-o", "csv", "select count(*) n from nexthink_device").split()[1])
server = subprocess.Popen(
    [program, "--config", configuration, "serve", "--listen", "127.0.0.1:0", "--postgres", "127.0.0.1:0",
     "--tokens", tokens],
    stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def equal(what, seen, expected):
    assert seen == expected, f"{what}: {seen!r} is not {expected!r}"


def psql(*words, password=analyst, fails=False):
    environment = {**os.environ, "PGPASSWORD": password, "PGCONNECT_TIMEOUT": "10", "LC_ALL": "C.UTF-8"}
    ended = subprocess.run(
        ["psql", "-X", "-v", "ON_ERROR_STOP=1", url, *words],
        env=environment, capture_output=True, text=True, timeout=120)
    assert (ended.returncode != 0) == fails, f"psql {words}: {ended.stdout}{ended.stderr}"
    return ended.stdout + ended.stderr


def check_psql():
    plain = ["-A", "-t", "-c"]
    equal("a count", psql(*plain, "select count(*) from nexthink_device"), f"{devices}\n")
    assert "public|nexthink_device|table|analyst" in psql(*plain, "\\dt")
    assert "nexthink_device" in psql(*plain, "\\dt nexthink_*")
    described = psql("-c", "\\d nexthink_device")
    assert 'Table "public.nexthink_device"' in described and "timestamp with time zone" in described, described
    assert "text[]" in described and "not null" in described, described
    assert tenant in psql(*plain, "\\l")
    commands = (
        "\\d \\d+ \\dp \\z \\dv \\di \\ds \\dm \\dn \\dn+ \\du \\dg \\df \\df+ \\dT \\dT+ \\dD \\db \\dx \\dL \\dd \\dc "
        "\\dC \\do \\dO \\des \\det \\dew \\dF \\dRp \\dRs \\dX \\dy \\dA \\dAc \\ddp \\drds \\dP \\dt+ \\l+ \\conninfo "
        "\\encoding")
    for command in commands.split():
        psql("-c", command)
    for command in ["\\d+ entities", "\\d pg_class", "\\dd nexthink_device", "\\sv entities"]:
        psql("-c", command)
    copied = folder / "devices.csv"
    psql("-c", f"\\copy (select name, \"_class\" from nexthink_device order by name) to '{copied}' csv header")
    with copied.open(newline="") as lines:
        rows = list(csv.reader(lines))
    equal("a copy", (rows[0], len(rows)), (["name", "_class"], devices + 1))
    script = folder / "script.sql"
    script.write_text(
        "\\set device 'nothing'\nselect count(*) from nexthink_device where name = :'device';\n"
        "begin; declare c cursor for select 1; fetch 1 from c; commit;\n")
    psql("-f", str(script))
    assert "read-only" in psql("-c", "delete from nexthink_device", fails=True)
    assert "is no token" in psql("-c", "select 1", password="a guess", fails=True)
    assert "withheld" in psql("-c", "select email from nexthink_user", password=viewer, fails=True)
    assert "email" not in psql("-c", "\\d nexthink_user", password=viewer)


def check_psycopg():
    with psycopg.connect(url, user="anyone", password=analyst) as connection:
        values = ("nothing", datetime.datetime(2000, 1, 1, tzinfo=datetime.timezone.utc), 2)
        for binary in [False, True]:
            cursor = connection.cursor(binary=binary)
            cursor.execute(
                'select name, "lastSeenOn", _class, 1.5, 7, true, null from nexthink_device '
                'where name <> %s and "lastSeenOn" > %s order by name limit %s', values)
            rows = cursor.fetchall()
            equal("rows", (len(rows), rows[0][2:]), (2, (["Device"], 1.5, 7, True, None)))
            assert rows[0][1].tzinfo is not None
        names = [row[0] for row in rows]
        cursor = connection.execute("select count(*) from nexthink_device where name = any(%s)", (names,))
        equal("a list of values", cursor.fetchone(), (len(names),))
        with connection.cursor(name="parts") as cursor:
            cursor.execute("select name from nexthink_device")
            equal("parts", len(cursor.fetchmany(10)) + len(cursor.fetchall()), devices)
        for _ in range(6):
            connection.execute("select count(*) from nexthink_user where id <> %s", ("x",), prepare=True)


def check_sqlalchemy():
    engine = sqlalchemy.create_engine(url.replace("postgresql:", "postgresql+psycopg:").replace("//", f"//x:{analyst}@"))
    inspector = sqlalchemy.inspect(engine)
    assert "nexthink_device" in inspector.get_table_names()
    equal("views", inspector.get_view_names(), ["entities", "relationships"])
    columns = {column["name"]: column for column in inspector.get_columns("nexthink_device")}
    equal("a time", str(columns["lastSeenOn"]["type"]), "TIMESTAMP")
    equal("a key", columns["_key"]["nullable"], False)
    for of in ["pk_constraint", "foreign_keys", "indexes", "unique_constraints", "check_constraints", "table_comment"]:
        getattr(inspector, f"get_{of}")("nexthink_device")
    metadata = sqlalchemy.MetaData()
    metadata.reflect(engine, views=True)
    device = metadata.tables["nexthink_device"]
    with engine.connect() as connection:
        query = sqlalchemy.select(sqlalchemy.func.count()).where(device.c.name.like("%"))
        equal("a query", connection.execute(query).scalar(), devices)


def recorded():
    """The recorded texts, and whether each has rows."""
    lines, has_rows = [], False
    for line in pathlib.Path(__file__).with_suffix(".sql").read_text().splitlines():
        if line == "-- rows":
            has_rows = True
        elif not line.startswith("--"):
            lines.append(line)
            if line.endswith(";"):
                yield "\n".join(lines).strip(), has_rows
                lines, has_rows = [], False


def check_recorded():
    with psycopg.connect(url, user="anyone", password=viewer, autocommit=True) as connection:
        count = 0
        for text, has_rows in recorded():
            try:
                cursor = connection.execute(text)
                rows = cursor.fetchall() if cursor.description else []
            except psycopg.Error as error:
                raise AssertionError(f"{error}\n{text}") from error
            assert rows or not has_rows, f"no rows: {text}"
            count += 1
        return count


try:
    server.stdout.readline()
    url = server.stdout.readline().strip()
    tenant = url.rsplit("/", 1)[1]
    check_psql()
    check_psycopg()
    check_sqlalchemy()
    texts = check_recorded()
finally:
    server.terminate()
equal("the end", server.wait(20), 0)
print(f"psql, psycopg, SQLAlchemy and {texts} recorded texts are answered")
