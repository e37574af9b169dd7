# SPDX-License-Identifier: Apache-2.0
# Length: one random history, its operations and their checks by three readers, read together.
"""Random histories of one table, written in turn by PyIceberg's REST client, by Weir's writer over
the same server and by Weir's writer on the server's own SQLite file.

What each snapshot should hold is kept beside them in plain Python. At the end every snapshot,
branch and tag is read by all three and compared, row by row. PyIceberg 0.12 writes format version 2
only: in version 3 it changes columns, properties and references, and reads.

$WEIR_HISTORY_SEEDS is the number of histories of each version (2), $WEIR_HISTORY_START the first
seed (1), $WEIR_HISTORY_STEPS the number of changes (25).
"""

from __future__ import annotations

import os
import random

import pyarrow as pa
import pytest
from history_model import LATER_PARTITIONS, PARTITIONS, SORTS, Model, by_key
from rest_server import BINARY, RestServer

pytest.importorskip("pyiceberg", reason="PyIceberg is not installed")

from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.transforms import parse_transform
from pyiceberg.types import LongType, StringType

import weir

pytestmark = [
    pytest.mark.skipif(not BINARY.exists(), reason=f"{BINARY} is not built"),
    pytest.mark.skipif("WEIR_TEST_CATALOG" in os.environ, reason="needs the folder's catalog"),
]

SEEDS = int(os.environ.get("WEIR_HISTORY_SEEDS", "2"))
START = int(os.environ.get("WEIR_HISTORY_START", "1"))
STEPS = int(os.environ.get("WEIR_HISTORY_STEPS", "25"))


def version_cases():
    return [(version, seed) for version in (2, 3) for seed in range(START, START + SEEDS)]


