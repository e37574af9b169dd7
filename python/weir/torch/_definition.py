# SPDX-License-Identifier: Apache-2.0
"""What a model is made of: the `models:` entry of weir.yaml and the columns of its examples."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from .._errors import InvalidArgumentError, NotFoundError, UnsupportedError
from ._features import Dense, Features, Id, Sequence

#: Columns of examples that are no features, where the table has them.
_OWN = ("request_id", "surface", "at", "position", "sampling_rate", "propensity", "is_correction")


@dataclass
class Definition:
    """One model: what it reads and how large it is."""

    name: str
    examples: str
    user: str
    item: str
    user_dense: list[str]
    item_dense: list[str]
    history: str
    tasks: list[str]
    #: A positive of the retriever is an example with one of these labels.
    positives: list[str]
    embedding: int = 16
    dimension: int = 32
    history_length: int = 48
    #: Columns of the examples that the trainer reads besides features.
    columns: list[str] = field(default_factory=list)

    @property
    def embeddings(self) -> str:
        """The stream of the model's embeddings."""
        return f"{self.name}_embeddings"

    def features(self) -> Features:
        """The tensors of a training batch."""
        result: dict[str, Any] = {
            "user": Id(self.user),
            "item": Id(self.item),
            "history": Sequence(self.history, self.history_length),
            "labels": Dense(*self.tasks, bad="refuse"),
            "positive": Dense(*self.positives, bad="refuse"),
        }
        if self.user_dense:
            result["user_dense"] = Dense(*self.user_dense)
        if self.item_dense:
            result["item_dense"] = Dense(*self.item_dense)
        if "sampling_rate" in self.columns:
            result["rate"] = Dense("sampling_rate")
        for name, column in (
            ("at", "at"),
            ("request", "request_id"),
            ("correction", "is_correction"),
            ("source", "source"),
        ):
            if column in self.columns:
                result[name] = Id(column)
        return result

    def metadata(self) -> dict[str, Any]:
        """What the service needs to know of the graphs' inputs and outputs."""
        return {
            "format": 1,
            "user_dense": self.user_dense,
            "item_dense": self.item_dense,
            "embedding": self.embedding,
            "history": self.history,
            "history_length": self.history_length,
            "vector": self.dimension,
            "tasks": self.tasks,
        }

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def read_project(path: Path) -> dict[str, Any]:
    """`weir.yaml` of a folder, or the file itself."""
    try:
        import yaml
    except ImportError as error:
        raise UnsupportedError("reading weir.yaml needs PyYAML: pip install pyyaml") from error
    file = path / "weir.yaml" if path.is_dir() else path
    try:
        with file.open() as stream:
            project = yaml.safe_load(stream)
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no {file}; name the project's folder", path=str(file)) from (
            error
        )
    except yaml.YAMLError as error:
        raise InvalidArgumentError(f"{file}: {error}; 'weir check' says more") from error
    if not isinstance(project, dict):
        raise InvalidArgumentError(f"{file} is no project; see docs/project.md")
    return project


def definition(project: dict[str, Any], name: str | None, schema_of: Any) -> Definition:
    """The model `name`, or the project's only one.

    :param schema_of: gives the Arrow schema of a table by its name.
    """
    models = project.get("models") or {}
    if name is None:
        if len(models) != 1:
            raise InvalidArgumentError(
                f"the project has {len(models)} models"
                + (": " + ", ".join(models) if models else " (models: in weir.yaml)")
                + "; name one"
            )
        name = next(iter(models))
    if name not in models:
        there = ", ".join(models) or "none"
        raise NotFoundError(f"weir.yaml has no model {name!r}; there are: {there}")
    model = models[name] or {}
    place = f"models: {name}"
    examples = _need(model, "examples", place)
    schema = schema_of(examples)
    example = (project.get("examples") or {}).get(examples) or {}
    view_name = example.get("features")
    view = (project.get("feature_views") or {}).get(view_name) or {}
    user, item, users, items = _sides(view, schema, place)
    retriever = model.get("retriever") or {}
    ranker = model.get("ranker") or {}
    tasks = _texts(ranker.get("labels") or list(example.get("labels") or {}))
    positives = _texts(retriever.get("label") or tasks[:1])
    for label in [*tasks, *positives]:
        if label not in schema.names or not pa.types.is_boolean(schema.field(label).type):
            raise InvalidArgumentError(
                f"{place}: {examples} has no label {label!r}; its boolean columns are: "
                + ", ".join(f.name for f in schema if pa.types.is_boolean(f.type))
            )
    if not tasks:
        raise InvalidArgumentError(f"{place}: ranker has no labels")
    history = _need(model, "history", place)
    if history not in schema.names or not pa.types.is_list(schema.field(history).type):
        raise InvalidArgumentError(
            f"{place}: {examples} has no list column {history!r} for the history; there are: "
            + ", ".join(f.name for f in schema if pa.types.is_list(f.type))
        )
    return Definition(
        name=name,
        examples=examples,
        user=user,
        item=item,
        user_dense=users,
        item_dense=items,
        history=history,
        tasks=tasks,
        positives=positives,
        embedding=_size(model, "embedding", 16, place),
        dimension=_size(retriever, "dimension", 32, f"{place}: retriever"),
        history_length=_size(model, "history_length", 48, place),
        columns=list(schema.names),
    )


def _sides(
    view: dict[str, Any], schema: pa.Schema, place: str
) -> tuple[str, str, list[str], list[str]]:
    """Keys of user and item, and the numeric features of each."""
    sides: dict[str, str] = {}
    keys: dict[str, str] = {}
    for name, entry in view.items():
        side = entry.get("side") or (name if name in ("user", "item") else None)
        if side:
            sides[name] = side
            keys.setdefault(side, entry["key"])
    for name, entry in view.items():
        for side, key in keys.items():
            if name not in sides and entry["key"] == key:
                sides[name] = side
    for side in ("user", "item"):
        if keys.get(side) not in schema.names:
            raise InvalidArgumentError(
                f"{place}: the examples' feature view has no entry of the side {side!r} whose key "
                "is a column of the examples"
            )
    found: dict[str, list[str]] = {"user": [], "item": []}
    for column in schema:
        if column.name in (*_OWN, *keys.values()) or not _is_number(column.type):
            continue
        entries = [name for name in sides if column.name.startswith(name + "_")]
        if entries:
            found[sides[max(entries, key=len)]].append(column.name)
    return keys["user"], keys["item"], found["user"], found["item"]


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)


def _need(mapping: dict[str, Any], name: str, place: str) -> str:
    value = mapping.get(name)
    if not isinstance(value, str):
        raise InvalidArgumentError(f"{place}: {name!r} is missing; see docs/training.md")
    return value


def _texts(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _size(mapping: dict[str, Any], name: str, default: int, place: str) -> int:
    value = mapping.get(name, default)
    if not isinstance(value, int) or not 2 <= value <= 4096:
        raise InvalidArgumentError(f"{place}: {name} is {value!r}; it must be 2 to 4096")
    return value
