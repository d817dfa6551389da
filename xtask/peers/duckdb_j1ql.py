"""DuckDB answers the SQL of J1QL queries on the files of the generations that our tests have asked.

    python duckdb_j1ql.py FOLDER

needs `pip install duckdb pytz`. FOLDER has a folder for each generation, with `cases.ndjson` beside its manifest: a
query, its SQL and our rows on each line. Rows are compared in any order, numbers as numbers and lists as sets.
Prints how many answers are the same, and what DuckDB cannot answer with the reason. Fails if an answer differs.
"""

import collections
import datetime
import decimal
import json
import math
import pathlib
import re
import sys

import duckdb

# What DuckDB has under another name, or not at all.
MACROS = """
create macro make_array(item) as [item];
create macro array_remove_all(list, gone) as list_filter(list, lambda item: item <> gone);
create macro cardinality(list) as len(list);
create macro try_sum(value) as
  case when typeof(sum(value)) = 'HUGEINT' then try_cast(sum(value) as bigint) else sum(value) end;
create macro regexp_like(value, pattern) as regexp_matches(value, pattern),
  (value, pattern, flags) as regexp_matches(value, pattern, flags);
create macro arrow_cast(ms, type) as make_timestamptz(cast(ms as bigint) * 1000);
"""

# What cannot be answered: a part of the SQL, and why.
LEFT_OUT = [('_history"', "the history of a type is made of several generations")]


def milliseconds(sql):
    """A time as its milliseconds, which DuckDB has no cast for: `CAST(… AS BIGINT)` as `epoch_ms(…)`."""
    ending = " AS BIGINT)"
    end = sql.find(ending)
    while end >= 0:
        start, depth = end, 1
        while depth:
            start -= 1
            depth += {")": 1, "(": -1}.get(sql[start], 0)
        value = sql[start + 1 : end]
        if value == "NULL":
            end = sql.find(ending, end + 1)
            continue
        before = f"{sql[: start - len('CAST')]}epoch_ms({value})"
        sql = before + sql[end + len(ending) :]
        end = sql.find(ending, len(before))
    return sql


def literal(text):
    return "'" + text.replace("'", "''") + "'"


def name(text):
    return '"' + text.replace('"', '""') + '"'


def opened(folder):
    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'")
    connection.execute(MACROS)
    for table in json.loads((folder / "manifest.json").read_text())["tables"]:
        files = [literal(str(folder / file["path"])) for file in table["files"]]
        classes = table["class"]
        columns = [f"{literal(table['name'])} as _type", f"{json.dumps(classes).replace(chr(34), chr(39))}::varchar[] as _class"]
        if table["kind"] == "relationship":
            middle = literal(f"|{classes[0].lower()}|")
            columns.append(f"_fromEntityKey || {middle} || _toEntityKey as _key")
            columns.append(f"{literal(classes[0])} as displayName")
        connection.execute(f"create view {name(table['name'])} as select {', '.join(columns)}, * from read_parquet([{', '.join(files)}])")
    return connection


def comparable(cell):
    """One form for everything that says the same."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, datetime.datetime):
        return cell.astimezone(datetime.timezone.utc).isoformat(timespec="milliseconds")
    if isinstance(cell, (list, tuple)):
        return " ".join(sorted(comparable(item) for item in cell))
    if isinstance(cell, (int, float, decimal.Decimal)):
        number = float(cell)
        return "" if math.isnan(number) else f"{number:.9g}"
    if re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", cell):
        return comparable(datetime.datetime.fromisoformat(cell.replace("Z", "+00:00")))
    if cell.startswith("["):
        try:
            return comparable(json.loads(cell))
        except ValueError:
            return cell
    try:
        return comparable(float(cell))
    except ValueError:
        return cell


def main(folder):
    same, differing = 0, []
    left_out = collections.Counter()
    generations = sorted(path.parent for path in pathlib.Path(folder).glob("*/cases.ndjson"))
    for generation in generations:
        connection = opened(generation)
        for line in (generation / "cases.ndjson").read_text().splitlines():
            case = json.loads(line)
            reason = next((reason for part, reason in LEFT_OUT if part in case["sql"]), None)
            if reason:
                left_out[reason] += 1
                continue
            try:
                rows = connection.execute(milliseconds(case["sql"])).fetchall()
            except duckdb.Error as error:
                differing.append((case, str(error).splitlines()[0]))
                continue
            ours = sorted([comparable(cell) for cell in row] for row in case["rows"])
            theirs = sorted([comparable(cell) for cell in row] for row in rows)
            if ours == theirs:
                same += 1
            else:
                differing.append((case, f"ours {ours[:5]}, theirs {theirs[:5]}"))
    for case, why in differing[:20]:
        print(f"DIFFERS {case['query']}\n  {why}\n  {case['sql']}", file=sys.stderr)
    print(f"{same} answers on {len(generations)} generations are the same, {len(differing)} differ")
    for reason, count in left_out.items():
        print(f"{count} left out: {reason}")
    if differing or same == 0:
        sys.exit(1)


main(sys.argv[1])
