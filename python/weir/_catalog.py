# SPDX-License-Identifier: Apache-2.0
"""Catalogs and their tables.

Length: one class a thing, thin, and mostly documentation.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from ctypes import byref
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Union

from . import _capsule
from ._errors import AlreadyExistsError, InvalidArgumentError
from ._library import (
    Handle,
    call,
    encode,
    library,
    option_array,
    string_array,
    take_json,
)
from ._reading import Batch, batches_of
from ._stream import Stream

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

#: A snapshot's id, a time, or the name of a branch or tag.
At = Union[int, str, date, datetime, None]
Properties = Mapping[str, object]


def connect(address: str | os.PathLike[str], **properties: object) -> Catalog:
    """Opens a catalog.

    >>> catalog = weir.connect("lake")
    >>> catalog.create_table("shop.orders", schema, partition=["day(ts)"])

    :param address: a folder (made when it is not there), ``sqlite:FILE``, ``postgresql://…``,
        ``http(s)://…`` of an Iceberg REST catalog, or ``memory:``.
    :param properties: such as ``warehouse``, ``token``, ``credential``; names with dots or dashes
        (``s3.endpoint``) go in as ``**{"s3.endpoint": "…"}``. See ``docs/python.md``.
    """
    return Catalog(os.fspath(address), properties)


class Catalog:
    """Namespaces and tables by name. Several threads may use it.

    Tables are named ``"namespace.name"``.
    """

    def __init__(self, address: str, properties: Properties) -> None:
        self._handle = Handle(library.weir_connection_close)
        options, count = option_array([(key, _text(v), None) for key, v in properties.items()])
        call(
            library.weir_connection_open,
            encode(address),
            options,
            count,
            byref(self._handle.value),
        )
        self._token = _text(properties["token"]) if "token" in properties else None
        about = self._ask("describe")
        self.address: str = about["address"]
        self.warehouse: str | None = about["warehouse"]

    def _ask(self, operation: str, **arguments: object) -> Any:
        given = {key: value for key, value in arguments.items() if value is not None}
        return take_json(
            library.weir_connection_request,
            self._handle.value,
            operation.encode(),
            encode(json.dumps(given)),
        )

    def namespaces(self, parent: str | None = None) -> list[str]:
        """The namespaces directly in ``parent``, or the outermost ones."""
        return list(self._ask("list_namespaces", parent=parent))

    def create_namespace(
        self, namespace: str, properties: Mapping[str, str] | None = None, *, exist_ok: bool = False
    ) -> None:
        try:
            self._ask("create_namespace", namespace=namespace, properties=dict(properties or {}))
        except AlreadyExistsError:
            if not exist_ok:
                raise

    def drop_namespace(self, namespace: str) -> None:
        """Removes an empty namespace."""
        self._ask("drop_namespace", namespace=namespace)

    def namespace_properties(self, namespace: str) -> dict[str, str]:
        return dict(self._ask("namespace_properties", namespace=namespace))

    def update_namespace(
        self,
        namespace: str,
        updates: Mapping[str, str] | None = None,
        removals: Sequence[str] = (),
    ) -> None:
        self._ask(
            "update_namespace",
            namespace=namespace,
            updates=dict(updates or {}),
            removals=list(removals),
        )

    def tables(self, namespace: str) -> list[str]:
        """The names of the tables in a namespace, each with the namespace."""
        return list(self._ask("list_tables", namespace=namespace))

    def table(self, identifier: str) -> CatalogTable:
        """The table as it is now.

        :raises NotFoundError: there is no such table.
        """
        handle = Handle(library.weir_table_close)
        call(library.weir_table_open, self._handle.value, encode(identifier), byref(handle.value))
        return CatalogTable(handle)

    def table_exists(self, identifier: str) -> bool:
        return bool(self._ask("table_exists", table=identifier))

    def create_table(
        self,
        identifier: str,
        schema: object,
        *,
        partition: Sequence[str] = (),
        sort: Sequence[str] = (),
        location: str | None = None,
        format_version: int = 3,
        properties: Mapping[str, str] | None = None,
        exist_ok: bool = False,
    ) -> CatalogTable:
        """Makes a table.

        :param schema: anything with ``__arrow_c_schema__``, such as a pyarrow schema.
        :param partition: ``"country"``, ``"day(ts)"``, ``"bucket(16, user_id)"``,
            ``"truncate(4, name)"``.
        :param sort: ``"ts desc nulls last"``; rows are sorted within files.
        :param exist_ok: opens a table that is there already, whatever its columns.
        """
        export = getattr(schema, "__arrow_c_schema__", None)
        if export is None:
            raise TypeError(
                f"schema must have __arrow_c_schema__, which {type(schema).__name__} has not"
            )
        options: list[tuple[str, str, str | None]] = [
            ("format_version", str(format_version), None),
            ("exist_ok", "true" if exist_ok else "false", None),
            ("partition", json.dumps(_list(partition, "partition")), None),
            ("sort", json.dumps(_list(sort, "sort")), None),
        ]
        if location is not None:
            options.append(("location", location, None))
        for key, value in (properties or {}).items():
            options.append((f"property.{key}", value, None))
        array, count = option_array(options)
        handle = Handle(library.weir_table_close)
        capsule = export()
        call(
            library.weir_connection_create_table,
            self._handle.value,
            encode(identifier),
            _capsule.address(capsule, _capsule.SCHEMA),
            array,
            count,
            byref(handle.value),
        )
        return CatalogTable(handle)

    def drop_table(self, identifier: str, *, purge: bool = False) -> None:
        """Removes a table from the catalog; with ``purge`` its files, too."""
        self._ask("drop_table", table=identifier, purge=purge)

    def rename_table(self, identifier: str, to: str) -> None:
        self._ask("rename_table", table=identifier, to=to)

    def register_table(
        self, identifier: str, metadata_location: str, *, overwrite: bool = False
    ) -> CatalogTable:
        """Adds a table whose metadata file is there already."""
        self._ask(
            "register_table",
            table=identifier,
            metadata_location=metadata_location,
            overwrite=overwrite,
        )
        return self.table(identifier)

    def stream(
        self, identifier: str, *, url: str | None = None, producer: str | None = None
    ) -> Stream:
        """A stream of the service that serves this catalog (``weir up``).

        :param url: where the service is, when the catalog is not opened by its address.
        """
        if url is None:
            url = self.address
        if not url.startswith(("http://", "https://")):
            raise InvalidArgumentError(
                f"the catalog is at {url!r}, which serves no streams: connect to the address that "
                "'weir up' prints, or give url="
            )
        return Stream(url, identifier, token=self._token, producer=producer)

    def close(self) -> None:
        """Ends this object. Tables that it gave out go on working."""
        self._handle.close()

    def __enter__(self) -> Catalog:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<weir.Catalog {self.address!r}>"


class CatalogTable:
    """A table of a catalog, as it was when it was opened, changed or refreshed last.

    Changes are made on the table's newest state, whatever this object has seen.
    """

    def __init__(self, handle: Handle) -> None:
        self._handle = handle

    def _ask(self, operation: str, **arguments: object) -> Any:
        given = {key: value for key, value in arguments.items() if value is not None}
        return take_json(
            library.weir_table_request,
            self._handle.value,
            operation.encode(),
            encode(json.dumps(given)),
        )

    @property
    def identifier(self) -> str:
        return str(self._ask("describe")["identifier"])

    @property
    def location(self) -> str:
        return str(self._ask("describe")["location"])

    @property
    def metadata_location(self) -> str | None:
        location: str | None = self._ask("describe")["metadata_location"]
        return location

    @property
    def metadata(self) -> dict[str, Any]:
        """The table's Iceberg metadata."""
        return dict(self._ask("metadata"))

    @property
    def snapshot_id(self) -> int | None:
        """The current snapshot; ``None`` for a table without rows."""
        snapshot: int | None = self._ask("describe")["current_snapshot_id"]
        return snapshot

    @property
    def schema(self) -> _TableSchema:
        """The current columns; ``pyarrow.schema(table.schema)`` makes pyarrow's of it."""
        return _TableSchema(self)

    def refresh(self) -> CatalogTable:
        """Looks for changes of others."""
        self._ask("refresh")
        return self

    def scan(
        self,
        columns: Sequence[str] | None = None,
        where: str | None = None,
        at: At = None,
        *,
        after: At = None,
        limit: int | None = None,
        batch_rows: int | None = None,
        case_sensitive: bool = True,
    ) -> Scan:
        """Rows, to be read when somebody asks.

        :param columns: names, dotted paths within structs, metadata columns; all when ``None``.
        :param where: such as ``"country = 'de' AND ts >= timestamp '2026-01-01 00:00:00'"``; see
            ``docs/predicates.md``.
        :param at: a snapshot's id, a time (UTC when it has no zone), a branch or a tag.
        :param after: an older state: only rows that appends have added since. Other changes are
            passed over; see :meth:`changes`.
        :param limit: at most so many rows.
        """
        options = _scan_options(where, at, limit, batch_rows, case_sensitive)
        if after is not None:
            options.append(("from", _at(after), None))
        return Scan(self, _columns(columns), options)

    def changes(
        self,
        after: At = None,
        to: At = None,
        *,
        columns: Sequence[str] | None = None,
        where: str | None = None,
        net: bool = False,
        carried: bool = False,
        identifiers: Sequence[str] | bool = False,
        limit: int | None = None,
        batch_rows: int | None = None,
        case_sensitive: bool = True,
    ) -> Scan:
        """The rows that were inserted and deleted by the snapshots between two states.

        Each row has ``_change_type`` (``INSERT``, ``DELETE``, ``UPDATE_BEFORE``,
        ``UPDATE_AFTER``), ``_change_ordinal`` (the place of its snapshot, from 0) and
        ``_commit_snapshot_id``. Rows come snapshot by snapshot, for each first those that went.

        :param after: the state before the first change; the empty table when ``None``.
        :param to: the state behind the last change; the current one when ``None``.
        :param net: only the difference of the two states, not each step.
        :param carried: also rows that copy-on-write engines only carried into other files.
        :param identifiers: columns by which rows are the same, to tell updates; ``True`` for the
            table's identifier columns.
        """
        options = _scan_options(where, to, limit, batch_rows, case_sensitive)
        options.append(("changes", "true", None))
        options.append(("net", _text(bool(net)), None))
        options.append(("carried_rows", _text(bool(carried)), None))
        if after is not None:
            options.append(("from", _at(after), None))
        if identifiers is not False:
            names = [] if identifiers is True else _list(identifiers, "identifiers")
            if identifiers is not True and not names:
                raise InvalidArgumentError("identifiers needs at least one column")
            options.append(("identifiers", json.dumps(names), None))
        return Scan(self, _columns(columns), options)

    @property
    def inspect(self) -> Inspect:
        """Tables about the table: snapshots, files and so on."""
        return Inspect(self)

    def diff(self, after: At = None, to: At = None) -> dict[str, Any]:
        """What is different between two states: snapshots, columns, files, in numbers."""
        return dict(self._ask("diff", **{"from": _optional_at(after), "to": _optional_at(to)}))

    def analyze(self, columns: Sequence[str] | None = None) -> dict[str, Any] | None:
        """Counts the distinct values of columns, for query planners.

        :return: the counts; ``None`` for a table without rows.
        """
        answer = self._ask("analyze", columns=_columns(columns))
        return None if answer is None else dict(answer)

    def expire_snapshots(
        self,
        older_than: datetime | None = None,
        *,
        retain_last: int | None = None,
        snapshot_ids: Sequence[int] = (),
    ) -> dict[str, Any]:
        """Removes old snapshots and the files that only they led to.

        :param older_than: UTC when it has no zone; what the table's properties say when ``None``.
        :param retain_last: so many of each branch stay.
        :param snapshot_ids: these go, too, whatever their age.
        """
        return dict(
            self._ask(
                "expire_snapshots",
                older_than_ms=None if older_than is None else _milliseconds(older_than),
                retain_last=retain_last,
                snapshot_ids=list(snapshot_ids),
            )
        )

    def remove_orphans(
        self, *, min_age: timedelta = timedelta(days=3), dry_run: bool = False
    ) -> dict[str, Any]:
        """Removes files that nothing leads to, which killed writers left behind.

        :param min_age: younger files stay, for a commit may be under way.
        """
        return dict(
            self._ask(
                "remove_orphans",
                min_age_ms=round(min_age.total_seconds() * 1000),
                dry_run=dry_run,
            )
        )

    def compact(
        self,
        where: str | None = None,
        *,
        full: bool = False,
        sort: Sequence[str] | None = None,
        convert: bool = False,
        trigger: int | None = None,
        memory_bytes: int | None = None,
        files: Sequence[str] | None = None,
    ) -> dict[str, Any]:
        """Brings small files together and leaves deleted rows behind; others may write meanwhile.

        :param where: only files that may hold such rows.
        :param full: all files that are not full, however few they are, and all with deleted rows.
        :param sort: columns to sort the rows of each group by; the table's order when ``None``.
        :param convert: also files of another format than ``write.format.default``.
        :param trigger: files of a partition that make it due (5).
        :param memory_bytes: the bound for rows that are sorted at once (1 GiB); more are written to
            files in between.
        :param files: exactly these, as one group of :meth:`plan_compaction` names them.
        :return: counts of groups, files, new files, rows and bytes. ``weir.ray.compact`` spreads
            the groups over a cluster.
        """
        options = _compaction(where, full, sort, convert, trigger)
        options["memory_bytes"] = memory_bytes
        if files is not None:
            options["files"] = _list(files, "files")
        return dict(self._ask("compact", **options))

    def plan_compaction(
        self,
        where: str | None = None,
        *,
        full: bool = False,
        sort: Sequence[str] | None = None,
        convert: bool = False,
        trigger: int | None = None,
    ) -> dict[str, Any]:
        """What :meth:`compact` would take: ``groups`` (paths), ``files`` and ``bytes``."""
        options = _compaction(where, full, sort, convert, trigger)
        return dict(self._ask("plan_compaction", **options))

    def plan(
        self, where: str | None = None, at: At = None, *, files: bool = False
    ) -> dict[str, Any]:
        """What a scan would read: counts of files, rows at most, bytes, manifests."""
        return dict(self._ask("plan", where=where, at=None if at is None else _at(at), files=files))

    def append(
        self,
        data: object,
        *,
        branch: str | None = None,
        properties: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Adds rows, in one commit.

        :param data: anything with ``__arrow_c_stream__`` (tables, data frames, readers); columns
            are matched by name.
        :return: the snapshot's id and what was added.
        """
        capsule = _stream(data)
        options, count = _change_options(branch, properties)
        return self._change(
            library.weir_table_append, _capsule.address(capsule, _capsule.STREAM), options, count
        )

    def overwrite(
        self,
        data: object,
        where: str | None = None,
        *,
        branch: str | None = None,
    ) -> dict[str, Any]:
        """Replaces the rows that ``where`` matches (all of them when ``None``), in one commit."""
        capsule = _stream(data)
        options, count = _change_options(branch, None)
        return self._change(
            library.weir_table_overwrite,
            _capsule.address(capsule, _capsule.STREAM),
            None if where is None else encode(where),
            options,
            count,
        )

    def upsert(
        self, data: object, keys: Sequence[str] | None = None, *, branch: str | None = None
    ) -> dict[str, Any]:
        """Replaces the rows whose keys come in ``data`` and adds the others, in one commit.

        :param keys: columns; the table's identifier columns when ``None``.
        """
        capsule = _stream(data)
        names, name_count = string_array(None if keys is None else _list(keys, "keys"))
        options, count = _change_options(branch, None)
        return self._change(
            library.weir_table_upsert,
            _capsule.address(capsule, _capsule.STREAM),
            names,
            name_count,
            options,
            count,
        )

    def backfill(
        self,
        column: str,
        data: object = None,
        *,
        key: str | Sequence[str] | None = None,
        value: str | None = None,
        where: str | None = None,
        memory_bytes: int | None = None,
        part: Mapping[str, object] | None = None,
    ) -> dict[str, Any]:
        """Gives a column the values of ``data``, by the rows' keys, and rewrites nothing else.

        Without ``data`` each row's value is computed from the row's other columns, by ``value``.

        The column is added where the table has none of this name. Rows that ``data`` does not name
        keep what they have (null in a new column); they are counted in ``rows_without_value``.

        :param key: columns by which rows are the same, or ``_row_id``; the table's identifier
            columns when ``None``.
        :param value: what ``data`` calls the values, when not as the column, or an expression of
            its columns, such as ``"clicks / (views + 10)"``; see ``docs/expressions.md``.
        :param where: without ``data``: only such rows of the table.
        :param memory_bytes: the bound for the keys and values, which are held in memory (1 GiB).
        :param part: one of :meth:`plan_backfill`: only its rows, by a commit that takes place once.
            ``weir.ray.backfill`` spreads the parts over a cluster.
        """
        capsule = None if data is None else _stream(data)
        keys = [key] if isinstance(key, str) else key
        names, name_count = string_array(None if keys is None else _list(keys, "key"))
        options: list[tuple[str, str, str | None]] = []
        if value is not None:
            options.append(("value", value, None))
        if where is not None:
            options.append(("where", where, None))
        if memory_bytes is not None:
            options.append(("memory_bytes", str(memory_bytes), None))
        if part is not None:
            options.append(("part", json.dumps(part), None))
        pairs, count = option_array(options)
        return self._change(
            library.weir_table_backfill,
            encode(column),
            None if capsule is None else _capsule.address(capsule, _capsule.STREAM),
            names,
            name_count,
            pairs,
            count,
        )

    def plan_backfill(self, parts: int) -> list[dict[str, Any]]:
        """Divides a backfill of the rows that the table has now, for several processes.

        All parts together, each given to :meth:`backfill` with the same arguments otherwise, leave
        what one backfill would have: rows that others compact meanwhile are found where they are,
        and a part that is done again changes nothing. The snapshot must not expire meanwhile.

        :param parts: at most so many, of whole files and about as many rows each; none for a table
            without rows.
        """
        return list(self._ask("plan_backfill", parts=parts)["parts"])

    def delete(self, where: str, *, branch: str | None = None) -> dict[str, Any]:
        """Deletes the rows that ``where`` matches, in one commit."""
        options, count = _change_options(branch, None)
        return self._change(library.weir_table_delete, encode(where), options, count)

    def _change(self, function: Callable[..., int], *arguments: object) -> dict[str, Any]:
        return dict(take_json(function, self._handle.value, *arguments))

    def update(self, *changes: Mapping[str, object]) -> CatalogTable:
        """Changes columns, partitions, order, properties, branches and tags, in one commit.

        >>> table.update(
        ...     {"action": "add_column", "name": "device", "type": "string", "default": "web"},
        ...     {"action": "rename_column", "path": "ts", "name": "event_time"},
        ... )

        ``docs/c.md`` lists the changes.
        """
        self._ask("update", changes=[dict(change) for change in changes])
        return self

    def close(self) -> None:
        """Ends this object. Scans that were started go on working."""
        self._handle.close()

    def __arrow_c_schema__(self) -> object:
        return self.schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.scan().__arrow_c_stream__(requested_schema)

    def __repr__(self) -> str:
        return f"<weir.CatalogTable {self.identifier!r}>" if self._handle.is_open else "<closed>"


class Scan:
    """Rows of a table that are read when somebody asks, each time anew.

    ``pyarrow.table(scan)``, ``polars.DataFrame(scan)`` and DuckDB read it through its stream,
    batch by batch, without a copy. Iterating gives its batches.
    """

    def __init__(
        self,
        table: CatalogTable,
        columns: list[str] | None,
        options: list[tuple[str, str, str | None]],
    ) -> None:
        self._table = table
        self._columns = columns
        self._options = options
        # Wrong names are told here, not when the rows are read.
        self._start().close()

    def _start(self) -> Handle:
        names, name_count = string_array(self._columns)
        options, count = option_array(self._options)
        batches = Handle(library.weir_batches_close)
        call(
            library.weir_table_scan,
            self._table._handle.value,
            names,
            name_count,
            options,
            count,
            byref(batches.value),
        )
        return batches

    def __iter__(self) -> Iterator[Batch]:
        return batches_of(self._start())

    def __arrow_c_schema__(self) -> object:
        handle = self._start()

        def fill(schema: int) -> None:
            call(library.weir_batches_schema, handle.value, schema)

        return _capsule.make(_capsule.SCHEMA, fill)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """A new read. The requested schema is a wish that is not followed."""
        handle = self._start()

        def fill(stream: int) -> None:
            call(library.weir_batches_export, byref(handle.value), stream)

        return _capsule.make(_capsule.STREAM, fill)

    def to_arrow(self) -> pyarrow.Table:
        """All rows in memory."""
        import pyarrow

        return pyarrow.table(self)

    def to_batches(self) -> Iterator[pyarrow.RecordBatch]:
        """The rows, batch by batch, in memory that does not grow with the table."""
        import pyarrow

        return iter(pyarrow.RecordBatchReader.from_stream(self))

    def to_pandas(self) -> pandas.DataFrame:
        """All rows as a data frame of pandas."""
        return self.to_arrow().to_pandas()

    def to_polars(self) -> polars.DataFrame:
        """All rows as a data frame of Polars."""
        import polars

        return polars.DataFrame(self)

    def count(self) -> int:
        """The number of rows, which are read for it."""
        return sum(len(batch) for batch in self)


class Inspect:
    """Tables about a table, with the columns that other Iceberg implementations have.

    ``table.inspect.snapshots().to_arrow()``, ``polars.DataFrame(table.inspect.files())``.
    """

    def __init__(self, table: CatalogTable) -> None:
        self._table = table

    def _scan(self, kind: str, at: At = None) -> Scan:
        options: list[tuple[str, str, str | None]] = [("inspect", kind, None)]
        if at is not None:
            options.append(("at", _at(at), None))
        return Scan(self._table, None, options)

    def snapshots(self) -> Scan:
        """All snapshots that are kept."""
        return self._scan("snapshots")

    def history(self) -> Scan:
        """Which snapshot was current from when on."""
        return self._scan("history")

    def refs(self) -> Scan:
        """Branches and tags."""
        return self._scan("refs")

    def metadata_log_entries(self) -> Scan:
        """The metadata files that came before, and the present one."""
        return self._scan("metadata_log_entries")

    def manifests(self, at: At = None) -> Scan:
        return self._scan("manifests", at)

    def all_manifests(self) -> Scan:
        """The manifests of all snapshots, each as often as snapshots list it."""
        return self._scan("all_manifests")

    def entries(self, at: At = None) -> Scan:
        """All entries of a snapshot's manifests, also those that say that a file is gone."""
        return self._scan("entries", at)

    def files(self, at: At = None) -> Scan:
        """Data and delete files of a snapshot."""
        return self._scan("files", at)

    def data_files(self, at: At = None) -> Scan:
        return self._scan("data_files", at)

    def delete_files(self, at: At = None) -> Scan:
        return self._scan("delete_files", at)

    def all_files(self) -> Scan:
        """Data and delete files of all snapshots."""
        return self._scan("all_files")

    def partitions(self, at: At = None) -> Scan:
        """Rows, files and deletes of each partition."""
        return self._scan("partitions", at)


class _TableSchema:
    """A table's columns by ``__arrow_c_schema__``."""

    def __init__(self, table: CatalogTable) -> None:
        self._table = table

    @property
    def names(self) -> list[str]:
        return _capsule.field_names(self.__arrow_c_schema__())

    def __arrow_c_schema__(self) -> object:
        def fill(schema: int) -> None:
            call(library.weir_table_schema, self._table._handle.value, schema)

        return _capsule.make(_capsule.SCHEMA, fill)

    def __repr__(self) -> str:
        return f"weir.Schema({', '.join(self.names)})"


def _compaction(
    where: str | None, full: bool, sort: Sequence[str] | None, convert: bool, trigger: int | None
) -> dict[str, object]:
    return {
        "where": where,
        "full": full,
        "sort": None if sort is None else _list(sort, "sort"),
        "convert": convert,
        "trigger": trigger,
    }


def _text(value: object) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _list(texts: Sequence[str], name: str) -> list[str]:
    if isinstance(texts, (str, bytes)):
        raise TypeError(f"{name} must be a sequence of texts, not one text")
    return list(texts)


def _columns(columns: Sequence[str] | None) -> list[str] | None:
    return None if columns is None else _list(columns, "columns")


def _scan_options(
    where: str | None,
    at: At,
    limit: int | None,
    batch_rows: int | None,
    case_sensitive: bool,
) -> list[tuple[str, str, str | None]]:
    options: list[tuple[str, str, str | None]] = [("case_sensitive", _text(case_sensitive), None)]
    if where is not None:
        options.append(("where", where, None))
    if at is not None:
        options.append(("at", _at(at), None))
    if limit is not None:
        options.append(("limit", str(limit), None))
    if batch_rows is not None:
        options.append(("batch_rows", str(batch_rows), None))
    return options


def _milliseconds(time: datetime) -> int:
    zoned = time if time.tzinfo is not None else time.replace(tzinfo=timezone.utc)
    return (zoned - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(milliseconds=1)


def _optional_at(at: At) -> str | None:
    return None if at is None else _at(at)


def _at(at: int | str | date | datetime) -> str:
    if isinstance(at, datetime):
        zoned = at if at.tzinfo is not None else at.replace(tzinfo=timezone.utc)
        return zoned.isoformat(sep=" ")
    return at.isoformat() if isinstance(at, date) else str(at)


def _stream(data: object) -> object:
    export = getattr(data, "__arrow_c_stream__", None)
    if export is None:
        raise TypeError(f"data must have __arrow_c_stream__, which {type(data).__name__} has not")
    return export()


def _change_options(branch: str | None, properties: Mapping[str, str] | None) -> tuple[Any, int]:
    options: list[tuple[str, str, str | None]] = []
    if branch is not None:
        options.append(("branch", branch, None))
    for key, value in (properties or {}).items():
        options.append((f"property.{key}", value, None))
    return option_array(options)
