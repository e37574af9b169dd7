# SPDX-License-Identifier: Apache-2.0
"""Reads manifests and manifest lists that Weir wrote, by PyIceberg and fastavro.

Write them with `WEIR_WRITE_MANIFESTS=FOLDER swift test --filter ManifestWriterTests`, then run this
with FOLDER as argument.
"""

import pathlib
import sys

import fastavro
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.manifest import read_manifest_list


def main(folder: pathlib.Path) -> None:
    io = PyArrowFileIO()
    reference = {}
    for path in sorted(folder.glob("l-*.avro")):
        version, codec = path.stem.removeprefix("l-").split("-")
        with open(path, "rb") as file:
            assert len(list(fastavro.reader(file))) == 1
        with open(folder / f"m-{version}-{codec}.avro", "rb") as file:
            plain = list(fastavro.reader(file))
        assert len(plain) == 300
        assert reference.setdefault(version, plain) is plain or str(reference[version]) == str(
            plain
        )
        if codec == "snappy":
            # PyIceberg does not read it.
            continue
        manifests = list(read_manifest_list(io.new_input(str(path))))
        entries = manifests[0].fetch_manifest_entry(io, discard_deleted=False)
        assert len(entries) == 300
        for entry, record in zip(entries, plain, strict=True):
            data = record["data_file"]
            assert entry.data_file.file_path == data["file_path"]
            assert entry.data_file.record_count == data["record_count"]
            bounds = {item["key"]: item["value"] for item in data["lower_bounds"] or []}
            assert (entry.data_file.lower_bounds or {}) == bounds
            assert len(entry.data_file.partition) == 16
        print(path.name, manifests[0].partitions[0], entries[7].data_file.partition)


main(pathlib.Path(sys.argv[1]))