class History:
    def __init__(self, server: RestServer, version: int, seed: int) -> None:
        self.random = random.Random(f"{version}:{seed}")
        self.version = version
        self.server = server
        self.pyiceberg = RestCatalog("theirs", uri=server.uri)
        self.remote = weir.connect(server.uri)
        self.local = weir.connect(server.data)
        self.name = f"n.t{version}_{seed}"
        self.model = Model(self.random)
        self.log: list[str] = []
        self.partition_names: list[str] = []

    # The table, freshly loaded, for each of the three.

    def theirs(self):
        return self.pyiceberg.load_table(self.name)

    def ours(self):
        return self.random.choice([self.remote, self.local]).table(self.name)

    # Changes. Each returns nothing; `step` looks for the snapshot that it made.

    def create(self) -> None:
        r = self.random
        partition, sort = r.choice(PARTITIONS), r.choice(SORTS)
        self.log.append(f"create {partition} {sort}")
        table = self.remote.create_table(
            self.name,
            self.model.schema(),
            partition=partition,
            sort=sort,
            format_version=self.version,
        )
        spec = table.metadata["partition-specs"][-1]
        self.partition_names = [field["name"] for field in spec["fields"]]

    def append(self) -> None:
        rows = self.model.fresh(self.random.randint(1, 30))
        data = self.model.arrow(rows)
        if self.version == 2 and self.random.random() < 0.5:
            self.log.append(f"PyIceberg appends {len(rows)}")
            self.theirs().append(data)
        else:
            self.log.append(f"Weir appends {len(rows)}")
            self.ours().append(data)
        self.model.rows |= rows

    def delete(self) -> None:
        text, holds = self.model.condition()
        if self.version == 2 and self.random.random() < 0.5:
            self.log.append(f"PyIceberg deletes {text}")
            self.theirs().delete(text)
        else:
            self.log.append(f"Weir deletes {text}")
            self.ours().delete(text)
        self.model.rows = {k: row for k, row in self.model.rows.items() if not holds(row)}

    def overwrite(self) -> None:
        text, holds = self.model.condition()
        rows = self.model.fresh(self.random.randint(1, 5))
        data = self.model.arrow(rows)
        if self.version == 2 and self.random.random() < 0.5:
            self.log.append(f"PyIceberg overwrites {text}")
            self.theirs().overwrite(data, overwrite_filter=text)
        else:
            self.log.append(f"Weir overwrites {text}")
            self.ours().overwrite(data, where=text)
        self.model.rows = {k: row for k, row in self.model.rows.items() if not holds(row)}
        self.model.rows |= rows

    def upsert(self) -> None:
        count = min(len(self.model.rows), self.random.randint(0, 8))
        keys = self.random.sample(sorted(self.model.rows), count)
        rows = {key: self.model.row(key) for key in keys} | self.model.fresh(
            self.random.randint(1, 4)
        )
        data = self.model.arrow(rows)
        # PyIceberg's upsert compares columns, which pyarrow does not do for nested ones.
        self.log.append(f"Weir upserts {sorted(rows)}")
        self.ours().upsert(data, keys=["k"])
        self.model.rows |= rows

    def overwrite_partitions(self) -> None:
        """PyIceberg's dynamic overwrite of the one partition that the new row lies in."""
        table = self.theirs()
        fields = table.spec().fields
        if (
            self.version != 2
            or not fields
            or any(str(field.transform) != "identity" for field in fields)
            or len(table.specs()) > 1
            or "country" not in self.model.columns
        ):
            return
        rows = self.model.fresh(1)
        country = next(iter(rows.values()))["country"]
        self.log.append(f"PyIceberg overwrites the partition {country!r}")
        table.dynamic_partition_overwrite(self.model.arrow(rows))
        kept = {k: row for k, row in self.model.rows.items() if row["country"] != country}
        self.model.rows = kept | rows

    def add_column(self) -> None:
        column = f"c{len(self.log)}"
        self.model.columns[column] = column
        self.model.fields[column] = pa.field(column, pa.string())
        if self.version == 3 and self.random.random() < 0.6:
            self.log.append(f"Weir adds {column} with a default")
            self.ours().update(
                {"action": "add_column", "name": column, "type": "string", "default": "web"}
            )
            for row in self.model.rows.values():
                row[column] = "web"
        elif self.random.random() < 0.5:
            self.log.append(f"PyIceberg adds {column}")
            with self.theirs().update_schema() as update:
                update.add_column(column, StringType())
        else:
            self.log.append(f"Weir adds {column}")
            self.ours().update({"action": "add_column", "name": column, "type": "string"})
        # Rows are shared with the snapshots before, which know no such column.
        self.model.rows = {k: dict(row) for k, row in self.model.rows.items()}

    def rename_column(self) -> None:
        column = self.random.choice([c for c in self.model.columns if c != "k"])
        old, new = self.model.columns[column], f"{column}_{len(self.log)}"
        if self.random.random() < 0.5:
            self.log.append(f"PyIceberg renames {old} to {new}")
            with self.theirs().update_schema() as update:
                update.rename_column(old, new)
        else:
            self.log.append(f"Weir renames {old} to {new}")
            self.ours().update({"action": "rename_column", "path": old, "name": new})
        self.model.columns[column] = new

    def drop_column(self) -> None:
        sources = {"k", "country", "at", "day"}
        choices = [c for c in self.model.columns if c not in sources]
        if len(choices) < 2:
            return
        column = self.random.choice(choices)
        name = self.model.columns.pop(column)
        if self.random.random() < 0.5:
            self.log.append(f"PyIceberg drops {name}")
            with self.theirs().update_schema() as update:
                update.delete_column(name)
        else:
            self.log.append(f"Weir drops {name}")
            self.ours().update({"action": "drop_column", "path": name})

    def widen_column(self) -> None:
        if "count" not in self.model.columns or self.model.fields["count"].type != pa.int32():
            return
        name = self.model.columns["count"]
        if self.random.random() < 0.5:
            self.log.append(f"PyIceberg widens {name}")
            with self.theirs().update_schema() as update:
                update.update_column(name, LongType())
        else:
            self.log.append(f"Weir widens {name}")
            self.ours().update({"action": "change_type", "path": name, "type": "long"})
        self.model.fields["count"] = pa.field("count", pa.int64())

    def change_partitions(self) -> None:
        text, column, transform = self.random.choice(LATER_PARTITIONS)
        if column not in self.model.columns:
            return
        sources = {field.source_id for field in self.theirs().spec().fields}
        column = self.model.columns[column]
        # PyIceberg refuses two buckets or prefixes of one column.
        if self.theirs().schema().find_field(column).field_id in sources:
            return
        name = f"p{len(self.log)}"
        drop = self.partition_names.pop() if self.partition_names else None
        theirs = self.random.random() < 0.5
        self.log.append(f"{'PyIceberg' if theirs else 'Weir'} partitions by {text}, not {drop}")
        if theirs:
            with self.theirs().update_spec() as update:
                if drop:
                    update.remove_field(drop)
                update.add_field(column, parse_transform(transform), name)
        else:
            changes = [{"action": "remove_partition", "name": drop}] if drop else []
            head, _, _ = text.rpartition(" ") if "," in text else (text.split("(")[0] + "(", "", "")
            self.ours().update(
                *changes,
                {"action": "add_partition", "column": f"{head}{column})", "name": name},
            )
        self.partition_names.append(name)

    def tag(self) -> None:
        if not self.model.snapshots:
            return
        snapshot = self.random.choice(sorted(self.model.snapshots))
        name = f"tag{len(self.log)}"
        if self.random.random() < 0.5:
            self.log.append(f"PyIceberg tags {snapshot}")
            self.theirs().manage_snapshots().create_tag(snapshot, name).commit()
        else:
            self.log.append(f"Weir tags {snapshot}")
            self.ours().update({"action": "create_tag", "name": name, "snapshot_id": snapshot})
        self.model.references[name] = snapshot

    def set_property(self) -> None:
        name = f"p{len(self.log)}"
        with self.theirs().transaction() as transaction:
            transaction.set_properties({name: "theirs"})
        ours = self.ours()
        assert ours.metadata["properties"][name] == "theirs"
        ours.update({"action": "set_properties", "properties": {name: "ours"}})
        assert self.theirs().properties[name] == "ours"

    def rename_table(self) -> None:
        name = f"{self.name}x"
        if self.random.random() < 0.5:
            self.pyiceberg.rename_table(self.name, name)
        else:
            self.ours()
            self.local.rename_table(self.name, name)
        self.name = name

    def register(self) -> None:
        """The table under another name, from its metadata file."""
        location = self.theirs().metadata_location
        name = f"n.again{len(self.log)}{self.version}"
        if self.random.random() < 0.5:
            again = self.pyiceberg.register_table(name, location)
            count = again.scan().to_arrow().num_rows
        else:
            again = self.remote.register_table(name, location)
            count = again.scan().count()
        assert count == len(self.model.rows) if self.model.snapshots else count == 0
        self.local.drop_table(name)

    def roll_back(self) -> None:
        ancestors = [entry.snapshot_id for entry in self.theirs().history()]
        ancestors = [snapshot for snapshot in ancestors if snapshot in self.model.snapshots]
        if len(ancestors) < 3:
            return
        # Columns may have changed since: rows are read with the columns that are there now.
        snapshot = ancestors[-2]
        columns, rows = self.model.snapshots[snapshot]
        if columns != self.model.columns:
            return
        if self.random.random() < 0.5:
            self.log.append(f"PyIceberg goes to {snapshot}")
            self.theirs().manage_snapshots().set_current_snapshot(snapshot).commit()
        else:
            self.log.append(f"Weir goes to {snapshot}")
            self.ours().update({"action": "set_current_snapshot", "snapshot_id": snapshot})
        self.model.rows = dict(rows)

    # All of it.

    def step(self) -> None:
        before = self.theirs().current_snapshot()
        change = self.random.choices(
            [
                (self.append, True),
                (self.delete, True),
                (self.overwrite, True),
                (self.upsert, True),
                (self.overwrite_partitions, True),
                (self.add_column, False),
                (self.rename_column, False),
                (self.drop_column, False),
                (self.widen_column, False),
                (self.change_partitions, False),
                (self.tag, False),
                (self.set_property, False),
                (self.rename_table, False),
                (self.register, False),
                (self.roll_back, False),
            ],
            [6, 4, 2, 3, 2, 1, 1, 1, 1, 1, 1, 0.5, 0.5, 0.5, 1],
        )[0]
        make, writes = change
        make()
        after = self.theirs().current_snapshot()
        if writes and after is not None and after != before:
            self.model.remember(after.snapshot_id)

    def check_now(self) -> None:
        """The newest rows, as all three read them."""
        expected = Model.named(self.model.columns, self.model.rows)
        for reader, table in self.newest().items():
            assert by_key(table) == expected, reader

    def newest(self) -> dict[str, pa.Table]:
        return {
            "PyIceberg": self.theirs().scan().to_arrow(),
            "Weir": self.remote.table(self.name).scan().to_arrow(),
            "Weir, local": self.local.table(self.name).scan().to_arrow(),
        }

    def check_all(self) -> None:
        theirs, remote = self.theirs(), self.remote.table(self.name)
        local = self.local.table(self.name)
        for snapshot in self.model.snapshots:
            expected = self.model.expected(snapshot)
            where = f"at snapshot {snapshot}"
            assert by_key(theirs.scan(snapshot_id=snapshot).to_arrow()) == expected, where
            assert by_key(remote.scan(at=snapshot).to_arrow()) == expected, where
            assert by_key(local.scan(at=snapshot).to_arrow()) == expected, where
        for name, snapshot in self.model.references.items():
            expected = self.model.expected(snapshot)
            assert by_key(theirs.scan().use_ref(name).to_arrow()) == expected, name
            assert by_key(remote.scan(at=name).to_arrow()) == expected, name

    def check_branch(self) -> None:
        """Both write on a branch, which the main one does not see."""
        snapshot = self.theirs().current_snapshot().snapshot_id
        if self.version == 2:
            self.theirs().manage_snapshots().create_branch(snapshot, "side").commit()
        else:
            self.ours().update({"action": "create_branch", "name": "side"})
        more = self.model.fresh(3) | self.model.fresh(3)
        parts = [dict(list(more.items())[:3]), dict(list(more.items())[3:])]
        if self.version == 2:
            self.theirs().append(self.model.arrow(parts[0]), branch="side")
        else:
            self.ours().append(self.model.arrow(parts[0]), branch="side")
        self.ours().append(self.model.arrow(parts[1]), branch="side")
        expected = Model.named(self.model.columns, self.model.rows | more)
        assert by_key(self.theirs().scan().use_ref("side").to_arrow()) == expected
        assert by_key(self.ours().scan(at="side").to_arrow()) == expected
        self.check_now()

    def check_filters(self) -> None:
        """Filters and projections, of PyIceberg and of Weir."""
        theirs, ours = self.theirs(), self.ours()
        for _ in range(8):
            text, holds = self.model.condition()
            wanted = sorted(row["k"] for row in self.model.rows.values() if holds(row))
            found = theirs.scan(text, selected_fields=("k",)).to_arrow()
            assert sorted(found["k"].to_pylist()) == wanted, text
            found = ours.scan(["k"], where=text).to_arrow()
            assert sorted(found["k"].to_pylist()) == wanted, text


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with RestServer(tmp_path_factory.mktemp("warehouse")) as server:
        RestCatalog("weir", uri=server.uri).create_namespace("n")
        yield server


@pytest.mark.parametrize(("version", "seed"), version_cases())
def test_every_snapshot_of_a_history(server, version, seed):
    history = History(server, version, seed)
    try:
        history.create()
        for _ in range(STEPS):
            history.step()
            history.check_now()
        history.check_filters()
        history.check_branch()
        history.check_all()
        assert history.model.snapshots
    except Exception as error:
        raise AssertionError("\n".join([*history.log, str(error)])) from error
