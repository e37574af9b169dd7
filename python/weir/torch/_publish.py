# SPDX-License-Identifier: Apache-2.0
"""Models into their streams: first the vectors, last the registry's row (docs/models.md).

Who sees a version finds all of it. A crash in between leaves vectors of a version that there is
none of; the next publication takes a greater number, and serving never reads them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import torch

from .._library import version as weir_version
from ._export import graphs
from ._model import Model

if TYPE_CHECKING:
    from .._stream import Stream

#: Vectors of one request.
_ROWS = 20_000
ITEM, ITEM_VECTOR = "item", "item_vector"


class Publisher:
    """Writes versions of one model. One at a time may do so."""

    def __init__(self, registry: Stream, embeddings: Stream) -> None:
        self._registry = registry
        self._embeddings = embeddings
        self._last: int | None = None
        #: The version from which vectors count, and the one whose graphs are in use.
        self.embeddings_from = 0
        self.graph_version = 0

    def adopt(self, embeddings_from: int, graph_version: int) -> None:
        """Goes on from a model that was published before."""
        self.embeddings_from, self.graph_version = embeddings_from, graph_version

    def next_version(self) -> int:
        """A number that no version has had, not even one that was broken off."""
        if self._last is None:
            seen = [0]
            for stream in (self._registry, self._embeddings):
                for batch in stream.scan(["version"]):
                    seen += batch.column("version").to_pylist()
            self._last = max(seen)
        return self._last + 1

    def publish_all(
        self, model: Model, lineage: dict[str, Any], metrics: dict[str, Any], texts: Texts
    ) -> int:
        """A version that stands for itself: all vectors and both graphs."""
        model.check()
        retriever, ranker = graphs(model)
        version = self.next_version()
        self.embeddings_from = self.graph_version = version
        rows = np.arange(1, len(model.vocabulary))
        self._vectors(model, rows, rows, version, texts)
        self._row(model, version, lineage, metrics, retriever, ranker)
        return version

    def publish_changes(
        self,
        model: Model,
        changed: np.ndarray,
        moved: np.ndarray,
        lineage: dict[str, Any],
        metrics: dict[str, Any],
        texts: Texts,
        *,
        with_graphs: bool = False,
    ) -> int:
        """A version on top of the one before it.

        :param changed: rows whose embedding changed.
        :param moved: rows whose vector for retrieval changed.
        :param with_graphs: writes the graphs again, for their parameters changed.
        """
        model.check()
        retriever, ranker = graphs(model) if with_graphs else (None, None)
        version = self.next_version()
        if with_graphs:
            self.graph_version = version
        self._vectors(model, changed, moved, version, texts)
        self._row(model, version, lineage, metrics, retriever, ranker)
        return version

    def _vectors(
        self, model: Model, items: np.ndarray, moved: np.ndarray, version: int, texts: Texts
    ) -> None:
        for rows in _parts(items):
            values = model.embedding.weight.detach()[torch.from_numpy(rows)].numpy()
            self._append(ITEM, texts.of(model.vocabulary.ids[rows - 1]), values, version)
        # What nobody has seen an example of is not retrieved.
        moved = moved[model.item_times[moved] > np.iinfo(np.int64).min]
        for rows in _parts(moved):
            values = model.item_vectors(rows).numpy()
            self._append(ITEM_VECTOR, texts.of(model.vocabulary.ids[rows - 1]), values, version)

    def _append(self, role: str, names: list[str | None], values: np.ndarray, version: int) -> None:
        known = np.array([name is not None for name in names], bool)
        values = np.ascontiguousarray(values[known], np.float32)
        if not len(values):
            return
        offsets = np.arange(len(values) + 1, dtype=np.int32) * values.shape[1]
        table = pa.table(
            {
                "role": pa.array([role] * len(values)),
                "id": pa.array([name for name in names if name is not None]),
                "version": pa.array(np.full(len(values), version)),
                "vector": pa.ListArray.from_arrays(pa.array(offsets), pa.array(values.ravel())),
            }
        )
        self._embeddings.append(table, refuse_bad=True)

    def _row(
        self,
        model: Model,
        version: int,
        lineage: dict[str, Any],
        metrics: dict[str, Any],
        retriever: bytes | None,
        ranker: bytes | None,
    ) -> None:
        metadata = {**model.definition.metadata(), "embeddings_from": self.embeddings_from}
        row = {
            "version": pa.array([version], pa.int64()),
            "created_at": pa.array([datetime.now(timezone.utc)], pa.timestamp("us", "UTC")),
            "retriever_graph": pa.array([retriever], pa.binary()),
            "ranker_graph": pa.array([ranker], pa.binary()),
            "graph_version": pa.array([self.graph_version], pa.int64()),
            "metadata": pa.array([json.dumps(metadata)]),
            "lineage": pa.array([json.dumps(lineage)]),
            "metrics": pa.array([json.dumps(metrics)]),
        }
        self._registry.append(pa.table(row), refuse_bad=True)
        self._last = version


class Texts:
    """Ids as the text that embeddings are found by: whole numbers in decimal form, or as is."""

    def __init__(self, names: dict[int, str] | None = None) -> None:
        #: Of ids that are hashes of text; ``None`` where ids are numbers.
        self._names = names

    def of(self, ids: np.ndarray) -> list[str | None]:
        if self._names is None:
            return [str(value) for value in ids.tolist()]
        return [self._names.get(value) for value in ids.tolist()]


def lineage(
    model: Model, snapshot: int | None, offsets: dict[Any, int] | None, seed: int, kind: str
) -> dict[str, Any]:
    """What a version was made of."""
    return {
        "trainer": kind,
        "examples": model.definition.examples,
        "snapshot": snapshot,
        "offsets": None if offsets is None else {str(s): o for s, o in sorted(offsets.items())},
        "seed": seed,
        "code": code_hash(),
        "weir": weir_version(),
        "torch": torch.__version__,
    }


def code_hash() -> str:
    """SHA-256 of the modules that train."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def _parts(rows: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(rows), _ROWS):
        yield rows[start : start + _ROWS]
