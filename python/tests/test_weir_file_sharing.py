# SPDX-License-Identifier: Apache-2.0
"""Weir files: dictionaries that columns share, fields of structs, rounded columns.

Both readers, as in test_weir_file.py.
"""

from __future__ import annotations

import json
import os
import random
import struct
import subprocess
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_weir_file import PROFILES, check_equal, check_file
from weir_file_reader import File, read

import weir

pytestmark = pytest.mark.skipif(
    not hasattr(weir, "write_file"), reason="this library does not write Weir files"
)


def test_convert_rounds(tmp_path: Path) -> None:
    """`weir file convert --quantise`: within the bound, and smaller."""
    root = Path(__file__).resolve().parents[2]
    weir_binary = os.environ.get("WEIR_BIN", str(root / ".build" / "release" / "weir"))
    rng = np.random.default_rng(3)
    values = rng.standard_normal(4_000).astype(np.float32)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(values), 8)
    table = pa.table({"id": pa.array(range(500)), "vec": vectors, "s": pa.array(values[:500])})
    source, path = tmp_path / "t.arrow", tmp_path / "t.weir"
    with pa.OSFile(str(source), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)

    def run(quantise: str, code: int = 0) -> str:
        command = [weir_binary, "file", "convert", source, path, "--force", "--quantise", quantise]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=60)
        assert done.returncode == code, done.stderr
        return done.stderr

    run("vec=0.05, s=0.001")
    for got in (read(str(path)), pa.table(weir.open_file(path).read())):
        assert got["id"].to_pylist() == list(range(500))
        found = np.array(got["vec"].to_pylist(), np.float32).ravel()
        assert 0 < np.abs(found - values).max() <= 0.05
        assert 0 < np.abs(got["s"].to_numpy() - values[:500]).max() <= 0.001
        assert got.schema.field("vec").metadata[b"weir.quantised"] == b"int8"
    assert path.stat().st_size < 10_000
    assert "vek" in run("vek=0.1", code=1)
    assert "float32" in run("id=0.1", code=1)
    for wrong in ("vec", "vec=0", "vec=x", "=1"):
        assert "--quantise" in run(wrong, code=64)


def test_fields_of_structs(tmp_path: Path) -> None:
    """Dotted paths give the same as pyarrow's of a Parquet file."""
    path, parquet = tmp_path / "s.weir", tmp_path / "s.parquet"
    inner = pa.struct([("x", pa.list_(pa.int64())), ("y", pa.float32())])
    kind = pa.struct([("city", pa.string()), ("zip", pa.int32()), ("in", inner)])
    places = [
        None
        if i % 11 == 3
        else {
            "city": f"city {i % 7}",
            "zip": None if i % 5 == 0 else i,
            "in": None if i % 13 == 1 else {"x": [i, i + 1] * (i % 3), "y": i / 4},
        }
        for i in range(1_000)
    ]
    table = pa.table({"id": pa.array(range(1_000)), "place": pa.array(places, kind)})
    weir.write_file(table, path, page_rows=300)
    # Items of lists keep their name.
    pq.write_table(table, parquet, use_compliant_nested_type=False)
    file = weir.open_file(path)
    for names in (
        ["place.city"],
        ["id", "place.zip", "place.in.y"],
        ["place.in.x", "place.city", "id"],
        ["place.in"],
    ):
        expected = pq.ParquetFile(parquet).read(columns=names)
        order = list(dict.fromkeys(name.split(".")[0] for name in names))
        check_equal(pa.table(file.read(columns=names)), expected.select(order))
        assert pa.schema(file.read(columns=names).schema) == expected.select(order).schema
        rows = [999, 3, 500, 3]
        taken = pa.table(file.take(rows, names))
        check_equal(taken, expected.select(order).take(rows))
    matches = file.matches("id >= 990", ["place.city"])
    check_equal(pa.table(matches), pq.ParquetFile(parquet).read(["place.city"]).slice(990))
    with pytest.raises(ValueError, match=r"place\.town"):
        file.read(columns=["place.town"])


def test_parts_of_structs(tmp_path: Path) -> None:
    """Large fields have pages of their own: both readers, fields alone, erasure."""
    rng = np.random.default_rng(8)
    count = 40_000
    inner = pa.StructArray.from_arrays(
        [pa.array(rng.random(count)), pa.array(rng.integers(0, 9, count))], ["noise", "few"]
    )
    vectors = pa.FixedSizeListArray.from_arrays(
        pa.array(rng.standard_normal(count * 4).astype(np.float32)), 4
    )
    ids = pa.array(rng.integers(0, 1 << 60, 500)[rng.integers(0, 500, count)])
    place = pa.StructArray.from_arrays(
        [ids, vectors, inner, pa.array(["x"] * count)],
        ["id", "vector", "in", "word"],
        mask=pa.array(rng.random(count) < 0.1),
    )
    table = pa.table({"n": pa.array(range(count)), "place": place})
    path = tmp_path / "p.weir"
    weir.write_file(table, path, page_rows=20_000)
    file = File(path.read_bytes())
    pages, arrays = file.descriptor(file.entry_with_name("place"))
    assert [array.values for array in arrays if array.role == 4] == [4]
    assert sum(page.size for page in pages) < 128 << 10
    check_file(str(path), table, random.Random(9))
    opened = weir.open_file(path)
    for name in ("id", "vector", "word"):
        got = pa.table(opened.read(columns=[f"place.{name}"]))["place"].to_pylist()
        assert got == [None if v is None else {name: v[name]} for v in place.to_pylist()]
    erased = tmp_path / "e.weir"
    weir.erase_file(path, [7, 38_000], output=erased)
    expected = [None if i in (7, 38_000) else v for i, v in enumerate(table["place"].to_pylist())]
    assert read(str(erased))["place"].to_pylist() == expected


