# SPDX-License-Identifier: Apache-2.0
"""Who met which item when: the input of every evaluation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .._errors import InvalidArgumentError, InvalidDataError

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Interactions:
    """Events in order of time. Users and items are numbered from 0.

    :param users: number of each event's user, shape (events,).
    :param items: number of each event's item, shape (events,).
    :param times: seconds since 1970, not decreasing, shape (events,).
    :param user_ids: the user of each number; ``item_ids`` likewise.
    """

    users: Integers
    items: Integers
    times: Floats
    user_ids: npt.NDArray[Any]
    item_ids: npt.NDArray[Any]

    def __len__(self) -> int:
        return len(self.users)

    @property
    def user_count(self) -> int:
        return len(self.user_ids)

    @property
    def item_count(self) -> int:
        return len(self.item_ids)

    def take(self, rows: npt.NDArray[Any]) -> Interactions:
        """Those events only; the numbers of users and items stay."""
        return Interactions(
            self.users[rows], self.items[rows], self.times[rows], self.user_ids, self.item_ids
        )

    @classmethod
    def of(cls, users: object, items: object, times: object = None) -> Interactions:
        """Of one value for each event, in any order; events without times keep theirs."""
        user_ids, user_numbers = np.unique(np.asarray(users), return_inverse=True)
        item_ids, item_numbers = np.unique(np.asarray(items), return_inverse=True)
        count = len(user_numbers)
        if len(item_numbers) != count:
            raise InvalidArgumentError(f"{count} users and {len(item_numbers)} items")
        seconds = np.arange(count, dtype=np.float64) if times is None else _seconds(times)
        order = np.argsort(seconds, kind="stable")
        return cls(
            user_numbers[order].astype(np.int64),
            item_numbers[order].astype(np.int64),
            seconds[order],
            user_ids,
            item_ids,
        )


def _seconds(times: object) -> Floats:
    array = np.asarray(times)
    if np.issubdtype(array.dtype, np.datetime64):
        return array.astype("datetime64[us]").astype(np.int64) / 1e6
    return array.astype(np.float64)


def read(
    source: object,
    *,
    user: str,
    item: str,
    time: str | None = None,
    where: Mapping[str, Iterable[object]] | None = None,
) -> Interactions:
    """Events of a table: a path to CSV (also ``.gz``) or Parquet, or Arrow data.

    :param user: the column of users; ``item`` and ``time`` likewise.
    :param where: values that a column must have one of, such as ``{"event": ["buy"]}``.
    :raises InvalidDataError: a column is missing, or has nulls only.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    table = _table(source)
    wanted = [user, item] + ([time] if time else []) + list(where or {})
    for name in wanted:
        if name not in table.column_names:
            raise InvalidDataError(
                f"there is no column {name!r}; there are: {', '.join(table.column_names)}"
            )
    for name, values in (where or {}).items():
        column = table.column(name)
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        table = table.filter(pc.is_in(column, pa.array(list(values), column.type)))
    table = table.select(dict.fromkeys(wanted)).drop_null()
    if len(table) == 0:
        raise InvalidDataError("no event has a user, an item and a time")
    times: object = None
    if time:
        column = table.column(time)
        if pa.types.is_string(column.type):
            column = column.cast(pa.timestamp("us"))
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.timestamp("us", column.type.tz)).cast(pa.int64())
            times = column.to_numpy() / 1e6
        else:
            times = column.to_numpy()
    return Interactions.of(_values(table.column(user)), _values(table.column(item)), times)


def _values(column: Any) -> npt.NDArray[Any]:
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    values = column.to_numpy(zero_copy_only=False)
    return values.astype(str) if values.dtype == object else values  # type: ignore[no-any-return]


def _table(source: object) -> Any:
    import pyarrow as pa

    if not isinstance(source, (str, Path)):
        return source if isinstance(source, pa.Table) else pa.table(source)
    path = Path(source)
    if not path.exists():
        raise InvalidArgumentError(f"there is no file {path}")
    try:
        if path.suffix == ".parquet":
            import pyarrow.parquet as pq

            return pq.read_table(path)
        import pyarrow.csv

        return pyarrow.csv.read_csv(path)
    except pa.ArrowInvalid as error:
        raise InvalidDataError(f"{path} is neither Parquet nor CSV: {error}") from error


def read_lists(path: str | Path) -> tuple[list[int], list[list[int]]]:
    """Lines of whole numbers: a user, then its items in their order.

    The layout of the splits that S3-Rec and LightGCN were published with.
    """
    users: list[int] = []
    lists: list[list[int]] = []
    with open(path, encoding="ascii") as file:
        for number, line in enumerate(file, 1):
            try:
                values = [int(text) for text in line.split()]
            except ValueError as error:
                raise InvalidDataError(f"{path}, line {number}: {error}") from error
            if values:
                users.append(values[0])
                lists.append(values[1:])
    return users, lists
