# SPDX-License-Identifier: Apache-2.0
"""All rows of the loop's tables, read twice, and compared with those of another run."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.table import StaticTable
from service import ARROW, Client, Service

#: The tables that are functions of the events, and what orders their rows.
KEYS = {
    "shop.events": ["_shard", "_offset"],
    "shop.items": ["item_id"],
    "shop.user_profile": ["user_id"],
    "shop.item_profile": ["item_id"],
    "shop.trending": ["segment"],
    "shop.similar": ["item_id"],
    "shop.examples": ["request_id", "item_id"],
    "shop.requests": ["_shard", "_offset"],
}
LISTS = "of the row for which the list was written, and lists are written now and then"
#: Columns that are not compared: table -> column -> why.
EXCLUDED = {
    "*": {"_op": "how a row was sent, which is not kept"},
    "shop.trending": {"_known_at": LISTS},
    "shop.similar": {"_known_at": LISTS},
}
#: The same of served examples, as two services with the same requests and events have them.
EXCLUDED_SERVED = {
    "shop.examples": {
        "_known_at": "of the last thing in the row, which may be the request or the event",
        "is_correction": "whether a row was there: the event may come with its request",
    }
}
#: Examples that were made of history. Others were served, at a time of the clock.
HISTORY = {"shop.examples": pc.field("source") == "history"}
SERVED = {"shop.examples": pc.field("source") == "served"}
Table = dict[str, pa.Table]


def settle(client: Client, seconds: float = 120) -> None:
    """Waits until pipelines have seen everything."""
    deadline = time.monotonic() + seconds
    quiet = 0
    while quiet < 3:
        pipelines = client.json("GET", "/v1/pipelines")["pipelines"]
        late = [one for one in pipelines if one["lag_rows"] or one["waiting_rows"]]
        quiet = 0 if late else quiet + 1
        if late and time.monotonic() > deadline:
            raise TimeoutError(f"pipelines do not come up with the events: {late}")
        time.sleep(0.1)


def read(
    client: Client,
    service: Service,
    names: Sequence[str] = tuple(KEYS),
    where: dict[str, pc.Expression] | None = None,
) -> Table:
    """Rows of the tables in order, as a live scan has them. Starts the service anew.

    :raises ValueError: PyIceberg reads others in the same table.
    """
    settle(client)
    # What is in memory goes into the tables.
    service.stop()
    service.start()
    settle(client)
    catalog = RestCatalog("weir", uri=service.uri)
    there = set(client.json("GET", "/v1/streams")["streams"])
    result = {}
    for name in names:
        if name not in there:
            continue
        columns = columns_of(client, name)
        table = client.scan(name, ",".join(columns))
        theirs = catalog.load_table(name).scan(selected_fields=tuple(columns)).to_arrow()
        theirs = theirs.select(columns).cast(table.schema)
        if where and name in where:
            table, theirs = table.filter(where[name]), theirs.filter(where[name])
        table, theirs = ordered(table, name), ordered(theirs, name)
        if difference := differ(table, theirs):
            raise ValueError(f"{name} as PyIceberg reads it: {difference}")
        result[name] = table
    return result


def columns_of(client: Client, name: str) -> list[str]:
    columns = [one["name"] for one in client.json("GET", f"/v1/streams/{name}")["columns"]]
    left_out = EXCLUDED["*"].keys() | EXCLUDED.get(name, {}).keys()
    return [*(key for key in KEYS[name] if key not in columns)] + [
        column for column in columns if column not in left_out
    ]


def ordered(table: pa.Table, name: str) -> pa.Table:
    return table.sort_by([(key, "ascending") for key in KEYS[name]]).combine_chunks()


def differ(table: pa.Table, other: pa.Table) -> str | None:
    """What differs first, or nothing."""
    if table.num_rows != other.num_rows:
        return f"{table.num_rows:,} rows, not {other.num_rows:,}"
    for name in other.column_names:
        if table.column(name).equals(other.column(name)):
            continue
        pairs = zip(table.column(name).to_pylist(), other.column(name).to_pylist(), strict=True)
        rows = [row for row, (one, two) in enumerate(pairs) if one != two]
        if rows:
            first = table.slice(rows[0], 1).select([name]).to_pylist()[0]
            wanted = other.slice(rows[0], 1).to_pylist()[0]
            return f"{len(rows):,} rows have another {name}: {first} in {wanted}"[:600]
    return None


def compare(
    found: Table, wanted: Table, without: dict[str, dict[str, str]] | None = None
) -> Iterator[tuple[str, bool]]:
    """For each table a line, and whether the rows are the same, but for some columns."""
    for name, table in wanted.items():
        left_out = list((without or {}).get(name, {}))
        difference = differ(found[name], table.drop_columns(left_out))
        yield f"{name}: {difference or f'{len(table):,} rows, equal'}", difference is None


def compare_folders(folder: Path, other: Path, name: str) -> Iterator[tuple[str, bool]]:
    """What `weir demo` wrote: Parquet files, and tables as PyIceberg reads them."""
    for file in sorted((other / name).glob("*.parquet")):
        difference = differ(pq.read_table(folder / name / file.name), pq.read_table(file))
        yield f"{name}/{file.name}: {difference or 'equal'}", difference is None
    queries = [json.loads((one / "queries.json").read_text()) for one in (folder, other)]
    for ours, theirs in zip(*queries, strict=True):
        rows = [
            StaticTable.from_metadata(one["metadata_location"]).scan().to_arrow()
            for one in (ours, theirs)
        ]
        order = [(column, "ascending") for column in ("event_time", "user_id", "item_id", "event")]
        difference = differ(*(table.sort_by(order) for table in rows))
        yield f"{ours['table']}: {difference or f'{len(rows[0]):,} rows, equal'}", not difference


# Models.


def models(client: Client) -> tuple[pa.Table, pa.Table]:
    """The registry and the vectors."""
    registry = client.scan(
        "shop.model", "version,retriever_graph,ranker_graph,graph_version,metadata,lineage,metrics"
    ).sort_by("version")
    vectors = client.scan("shop.model_embeddings", "role,id,version,vector")
    return registry, vectors.sort_by([(key, "ascending") for key in ("role", "id", "version")])


def complete(found: tuple[pa.Table, pa.Table]) -> Iterator[tuple[str, bool]]:
    """Each version of the registry: whether graphs and vectors are there."""
    registry, vectors = found
    rows = {row["version"]: row for row in registry.to_pylist()}
    versions = vectors.column("version")
    size: dict[int, int] = {}
    problems = []
    for version, row in rows.items():
        graphs = rows.get(row["graph_version"])
        if not graphs or not graphs["retriever_graph"] or not graphs["ranker_graph"]:
            problems.append(f"version {version} has no graphs")
        metadata = json.loads(row["metadata"])
        first = metadata["embeddings_from"]
        between = pc.and_(pc.greater_equal(versions, first), pc.less_equal(versions, version))
        part = vectors.filter(between)
        items = part.filter(pc.equal(part.column("role"), "item"))
        lengths = pc.unique(pc.list_value_length(items.column("vector"))).to_pylist()
        count = pc.count_distinct(items.column("id")).as_py()
        if lengths != [metadata["embedding"]] or count < size.get(first, 1):
            problems.append(f"version {version} has {count} vectors of {lengths} numbers")
        size[first] = max(count, size.get(first, 1))
        if version == first and json.loads(row["lineage"])["trainer"] == "batch":
            retrieved = part.filter(pc.equal(part.column("role"), "item_vector"))
            if len(items) != count or not len(retrieved):
                problems.append(f"version {version} does not stand for itself")
    unpublished = set(pc.unique(versions).to_pylist()) - set(rows)
    text = f"{len(rows)} versions of the model, each with graphs and vectors"
    if unpublished:
        text += f"; vectors of {len(unpublished)} that were broken off, which nobody sees"
    yield ("; ".join(problems) if problems else text), not problems


def compare_models(
    found: tuple[pa.Table, pa.Table], wanted: tuple[pa.Table, pa.Table]
) -> Iterator[tuple[str, bool]]:
    """Each version that was trained in batch, with the reference's only one."""
    (row,) = wanted[0].to_pylist()
    vectors = wanted[1].drop_columns(["version"])
    for ours in found[0].to_pylist():
        part = found[1].filter(pc.equal(found[1].column("version"), ours["version"]))
        difference = differ(part.drop_columns(["version"]), vectors)
        for name in ("retriever_graph", "ranker_graph"):
            if not difference and ours[name] != row[name]:
                difference = f"another {name}"
        name = f"version {ours['version']}"
        yield f"{name}: {difference or 'the same model bit by bit'}", difference is None


# The same events elsewhere.


def replay(client: Client, service: Service, names: Sequence[str]) -> Table:
    """Gives another service the requests and events of this one, and reads what comes of them."""
    other = Client(service)
    for stream in ("shop.items", "shop.requests", "shop.events"):
        if stream not in client.json("GET", "/v1/streams")["streams"]:
            continue
        columns = columns_of(client, stream)
        rows = ordered(client.scan(stream, ",".join(columns)), stream)
        rows = rows.select([column for column in rows.column_names if column[:2] not in _PLACES])
        for sequence, start in enumerate(range(0, len(rows), 10_000)):
            part = rows.slice(start, 10_000)
            sink = io.BytesIO()
            with pa.ipc.new_stream(sink, part.schema) as writer:
                writer.write_table(part)
            headers = {
                "Content-Type": ARROW,
                "Weir-Producer-Id": "again",
                "Weir-Producer-Sequence": str(sequence),
            }
            other.request("POST", f"/v1/streams/{stream}", sink.getvalue(), headers)
    return read(other, service, names, SERVED)


#: Columns that the service gives: _shard and _offset.
_PLACES = ("_s", "_o")
