# SPDX-License-Identifier: Apache-2.0
# Length: one file per program, so that its fixtures and helpers are shared.
"""`weir table` as its users meet it: what it prints for people and for programs, and its errors."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from weir_file_reader import File

import weir as package

ROOT = Path(__file__).resolve().parent.parent.parent
BINARY = Path(os.environ.get("WEIR_BIN", ROOT / ".build" / "release" / "weir")).resolve()

pytestmark = pytest.mark.skipif(not BINARY.exists(), reason=f"{BINARY} is not built")

SCHEMA = pa.schema(
    [
        pa.field("id", pa.int64(), nullable=False),
        pa.field("country", pa.string()),
        pa.field("price", pa.float64()),
        pa.field("ts", pa.timestamp("us", tz="UTC")),
        pa.field("place", pa.struct([("city", pa.string()), ("zip", pa.int32())])),
    ]
)


def rows(*ids: int) -> pa.Table:
    start = datetime(2026, 1, 1, tzinfo=timezone.utc)
    return pa.table(
        {
            "id": list(ids),
            "country": ["de" if i % 2 else None for i in ids],
            "price": [i / 2 for i in ids],
            "ts": [start + timedelta(days=i) for i in ids],
            "place": [{"city": f"city {i}", "zip": i} for i in ids],
        },
        schema=SCHEMA,
    )


Run = Callable[..., str]


class Lake:
    """A folder with tables, and the program run on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = 0

    def run(self, *arguments: object, code: int = 0, **environment: str):
        done = subprocess.run(
            [str(BINARY), "table", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=60,
            cwd=self.folder,
            env={
                "PATH": os.environ["PATH"],
                "WEIR_CATALOG": str(self.folder / "lake"),
                **environment,
            },
        )
        assert done.returncode == code, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Fatal error" not in done.stderr
        # No colours and no control characters where there is no terminal.
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", done.stdout + done.stderr)
        assert not any(line.endswith(" ") for line in done.stdout.splitlines())
        return done

    def text(self, *arguments: object, **environment: str) -> str:
        done = self.run(*arguments, **environment)
        assert done.stderr == ""
        return done.stdout

    def lines(self, *arguments: object) -> list[dict]:
        return [json.loads(line) for line in self.text(*arguments, "--json").splitlines()]

    def json(self, *arguments: object):
        return json.loads(self.text(*arguments, "--json"))

    def error(self, *arguments: object, code: int = 1) -> str:
        done = self.run(*arguments, code=code)
        assert done.stdout == ""
        return done.stderr

    def append(self, *ids: int, table: str = "shop.orders") -> int:
        self.files += 1
        path = self.folder / f"rows-{self.files}.parquet"
        pq.write_table(rows(*ids), path)
        return self.json("append", table, path)["snapshot_id"]


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A table without rows, for tests that change nothing."""
    return made(tmp_path_factory.mktemp("bare"))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return made(tmp_path)


def made(tmp_path: Path) -> Lake:
    lake = Lake(tmp_path)
    pq.write_table(rows(), tmp_path / "like.parquet")
    lake.text("create", "shop.orders", "--like", "like.parquet", "--partition", "bucket(2, id)")
    return lake


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """As `filled`, for tests that change nothing."""
    return fill(made(tmp_path_factory.mktemp("kept")))


@pytest.fixture
def filled(lake: Lake) -> Lake:
    return fill(lake)


def fill(lake: Lake) -> Lake:
    """1 to 4 appended, tagged, 2 deleted, 5 and 6 appended."""
    lake.append(1, 2, 3, 4)
    lake.text("tag", "shop.orders", "first")
    lake.text("delete", "shop.orders", "--where", "id = 2")
    lake.append(5, 6)
    return lake


COMMANDS = [
    *["create", "list", "describe", "schema", "append", "scan", "changes", "delete", "alter"],
    *["history", "snapshots", "files", "partitions", "refs", "diff", "rollback", "branch", "tag"],
    *["properties", "analyze", "expire", "orphans", "compact", "maintain", "cost"],
    *["rename", "drop"],
]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_and_wrong_flags(bare: Lake, command: str) -> None:
    assert f"USAGE: weir table {command}" in bare.text(command, "--help")
    assert "--json" in bare.text(command, "--help")
    message = bare.error(command, "--nope", code=64)
    assert f"Usage: weir table {command} " in message
    assert f"weir table {command} --help" in message


def test_wrong_flags_are_named(bare: Lake) -> None:
    assert "'--nope'" in bare.error("scan", "shop.orders", "--nope", code=64)
    assert "'--limit" in bare.error("scan", "shop.orders", "--limit", code=64)
    assert "'x'" in bare.error("scan", "shop.orders", "--limit", "x", code=64)
    assert "scn" in bare.error("scn", code=64)


def test_every_subcommand_is_listed(bare: Lake) -> None:
    text = bare.text("--help")
    assert all(re.search(rf"^  {command} ", text, re.M) for command in COMMANDS)


# Tables that are not there, and other wrong names.


@pytest.mark.parametrize(
    "command",
    [
        ["describe"],
        ["schema"],
        ["append", "like.parquet"],
        ["scan"],
        ["changes"],
        ["delete", "--where", "id = 1"],
        ["alter", "--drop", "price"],
        ["history"],
        ["snapshots"],
        ["files"],
        ["partitions"],
        ["refs"],
        ["diff"],
        ["rollback", "--to", "main"],
        ["branch", "x"],
        ["tag", "x"],
        ["properties"],
        ["analyze"],
        ["expire"],
        ["orphans"],
        ["compact"],
        ["maintain"],
        ["cost"],
        ["rename", "--to", "shop.x"],
        ["drop"],
    ],
    ids=lambda command: command[0],
)
def test_unknown_tables(bare: Lake, command: list[str]) -> None:
    message = bare.error(command[0], "shop.order", *command[1:])
    assert "there is no table shop.order; did you mean shop.orders?" in message
    assert "weir table list" in message
    message = bare.error(command[0], "orders", *command[1:])
    assert "'orders' is no name of a table: write namespace.table" in message


def test_unknown_namespaces(bare: Lake) -> None:
    assert "did you mean shop.orders?" in bare.error("scan", "shopp.orders")
    assert "did you mean" not in bare.error("scan", "elsewhere.things")
    assert "there is no namespace shopp" in bare.error("list", "shopp")
    assert "did you mean shop?" in bare.error("list", "shopp")


def test_unknown_catalog(bare: Lake) -> None:
    message = bare.error("list", "--catalog", "nothing-here")
    assert "there is no catalog at 'nothing-here'" in message
    assert "WEIR_CATALOG" in message
    assert not (bare.folder / "nothing-here").exists()


@pytest.mark.parametrize("command", ["scan", "changes"])
def test_wrong_columns_and_conditions(kept: Lake, command: str) -> None:
    message = kept.error(command, "shop.orders", "--columns", "id,pirce")
    assert (
        "table shop.orders, column pirce: there is no such column; did you mean price?" in message
    )
    message = kept.error(command, "shop.orders", "--where", "pirce > 1")
    assert "did you mean price?" in message
    message = kept.error(command, "shop.orders", "--where", "price > 'x'")
    assert "column price" in message
    # The place is pointed at.
    condition = "id = 1 AND price >> 2"
    lines = kept.error(command, "shop.orders", "--where", condition).splitlines()
    assert lines[0].startswith("weir: error: --where, character 19:")
    assert lines[1:] == ["  " + condition, "  " + " " * condition.index("> 2") + "^"]
    assert "empty name" in kept.error(command, "shop.orders", "--columns", "id,,x", code=64)
    assert "--limit" in kept.error(command, "shop.orders", "--limit=-1", code=64)


@pytest.mark.parametrize("command", ["scan", "files", "partitions", "schema", "branch"])
def test_wrong_states(kept: Lake, command: str) -> None:
    name = ["x"] if command == "branch" else []
    message = kept.error(command, "shop.orders", *name, "--at", "frist")
    assert "there is no branch or tag 'frist'; did you mean first?" in message
    message = kept.error(command, "shop.orders", *name, "--at", "2020-01-01")
    assert (
        "the table had no snapshot at 2020-01-01T00:00:00.000Z; its history begins at 2" in message
    )
    assert "there is no snapshot 77" in kept.error(command, "shop.orders", *name, "--at", "77")


# Making, filling and dropping tables.


def test_create(lake: Lake) -> None:
    made = lake.json(
        "create", "a.b", "--column", "id long required", "--column", "name string", "--set", "x=y"
    )
    assert made["table"] == "a.b"
    assert made["location"].startswith("file:///")
    assert lake.json("list") == ["a.b", "shop.orders"]
    assert lake.json("list", "a") == ["a.b"]
    assert lake.text("list").splitlines() == ["a.b", "shop.orders"]
    assert "already there" in lake.error("create", "a.b", "--column", "id long")
    assert "no column" in lake.error("create", "a.c", "--column", "id")
    assert "decimal(P,S)" in lake.error("create", "a.c", "--column", "id lonk")
    assert "--like" in lake.error("create", "a.c", code=64)
    assert "--column" in lake.error(
        "create", "a.c", "--like", "like.parquet", "--column", "x int", code=64
    )
    assert "absent.parquet" in lake.error("create", "a.c", "--like", "absent.parquet")
    assert "bukket" in lake.error(
        "create", "a.c", "--like", "like.parquet", "--partition", "bukket(2, id)"
    )


def test_append_scan_delete(lake: Lake) -> None:
    assert "(no rows)" in lake.text("scan", "shop.orders")
    assert lake.lines("scan", "shop.orders") == []
    lake.append(*range(1, 31))
    text = lake.text("scan", "shop.orders", "--columns", "id,country").splitlines()
    assert text[0].split() == ["id", "country"]
    assert len(text) == 2 + 20 + 1
    assert "--limit" in text[-1]
    assert len(lake.lines("scan", "shop.orders")) == 30
    assert len(lake.lines("scan", "shop.orders", "--limit", "3")) == 3
    assert lake.text("scan", "shop.orders", "--limit", "30").count("more rows") == 0
    found = lake.lines("scan", "shop.orders", "--where", "id < 3", "--columns", "id,place.city")
    assert sorted(found, key=lambda row: row["id"]) == [
        {"id": 1, "place": {"city": "city 1"}},
        {"id": 2, "place": {"city": "city 2"}},
    ]
    assert lake.text("scan", "shop.orders", "--count") == "30\n"
    assert lake.json("scan", "shop.orders", "--count") == {"rows": 30}
    gone = lake.json("delete", "shop.orders", "--where", "id <= 10")
    assert gone["deleted_rows"] == 10
    assert "10 rows" in lake.text("delete", "shop.orders", "--where", "id <= 20")
    assert "nothing matched" in lake.text("delete", "shop.orders", "--where", "id <= 20")
    assert lake.json("scan", "shop.orders", "--count") == {"rows": 10}
    message = lake.error("append", "shop.orders", "absent.parquet")
    assert "absent.parquet" in message


def test_long_and_wide_values(lake: Lake) -> None:
    columns = [f"a_column_of_a_long_name_{i}" for i in range(30)]
    values = {name: ["x" * 500 + "\x1b[31m\n"] for name in columns}
    pq.write_table(pa.table(values), lake.folder / "wide.parquet")
    lake.text("create", "shop.wide", "--like", "wide.parquet")
    lake.text("append", "shop.wide", "wide.parquet")
    for width in (60, 80, 120):
        text = lake.text("scan", "shop.wide", COLUMNS=str(width))
        assert all(len(line) <= width for line in text.splitlines())
        assert "more columns; --columns picks" in text
    text = lake.text("changes", "shop.wide", COLUMNS="80")
    assert text.split()[0] == "_change_type"
    assert lake.lines("scan", "shop.wide")[0] == {name: values[name][0] for name in columns}
    for command in ("schema", "snapshots", "files", "partitions"):
        text = lake.text(command, "shop.wide", COLUMNS="60")
        assert all(len(line) <= 100 for line in text.splitlines()), text


def test_rename_and_drop(filled: Lake) -> None:
    assert filled.json("rename", "shop.orders", "--to", "shop.sales")["table"] == "shop.sales"
    assert filled.json("list") == ["shop.sales"]
    filled.text("create", "shop.x", "--column", "id int")
    assert "already there" in filled.error("rename", "shop.x", "--to", "shop.sales")
    assert "stay" in filled.text("drop", "shop.x")
    files = list((filled.folder / "lake").rglob("*.parquet"))
    assert files
    assert filled.json("drop", "shop.sales", "--purge") == {"table": "shop.sales", "purged": True}
    assert not list((filled.folder / "lake").rglob("*.parquet"))
    assert filled.json("list") == []
    assert filled.text("list") == "There are no tables.\n"
    assert filled.text("list", "shop") == "There are no tables in shop.\n"


def test_alter(filled: Lake) -> None:
    filled.text("alter", "shop.orders", "--add", "device string", "--rename", "ts=event_time")
    names = [field["name"] for field in filled.json("schema", "shop.orders")["fields"]]
    assert names == ["id", "country", "price", "event_time", "place", "device"]
    text = filled.text("schema", "shop.orders").splitlines()
    assert text[0].split() == ["id", "column", "type", "doc"]
    # What is within a struct is below it.
    assert [line.split()[1] for line in text[5:8]] == ["place", "city", "zip"]
    assert "ts" in filled.text("schema", "shop.orders", "--at", "first")
    assert "nothing to change" in filled.error("alter", "shop.orders")
    assert "no type 'strink'" in filled.error("alter", "shop.orders", "--add", "x strink")
    assert "prize" in filled.error("alter", "shop.orders", "--drop", "prize")


# Looking into tables.


def test_empty_tables(lake: Lake) -> None:
    for command in ("history", "snapshots", "refs"):
        assert lake.text(command, "shop.orders").startswith("shop.orders has no ")
        assert lake.lines(command, "shop.orders") == []
    for command in ("files", "partitions", "branch", "tag"):
        assert lake.text(command, "shop.orders").startswith("There are no ")
    assert "none yet" in lake.text("describe", "shop.orders")
    assert "(no rows)" in lake.text("changes", "shop.orders")
    assert "(no changes)" in lake.text("diff", "shop.orders")
    assert "no snapshots yet" in lake.error("rollback", "shop.orders", "--to", "main")
    assert "no snapshots yet" in lake.error("analyze", "shop.orders")


def test_describe(kept: Lake) -> None:
    text = kept.text("describe", "shop.orders")
    assert text.startswith("shop.orders\n")
    assert re.search(r"^  rows +5 in 3 files$", text, re.M)
    assert re.search(r"^  partitions +bucket\[2\]\(id\)$", text, re.M)
    assert kept.json("describe", "shop.orders")["format-version"] == 3


def test_snapshots_history_refs(filled: Lake) -> None:
    text = filled.text("snapshots", "shop.orders").splitlines()
    assert len(text) == 4
    assert [line.split()[3:7] for line in text[1:]] == [
        ["append", "4", "0", "4"],
        ["delete", "0", "1", "3"],
        ["append", "2", "0", "5"],
    ]
    assert text[1].endswith("tag first")
    assert text[3].endswith("main")
    snapshots = filled.lines("snapshots", "shop.orders")
    assert [snapshot["operation"] for snapshot in snapshots] == ["append", "delete", "append"]
    refs = {ref["name"]: ref for ref in filled.lines("refs", "shop.orders")}
    assert refs["first"]["type"] == "TAG"
    assert refs["main"]["snapshot_id"] == snapshots[2]["snapshot_id"]
    filled.text("rollback", "shop.orders", "--to", "first")
    assert "no longer part of it" in filled.text("history", "shop.orders")
    assert [entry["is_current_ancestor"] for entry in filled.lines("history", "shop.orders")] == [
        True,
        False,
        False,
        True,
    ]
    assert filled.text("scan", "shop.orders", "--count") == "4\n"


def test_files_and_partitions(kept: Lake) -> None:
    text = kept.text("files", "shop.orders").splitlines()
    kinds = [line.split()[0] for line in text[1:]]
    assert sorted(set(kinds)) == ["data", "vector"]
    assert all("data/" in line and "file:///" not in line for line in text[1:])
    files = kept.lines("files", "shop.orders")
    assert sum(file["record_count"] for file in files if file["content"] == 0) == 6
    assert len(kept.lines("files", "shop.orders", "--at", "first")) == 2
    text = kept.text("partitions", "shop.orders").splitlines()
    assert text[1].startswith("  id_bucket_2: ")
    partitions = kept.lines("partitions", "shop.orders")
    assert sum(partition["record_count"] for partition in partitions) == 6


def test_branches_and_tags(filled: Lake) -> None:
    made = filled.json("branch", "shop.orders", "dev", "--at", "first")
    assert made["type"] == "BRANCH"
    assert [ref["name"] for ref in filled.json("branch", "shop.orders")] == ["dev", "main"]
    assert filled.text("branch", "shop.orders").splitlines()[1].split()[0] == "dev"
    assert filled.text("scan", "shop.orders", "--at", "dev", "--count") == "4\n"
    assert "dev" in filled.error("branch", "shop.orders", "dev")
    assert "did you mean dev?" in filled.error("branch", "shop.orders", "devv", "--remove")
    # A tag is no branch.
    assert "no branch 'first'" in filled.error("branch", "shop.orders", "first", "--remove")
    assert "Removed the branch dev." in filled.text("branch", "shop.orders", "dev", "--remove")
    assert "say which tag" in filled.error("tag", "shop.orders", "--remove", code=64)
    assert filled.json("tag", "shop.orders", "first", "--remove")["removed"] is True
    assert filled.text("tag", "shop.orders") == "There are no tags.\n"


def test_properties(lake: Lake) -> None:
    assert lake.text("properties", "shop.orders") == "There are no properties.\n"
    assert lake.json("properties", "shop.orders") == {}
    text = lake.text("properties", "shop.orders", "--set", "z=1=2", "--set", "a=b")
    assert text == "a = b\nz = 1=2\n"
    assert lake.json("properties", "shop.orders", "--unset", "a") == {"z": "1=2"}
    assert "name=value" in lake.error("properties", "shop.orders", "--set", "x")


# What changed.


def test_changes(kept: Lake) -> None:
    changes = kept.lines("changes", "shop.orders", "--columns", "id")
    assert [(row["_change_ordinal"], row["_change_type"]) for row in changes] == [
        (0, "INSERT")
    ] * 4 + [(1, "DELETE")] + [(2, "INSERT")] * 2
    assert {row["id"] for row in changes if row["_change_ordinal"] == 2} == {5, 6}
    snapshots = [snapshot["snapshot_id"] for snapshot in kept.lines("snapshots", "shop.orders")]
    assert {row["_commit_snapshot_id"] for row in changes} == set(snapshots)
    since = kept.lines("changes", "shop.orders", "--from", "first", "--where", "id <> 5")
    assert [(row["id"], row["_change_type"]) for row in since] == [(2, "DELETE"), (6, "INSERT")]
    net = kept.lines("changes", "shop.orders", "--net")
    assert sorted(row["id"] for row in net) == [1, 3, 4, 5, 6]
    assert {row["_change_type"] for row in net} == {"INSERT"}
    only = kept.lines("changes", "shop.orders", "--from", snapshots[0], "--to", snapshots[1])
    assert [row["id"] for row in only] == [2]
    assert kept.json("changes", "shop.orders", "--count") == {
        "INSERT": 6,
        "DELETE": 1,
        "UPDATE_BEFORE": 0,
        "UPDATE_AFTER": 0,
    }
    assert kept.text("changes", "shop.orders", "--count").splitlines()[1].split() == [
        "INSERT",
        "6",
    ]
    text = kept.text("changes", "shop.orders", "--columns", "id", "--limit", "1").splitlines()
    assert text[0].split() == ["_change_type", "id", "_change_ordinal", "_commit_snapshot_id"]
    assert "more rows" in text[-1]
    message = kept.error("changes", "shop.orders", "--from", "main", "--to", "first")
    assert "is no ancestor of" in message
    assert "did you mean" in kept.error("changes", "shop.orders", "--key", "idd")
    assert "--net" in kept.error("changes", "shop.orders", "--net", "--carried", code=64)


def test_updates(filled: Lake) -> None:
    with package.connect(filled.folder / "lake") as catalog:
        catalog.table("shop.orders").upsert(rows(1, 3, 9), keys=["id"])
        changed = pa.table({"id": [3]}, schema=pa.schema([("id", pa.int64())]))
        catalog.table("shop.orders").upsert(
            rows(3).drop_columns(["country"]).append_column("country", pa.array(["fr"])),
            keys=["id"],
        )
        assert changed.num_rows == 1
    last = [snapshot["snapshot_id"] for snapshot in filled.lines("snapshots", "shop.orders")]
    # The first upsert changed no value of 1 and 3.
    found = filled.lines("changes", "shop.orders", "--from", last[-3], "--key", "id")
    assert [(row["id"], row["country"], row["_change_type"]) for row in found] == [
        (9, "de", "INSERT"),
        (3, "de", "UPDATE_BEFORE"),
        (3, "fr", "UPDATE_AFTER"),
    ]
    raw = filled.lines("changes", "shop.orders", "--from", last[-3], "--to", last[-2], "--carried")
    assert len(raw) == 5


def test_appended_rows(kept: Lake) -> None:
    found = kept.lines("scan", "shop.orders", "--from", "first", "--columns", "id")
    assert sorted(row["id"] for row in found) == [5, 6]
    assert kept.text("scan", "shop.orders", "--from", "main", "--count") == "0\n"
    assert "did you mean first?" in kept.error("scan", "shop.orders", "--from", "frist")


def test_diff(filled: Lake) -> None:
    text = filled.text("diff", "shop.orders", "--from", "first").splitlines()
    assert [line.split()[3:] for line in text[1:3]] == [["delete", "0", "1"], ["append", "2", "0"]]
    assert text[3].startswith("  data files +1 (2 rows, ")
    assert text[4].startswith("  delete files +1 (1 deletes, ")
    filled.text("alter", "shop.orders", "--add", "device string", "--rename", "ts=t")
    diff = filled.json("diff", "shop.orders", "--from", "first")
    assert [change["kind"] for change in diff["columns"]] == ["changed", "added"]
    assert diff["deleted_rows"] == 1
    assert diff["data_files"]["added"]["rows"] == 2
    assert [step["deleted_rows"] for step in diff["snapshots"]] == [1, 0]
    assert "+ device: string" in filled.text("diff", "shop.orders", "--from", "first")
    text = filled.text("diff", "shop.orders", "--from", "main", "--to", "first")
    assert "does not lead" in text
    assert "(no changes)" in filled.text("diff", "shop.orders", "--from", "first", "--to", "first")
    assert "did you mean" in filled.error("diff", "shop.orders", "--from", "frist")


# Looking after tables.


def test_maintenance(filled: Lake) -> None:
    counts = filled.json("analyze", "shop.orders", "--columns", "id,country")
    assert counts["distinct_values"] == {"id": 5, "country": 1}
    assert filled.text("analyze", "shop.orders").splitlines()[1].split() == ["id", "5"]
    assert "did you mean price?" in filled.error("analyze", "shop.orders", "--columns", "prize")
    assert filled.json("expire", "shop.orders")["snapshot_ids"] == []
    filled.text("tag", "shop.orders", "first", "--remove")
    future = "2100-01-01"
    done = filled.json("expire", "shop.orders", "--older-than", future, "--keep", "1")
    assert len(done["snapshot_ids"]) == 2
    assert "Expired 0 snapshots." in filled.text("expire", "shop.orders")
    assert "is no time" in filled.error("expire", "shop.orders", "--older-than", "yesterday")
    assert "--keep" in filled.error("expire", "shop.orders", "--keep", "0", code=64)
    found = filled.json("orphans", "shop.orders", "--dry-run")
    assert found["locations"] == []
    assert filled.text("orphans", "shop.orders") == "Removed 0 files.\n"
    assert filled.text("scan", "shop.orders", "--count") == "5\n"


def test_damaged_tables_can_be_dropped(filled: Lake) -> None:
    for path in (filled.folder / "lake").rglob("*.metadata.json"):
        path.write_text("{")
    message = filled.error("scan", "shop.orders")
    assert "metadata.json" in message
    assert filled.json("list") == ["shop.orders"]
    filled.text("drop", "shop.orders")
    assert filled.json("list") == []


def test_colours_where_they_are_wanted(kept: Lake) -> None:
    done = subprocess.run(
        [str(BINARY), "table", "snapshots", "shop.orders", "--catalog", kept.folder / "lake"],
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "CLICOLOR_FORCE": "1"},
        timeout=60,
    )
    assert "\x1b[" in done.stdout


def test_layout(tmp_path: Path):
    """`weir table layout`: named, shown, learnt from scans, cleared; a compaction follows."""
    lake = Lake(tmp_path)
    lake.text("create", "shop.orders", "--like", wide_rows(tmp_path))
    lake.text("properties", "shop.orders", "--set", "write.format.default=weir")
    show = ("layout", "shop.orders")
    assert lake.text(*show) == "shop.orders: columns lie as in the schema\n"
    named = lake.text(*show, "--columns", "c9, c4,c9")
    assert named.splitlines() == [
        "shop.orders: 2 columns first, then the other 10 as in the schema",
        "  c9",
        "  c4",
    ]
    assert lake.text(*show) == lake.text(*show, "--show") == named
    assert "'c99'" in lake.error(*show, "--columns", "c99", code=64)
    assert "--learn" in lake.error(*show, "--reads", "x", code=64)
    assert "one of" in lake.error(*show, "--clear", "--learn", code=64)
    assert "WEIR_READS" in lake.error(*show, "--learn", code=64)
    assert "was noted" in lake.error(*show, "--learn", "--reads", tmp_path / "none", code=64)
    assert lake.text(*show) == named

    reads = tmp_path / "reads"
    for _ in range(2):
        lake.text("append", "shop.orders", tmp_path / "wide.parquet")
    for columns, times in (("c7,c2", 3), ("c11", 1)):
        for _ in range(times):
            lake.text("scan", "shop.orders", "--columns", columns, WEIR_READS=str(reads))
    learnt = lake.text(*show, "--learn", "--reads", reads).splitlines()
    assert learnt[0] == "shop.orders: 3 columns first, then the other 9 as in the schema"
    assert [line.strip() for line in learnt[1:]] == ["c2", "c7", "c11"]
    lake.text("compact", "shop.orders", "--full")
    (entry,) = lake.lines("files", "shop.orders")
    file = File(Path(entry["file_path"].removeprefix("file://")).read_bytes())
    places = {file.field(e).name: file.descriptor(e)[0][0].offset for e in file.entries()}
    order = [name for name in sorted(places, key=places.__getitem__) if name[0] != "_"]
    assert order[:4] == ["c2", "c7", "c11", "c0"]
    assert lake.text(*show, "--clear") == "shop.orders: columns lie as in the schema\n"


def wide_rows(folder: Path) -> Path:
    """A file of twelve columns of numbers."""
    table = pa.table({f"c{i}": pa.array(range(i, 50 + i)) for i in range(12)})
    pq.write_table(table, folder / "wide.parquet")
    return folder / "wide.parquet"
