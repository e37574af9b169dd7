# SPDX-License-Identifier: Apache-2.0
"""A snapshot's rows as files that all workers map.

A folder holds `meta.json` and an array for each part. It is written beside its place and renamed,
so that there is a whole one or none, whoever else makes it at the same time.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from .._errors import InvalidDataError
from ._features import plain
from ._store import BadValueError, Layout, Lists, Rows, encode

if TYPE_CHECKING:
    from .._catalog import CatalogTable

_VERSION = 1
_IDENTITY = ("_shard", "_offset")


class Cache:
    """The rows of one snapshot, mapped. Pickles as its path."""

    def __init__(self, path: Path, layout: Layout) -> None:
        self.path = path
        self.layout = layout
        meta = json.loads((path / "meta.json").read_text())
        self.count: int = meta["rows"]
        self._order = self._map(meta, "order")
        self.rows = Rows(
            self.count,
            {name: self._map(meta, f"m{i}") for i, name in enumerate(layout.matrices)},
            self._lists(meta, "int", len(layout.int_lists)),
            self._lists(meta, "float", len(layout.float_lists)),
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return (Cache, (self.path, self.layout))

    def _map(self, meta: dict[str, Any], name: str) -> np.ndarray:
        if name not in meta["arrays"]:
            return np.empty(0, np.int64)
        kind, shape = meta["arrays"][name]
        if 0 in shape:
            return np.empty(shape, kind)
        return np.memmap(self.path / f"{name}.bin", kind, "r", shape=tuple(shape))

    def _lists(self, meta: dict[str, Any], name: str, width: int) -> Lists | None:
        if not width:
            return None
        return Lists(width, self._map(meta, f"{name}.offsets"), self._map(meta, f"{name}.values"))

    def places(self, rows: np.ndarray) -> np.ndarray:
        """Where the rows of the canonical order lie."""
        return self._order[rows] if len(self._order) else rows


def open_cache(
    table: CatalogTable,
    snapshot: int | None,
    layout: Layout,
    where: str | None,
    folder: str | None,
) -> tuple[Cache, Any]:
    """The snapshot's rows; read from the table unless the folder holds them.

    :returns: the cache, and what keeps a temporary folder alive: it goes with it.
    """
    uuid = table.metadata.get("table-uuid", table.location)
    about = repr((_VERSION, uuid, snapshot, where, list(layout.features.items())))
    if folder is None:
        path = Path(tempfile.mkdtemp(prefix="weir-loader-"))
        owner = _Temporary(path)
        _build(path, table, snapshot, layout, where)
        return Cache(path, layout), owner
    path = Path(folder) / hashlib.sha256(about.encode()).hexdigest()[:24]
    if not (path / "meta.json").exists():
        Path(folder).mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".building-", dir=folder))
        try:
            _build(work, table, snapshot, layout, where)
            try:
                work.rename(path)
            except OSError:
                if not (path / "meta.json").exists():  # nobody else was faster
                    raise
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return Cache(path, layout), None


class _Temporary:
    """A folder that goes with this object, in the process that made it."""

    def __init__(self, path: Path) -> None:
        self._end = weakref.finalize(self, _remove, path, os.getpid())

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(None), ())


def _remove(path: Path, process: int) -> None:
    if os.getpid() == process:
        shutil.rmtree(path, ignore_errors=True)


def _build(
    path: Path, table: CatalogTable, snapshot: int | None, layout: Layout, where: str | None
) -> None:
    names = table.schema.names
    identity = [name for name in _IDENTITY if name in names]
    identity = identity if len(identity) == len(_IDENTITY) else []
    columns = list(dict.fromkeys(c for f in layout.features.values() for c in f.columns))
    writer = _Writer(path, layout)
    if snapshot is not None:
        scan = table.scan([*columns, *identity], where=where, at=snapshot)
        for batch in scan.to_batches():
            try:
                writer.write(encode(layout, batch))
            except BadValueError as error:
                raise refused(error, table.identifier, batch) from None
            if identity:
                writer.identify(*(ids_of(batch, name) for name in _IDENTITY))
    writer.close(snapshot)


def ids_of(batch: pa.RecordBatch, name: str) -> np.ndarray:
    column = batch.column(batch.schema.get_field_index(name))
    return plain(column, -1).astype(np.int64)


def refused(error: BadValueError, table: str, batch: pa.RecordBatch) -> InvalidDataError:
    """The error for people: which row of which table, and what to do."""
    place = ""
    if all(name in batch.schema.names for name in _IDENTITY):
        shard, offset = (ids_of(batch, name)[error.row] for name in _IDENTITY)
        place = f" in the row of shard {shard}, offset {offset}"
    return InvalidDataError(
        f"{table}: column {error.column!r} is {error.what}{place}, which the feature refuses; "
        "mend or delete the row, leave it out with where=, or take Dense(…, bad='missing')",
        column=error.column,
    )


class _Writer:
    def __init__(self, path: Path, layout: Layout) -> None:
        self._path = path
        self._layout = layout
        self._files: dict[str, Any] = {}
        self._kinds: dict[str, str] = {}
        self._shapes: dict[str, list[int]] = {}
        self._rows = 0
        self._ends = {"int": 0, "float": 0}
        self._identity: list[tuple[np.ndarray, np.ndarray]] = []
        for index, name in enumerate(layout.matrices):
            feature = layout.features[name]
            kind = "<f4" if type(feature).__name__ == "Dense" else "<i8"
            self._open(f"m{index}", kind, [0, len(feature.columns)])
        for name, kind, used in (
            ("int", "<i8", layout.int_lists),
            ("float", "<f4", layout.float_lists),
        ):
            if used:
                self._open(f"{name}.offsets", "<i8", [0])
                self._append(f"{name}.offsets", np.zeros(1, np.int64))
                self._open(f"{name}.values", kind, [0])

    def _open(self, name: str, kind: str, shape: list[int]) -> None:
        self._files[name] = (self._path / f"{name}.bin").open("wb")
        self._kinds[name] = kind
        self._shapes[name] = shape

    def _append(self, name: str, values: np.ndarray) -> None:
        np.ascontiguousarray(values, self._kinds[name]).tofile(self._files[name])
        self._shapes[name][0] += len(values)

    def write(self, rows: Rows) -> None:
        for index, name in enumerate(self._layout.matrices):
            self._append(f"m{index}", rows.matrices[name])
        for name, part in (("int", rows.int_lists), ("float", rows.float_lists)):
            if part is not None:
                self._append(f"{name}.offsets", part.offsets[1:] + self._ends[name])
                self._append(f"{name}.values", part.values)
                self._ends[name] += len(part.values)
        self._rows += rows.count

    def identify(self, shards: np.ndarray, offsets: np.ndarray) -> None:
        self._identity.append((shards, offsets))

    def close(self, snapshot: int | None) -> None:
        if self._identity:
            shards, offsets = (np.concatenate(part) for part in zip(*self._identity))
            self._open("order", "<i8", [0])
            self._append("order", np.lexsort((offsets, shards)))
        for file in self._files.values():
            file.close()
        arrays = {name: [kind, self._shapes[name]] for name, kind in self._kinds.items()}
        text = json.dumps({"rows": self._rows, "snapshot": snapshot, "arrays": arrays})
        temporary = self._path / "meta.json.new"
        temporary.write_text(text)
        temporary.rename(self._path / "meta.json")
