# SPDX-License-Identifier: Apache-2.0
"""Weir: tables and Parquet files, in and out as Arrow columns.

>>> table = weir.connect("lake").table("shop.orders")
>>> table.scan(columns=["user_id", "ts"], where="country = 'de'").to_arrow()

>>> table = pyarrow.table(weir.read_parquet("events.parquet", columns=["user_id", "ts"]))
>>> weir.write_parquet(table, "copy.parquet", compression="zstd")

Everything speaks the Arrow PyCapsule protocol (``__arrow_c_stream__`` and its kin), so pyarrow,
pandas, polars, DuckDB and others take it and give it without copies. None of them is needed.
"""

from ._catalog import Catalog, CatalogTable, Inspect, Scan, connect
from ._errors import (
    AlreadyExistsError,
    ConflictError,
    InternalError,
    InvalidArgumentError,
    InvalidDataError,
    LimitError,
    NotFoundError,
    PermissionDeniedError,
    SourceError,
    StorageError,
    UnknownOutcomeError,
    UnsupportedError,
    WeirError,
)
from ._file import File, erase_file, open_file, write_file
from ._library import version
from ._reading import Batch, ParquetFile, Schema, Table, read_parquet
from ._stream import Changes, Stream
from ._writing import ParquetWriter, write_parquet

__version__ = version()

__all__ = [
    "AlreadyExistsError",
    "Batch",
    "Catalog",
    "CatalogTable",
    "Changes",
    "ConflictError",
    "File",
    "Inspect",
    "InternalError",
    "InvalidArgumentError",
    "InvalidDataError",
    "LimitError",
    "NotFoundError",
    "ParquetFile",
    "ParquetWriter",
    "PermissionDeniedError",
    "Scan",
    "Schema",
    "SourceError",
    "StorageError",
    "Stream",
    "Table",
    "UnknownOutcomeError",
    "UnsupportedError",
    "WeirError",
    "__version__",
    "connect",
    "erase_file",
    "open_file",
    "read_parquet",
    "write_file",
    "write_parquet",
]