def shared_spaces(rows: int, seed: int) -> pa.Table:
    """Lists and single ids of one space, a column of another, and words."""
    rng = np.random.default_rng(seed)
    items = rng.integers(0, 1 << 60, 3_000)
    users = rng.integers(0, 1 << 60, 2_000)
    words = np.array([f"word {i * 7919} of many letters" for i in range(400)], object)

    def skewed(count: int, size: int) -> np.ndarray:
        return (rng.random(count) ** 2 * size).astype(np.int64)

    def lists(mean: float) -> pa.Array:
        lengths = rng.poisson(mean, rows)
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
        return pa.ListArray.from_arrays(offsets, items[skewed(int(offsets[-1]), 3_000)])

    return pa.table(
        {
            "seen": lists(5.0),
            "bought": lists(1.5),
            "item": pa.array(items[skewed(rows, 3_000)], mask=rng.random(rows) < 0.1),
            "user": pa.array(users[skewed(rows, 2_000)]),
            "query": pa.array(words[skewed(rows, 400)]),
            "title": pa.array(words[skewed(rows, 400)], mask=rng.random(rows) < 0.1),
        }
    )


def sharing(path: Path) -> list[list[str]]:
    """Groups of columns that name one page table, by the second reader."""
    file, records, users = File(path.read_bytes()), {}, {}
    for entry in file.entries():
        raw = file.part("a descriptor", entry.descriptor_offset, entry.descriptor_size)
        start = 8 + 32 * struct.unpack_from("<I", raw, 0)[0]
        for at in range(start, len(raw), 32):
            _, _, _, pages, _, offset = struct.unpack_from("<BBHIQQ", raw, at)
            if pages:
                # All columns describe a table that they share alike.
                assert records.setdefault(offset, raw[at : at + 32]) == raw[at : at + 32]
                users.setdefault(offset, []).append(file.field(entry).name)
    return sorted(group for group in users.values() if len(group) > 1)


@pytest.mark.parametrize("profile", PROFILES)
def test_shared_dictionaries(tmp_path: Path, profile: str) -> None:
    """Columns of one space have one dictionary; each is read alone, and looked up."""
    path, table = tmp_path / "s.weir", shared_spaces(9_000, 11)
    weir.write_file(table, path, profile=profile, page_rows=2_500)
    assert sharing(path) == [["query", "title"], ["seen", "bought", "item"]]
    check_file(str(path), table, random.Random(5))
    for name in table.column_names:
        check_equal(read(str(path), [name]), table.select([name]))
        check_equal(pa.table(weir.open_file(path).read(columns=[name])), table.select([name]))
    root = Path(__file__).resolve().parents[2]
    weir_binary = os.environ.get("WEIR_BIN", str(root / ".build" / "release" / "weir"))
    command = [weir_binary, "file", "inspect", str(path)]
    shown = json.loads(subprocess.check_output([*command, "--json"]))
    found = {column["name"]: column["shares_with"] for column in shown["columns"]}
    assert found["item"] == ["seen", "bought"]
    assert found["user"] == []
    text = subprocess.check_output(command, text=True)
    assert "seen, bought and item share a dictionary" in text
    assert "sound" in subprocess.check_output([weir_binary, "file", "verify", path], text=True)


def test_golden_shared_dictionaries() -> None:
    """Columns with a dictionary in common, before and after rows were erased."""
    folder = Path(__file__).resolve().parents[2] / "testdata" / "weir-file"
    expected = pa.ipc.open_file(str(folder / "v1-shared.arrow")).read_all()
    path, erased = folder / "v1-shared.weir", folder / "v1-shared-erased.weir"
    assert sharing(path) == sharing(erased) == [["seen", "bought"]]
    check_file(str(path), expected, random.Random(6))
    rows = read(str(erased))
    check_equal(pa.table(weir.open_file(erased).read()), rows)
    gone = {5, 399, *range(100, 120)}
    for name in expected.column_names:
        values = expected[name].to_pylist()
        values = [None if i in gone else v for i, v in enumerate(values)]
        assert rows[name].to_pylist() == values
