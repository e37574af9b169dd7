# SPDX-License-Identifier: Apache-2.0
"""One class for each library that benchmarks/tables.py compares: the same few operations on a table
`n.t` below a folder. Each is made in a process of its own, with the interpreter that has it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

#: The day whose rows are asked for; see `many_files.py` for what the files say.
DAY_TEXT = "2026-03-14"


class Weir:
    """Through `weir.connect`, on a SQLite catalog."""

    def __init__(self, folder: str) -> None:
        import weir

        self.address, self.warehouse = f"sqlite:{folder}/catalog.db", f"{folder}/warehouse"
        self.catalog = weir.connect(self.address, warehouse=self.warehouse)

    def create(self, schema: Any, *, version: int = 3) -> None:
        self.catalog.create_namespace("n", exist_ok=True)
        self.table = self.catalog.create_table("n.t", schema, format_version=version)

    def open(self) -> None:
        self.table = self.catalog.table("n.t")

    def append(self, rows: Any) -> None:
        self.table.append(rows)

    def delete(self, column: str, below: float) -> None:
        self.table.delete(f"{column} < {below}")

    def scan(self) -> int:
        return int(self.table.refresh().scan().to_arrow().num_rows)

    def count(self) -> int:
        return int(self.table.refresh().scan(columns=["id"]).count())

    def plan(self, kind: str) -> int:
        where = (
            f"ts >= timestamp '{DAY_TEXT} 00:00:00' AND ts < timestamp '2026-03-15 00:00:00'"
            if kind == "partition"
            else "id = 500500"
        )
        return len(self.table.plan(where, files=True)["paths"])


class Iceberg:
    """PyIceberg's own SQL catalog on SQLite."""

    def __init__(self, folder: str) -> None:
        from pyiceberg.catalog.sql import SqlCatalog
        from pyiceberg.manifest import clear_manifest_cache

        clear_manifest_cache()
        self.catalog = SqlCatalog(
            "c", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"file://{folder}/warehouse"
        )

    def create(self, schema: Any, *, version: int = 2) -> None:
        self.catalog.create_namespace("n")
        self.table = self.catalog.create_table(
            "n.t", schema=schema, properties={"format-version": str(min(version, 2))}
        )

    def open(self) -> None:
        self.table = self.catalog.load_table("n.t")

    def append(self, rows: Any) -> None:
        from pyiceberg.exceptions import CommitFailedException

        while True:
            try:
                self.table.append(rows)
                return
            except CommitFailedException:
                self.table.refresh()

    def delete(self, column: str, below: float) -> None:
        self.table.delete(f"{column} < {below}")

    def scan(self) -> int:
        return int(self.table.refresh().scan().to_arrow().num_rows)

    def count(self) -> int:
        return int(self.table.refresh().scan().count())

    def plan(self, kind: str) -> int:
        where = (
            f"ts >= '{DAY_TEXT}T00:00:00' and ts < '2026-03-15T00:00:00'"
            if kind == "partition"
            else "id == 500500"
        )
        return len([task.file.file_path for task in self.table.scan(row_filter=where).plan_files()])


class Delta:
    """delta-rs: a folder is the table, there is no catalog."""

    def __init__(self, folder: str) -> None:
        self.path = f"{folder}/t"

    def create(self, schema: Any, *, version: int = 2) -> None:
        from deltalake import DeltaTable

        DeltaTable.create(self.path, schema)

    def open(self) -> None:
        from deltalake import DeltaTable

        self.table = DeltaTable(self.path)

    def append(self, rows: Any) -> None:
        from deltalake import write_deltalake
        from deltalake.exceptions import CommitFailedError

        while True:
            try:
                write_deltalake(self.path, rows, mode="append")
                return
            except CommitFailedError:
                continue

    def delete(self, column: str, below: float) -> None:
        from deltalake import DeltaTable

        DeltaTable(self.path).delete(f"{column} < {below}")

    def scan(self) -> int:
        from deltalake import DeltaTable

        return int(DeltaTable(self.path).to_pyarrow_table().num_rows)

    def count(self) -> int:
        from deltalake import DeltaTable

        return int(DeltaTable(self.path).count())

    def plan(self, kind: str) -> int:
        where = f"day = '{DAY_TEXT}'" if kind == "partition" else "id = 500500"
        return len(self.table.file_uris(file_pruning_predicate=where))


class Paimon:
    """pypaimon's append tables, on its catalog of folders."""

    def __init__(self, folder: str) -> None:
        from pypaimon import CatalogFactory

        self.catalog = CatalogFactory.create({"warehouse": f"{folder}/warehouse"})

    def create(self, schema: Any, *, version: int = 2) -> None:
        from pypaimon import Schema

        self.catalog.create_database("n", True)
        self.catalog.create_table("n.t", Schema.from_pyarrow_schema(schema), False)
        self.open()

    def open(self) -> None:
        self.table = self.catalog.get_table("n.t")

    def append(self, rows: Any) -> None:
        builder = self.table.new_batch_write_builder()
        write, commit = builder.new_write(), builder.new_commit()
        write.write_arrow(rows)
        commit.commit(write.prepare_commit())
        write.close()
        commit.close()

    def delete(self, column: str, below: float) -> None:
        raise NotImplementedError("pypaimon deletes no rows of append tables")

    def scan(self) -> int:
        builder = self.catalog.get_table("n.t").new_read_builder()
        plan = builder.new_scan().plan()
        return int(builder.new_read().to_arrow(plan.splits()).num_rows)

    def count(self) -> int:
        return self.scan()

    def plan(self, kind: str) -> int:
        builder = self.table.new_read_builder()
        predicate = builder.new_predicate_builder().equal("id", 500500)
        plan = builder.with_filter(predicate).new_scan().plan()
        return sum(len(split.files) for split in plan.splits())


PEERS = {"weir": Weir, "pyiceberg": Iceberg, "delta-rs": Delta, "pypaimon": Paimon}


def interpreter(peer: str) -> str | None:
    """The interpreter that has the library; `None` when it is not installed."""
    home = Path(os.environ.get("PEERS_HOME", Path(__file__).resolve().parent.parent / ".peers"))
    folder = "venv_paimon" if peer == "pypaimon" else "venv"
    path = home / folder / "bin" / "python"
    return str(path) if path.exists() else None
