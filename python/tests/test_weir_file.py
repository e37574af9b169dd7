# SPDX-License-Identifier: Apache-2.0
"""Weir files: what Weir writes, read by the specification's second reader and by Weir itself.

WEIR_TEST_SECONDS is the time for the random tables (10 unless given), WEIR_TEST_SEED the first
seed. A failure names its seed.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from random_tables import Generator
from table_difference import difference
from weir_file_pages import Node, parse
from weir_file_reader import File, read

import weir

pytestmark = pytest.mark.skipif(
    not hasattr(weir, "write_file"), reason="this library does not write Weir files"
)
SECONDS = float(os.environ.get("WEIR_TEST_SECONDS", "10"))
FIRST_SEED = int(os.environ.get("WEIR_TEST_SEED", "1"))
PROFILES = ["fast", "compact"]


def check_equal(got: pa.Table, expected: pa.Table) -> None:
    assert got.schema.names == expected.schema.names
    assert got.schema.types == expected.schema.types
    assert got.num_rows == expected.num_rows
    for field, mine, theirs in zip(expected.schema, got, expected, strict=True):
        arrays = [column.combine_chunks() for column in (mine, theirs)]
        arrays = [pa.concat_arrays(a.chunks) if hasattr(a, "chunks") else a for a in arrays]
        found = difference(*arrays, field.name)
        assert found is None, found


def check_file(path: str, expected: pa.Table, r: random.Random) -> None:
    """Both readers: all rows, some columns, some rows, and batches."""
    check_equal(read(path), expected)
    file = weir.open_file(path)
    assert pa.schema(file.schema).equals(expected.schema, check_metadata=True)
    check_equal(pa.table(file.read()), expected)
    names = r.sample(expected.column_names, r.randint(1, expected.num_columns))
    check_equal(pa.table(file.read(columns=names)), expected.select(names))
    check_equal(read(path, names), expected.select(names))
    count = expected.num_rows
    rows = np.array(sorted(r.sample(range(count), min(count, r.choice([0, 1, 9, 300])))), np.int64)
    taken = expected.take(pa.array(rows)) if count else expected
    check_equal(pa.table(file.read(rows=rows)), taken)
    check_equal(pa.table(file.read(columns=names, rows=rows)), taken.select(names))
    batches = [pa.record_batch(b) for b in file.iter_batches(batch_rows=r.choice([1, 7, 65_536]))]
    check_equal(pa.Table.from_batches(batches, schema=expected.schema), expected)


def seeds():
    end, seed = time.monotonic() + SECONDS, FIRST_SEED
    while time.monotonic() < end or seed < FIRST_SEED + 10:
        yield seed
        seed += 1


def plain_enough(type_: pa.DataType) -> bool:
    """Without dictionaries, which table_difference alone compares by their values."""
    if pa.types.is_dictionary(type_):
        return False
    return all(plain_enough(type_.field(i).type) for i in range(type_.num_fields))


def test_random_tables(tmp_path):
    path = str(tmp_path / "file.weir")
    for seed in seeds():
        generator = Generator(seed)
        table = generator.table(generator.random.choice([0, 1, 5, 100, 400]))
        names = [f.name for f in table.schema if plain_enough(f.type)]
        if not names:
            continue
        table = table.select(names)
        try:
            weir.write_file(table, path, profile=PROFILES[seed % 2])
            check_file(path, table, generator.random)
        except Exception as error:
            raise AssertionError(f"seed {seed}: {table.schema}") from error


def lists(values: list[list[int]], kind: pa.DataType) -> pa.Array:
    return pa.array(values, pa.list_(kind))


def features(rows: int, seed: int) -> pa.Table:
    """Columns as recommendation has them: what the encodings are for."""
    g = np.random.default_rng(seed)
    user = np.sort(g.zipf(1.3, rows) % 500)
    history = {u: g.integers(0, 10_000, 40).tolist() for u in np.unique(user).tolist()}
    last, equal = [], []
    for u in user.tolist():
        history[u].extend(g.integers(0, 10_000, int(g.integers(0, 3))).tolist())
        last.append(history[u][-40:])
        equal.append(history[u][:7] if u % 3 else [])
    sparse = np.where(g.random(rows) < 0.01, g.integers(0, 1 << 40, rows), 0)
    words = [f"word-{i}-{'x' * int(i % 9)}" for i in range(3_000)]
    return pa.table(
        {
            "constant": pa.array(np.full(rows, 7)),
            "user": pa.array(user),
            "time": pa.array(np.cumsum(g.integers(0, 900, rows)) + 1_790_000_000_000),
            "sparse": pa.array(sparse),
            "zipf": pa.array(g.zipf(1.2, rows) % 100_000),
            "outliers": pa.array(np.where(g.random(rows) < 0.01, 1 << 50, g.integers(0, 50, rows))),
            "hashed": pa.array(g.integers(0, 1 << 63, 400)[g.integers(0, 400, rows)]),
            "small": pa.array(g.integers(-3, 3, rows).astype(np.int8)),
            "price": pa.array(np.round(g.lognormal(3, 1, rows), 2)),
            "ratio": pa.array(np.round(g.random(rows), 3).astype(np.float32)),
            "noise": pa.array(g.standard_normal(rows)),
            "noise32": pa.array(g.standard_normal(rows).astype(np.float32), mask=sparse > 0),
            "flag": pa.array(g.random(rows) < 0.01),
            "word": pa.array([words[i] for i in (g.zipf(1.3, rows) % 3_000).tolist()]),
            "id": pa.array([f"{int(v):016x}" for v in g.integers(0, 1 << 62, rows)]),
            "url": pa.array([f"https://x.org/item/{i % 977}?p={i}" for i in range(rows)]),
            "window": lists(last, pa.int64()),
            "same": lists(equal, pa.int32()),
            "ragged": lists([g.zipf(1.5, int(n)).tolist() for n in g.poisson(3, rows)], pa.int64()),
            "vector": pa.FixedSizeListArray.from_arrays(
                pa.array(g.standard_normal(8 * rows).astype(np.float32)), 8
            ),
        }
    )


def encodings(path: str) -> Counter:
    """How many nodes of each encoding a file's data pages have."""
    file, counts = File(open(path, "rb").read()), Counter()  # noqa: SIM115

    def visit(node: Node) -> None:
        counts[node.encoding] += 1
        for child in node.children:
            visit(child)

    for entry in file.entries():
        for place in file.descriptor(entry)[0]:
            visit(parse(file.page(place.offset, place.size, place.crc)))
    return counts


@pytest.mark.parametrize("profile", PROFILES)
def test_columns_of_recommendation(tmp_path, profile):
    path = str(tmp_path / "file.weir")
    found: Counter = Counter()
    for seed in range(2):
        table = features(4_000, seed)
        weir.write_file(table, path, profile=profile)
        check_file(path, table, random.Random(seed))
        found += encodings(path)
    print(dict(found))
    assert {1, 2} <= set(found), "neither constants nor packed numbers"
    assert 15 in found, "windows that slide are not stored as such"


def test_damaged_files_give_errors_or_the_same_rows(tmp_path):
    path, table, r = tmp_path / "file.weir", features(60, 1), random.Random(4)
    weir.write_file(table, str(path))
    original = path.read_bytes()
    damaged = tmp_path / "damaged.weir"
    for _ in range(300):
        data = bytearray(original)
        for _ in range(r.choice([1, 1, 5])):
            data[r.randrange(len(data))] ^= r.randint(1, 255)
        if r.random() < 0.1:
            data = data[: r.randrange(len(data))]
        damaged.write_bytes(data)
        try:
            got = pa.table(weir.open_file(str(damaged)).read())
        except (weir.WeirError, pa.ArrowInvalid, OSError):
            continue
        check_equal(got, table)


@pytest.mark.parametrize("nulls", [0.0, 0.2])
def test_quantised(tmp_path: Path, nulls: float) -> None:
    """Rounded floats keep the bound, and the second reader reads the same."""
    rng = np.random.default_rng(int(nulls * 10) + 3)
    count = 900
    missing = rng.random(count) < nulls
    vectors = pa.array(rng.standard_normal(count * 16).astype(np.float32))
    table = pa.table(
        {
            "x": pa.array(rng.standard_normal(count).astype(np.float32), mask=missing),
            "v": pa.FixedSizeListArray.from_arrays(vectors, 16),
            "l": pa.array(
                [None if m else list(rng.random(rng.integers(0, 9))) for m in missing],
                pa.list_(pa.float32()),
            ),
        }
    )
    for bounds, form in (({"x": 0.1, "v": 0.1, "l": 0.1}, "int8"), ({"v": 0.002}, "float16")):
        path = str(tmp_path / f"{form}.weir")
        weir.write_file(table, path, page_rows=250, quantise=bounds)
        file = weir.open_file(path)
        held = pa.table(file.read())
        check_file(path, held, random.Random(1))
        for name in table.column_names:
            given = table[name].combine_chunks().to_pylist()
            got = held[name].combine_chunks().to_pylist()
            assert [v is None for v in given] == [v is None for v in got]
            flat = [
                (a, b)
                for x, y in zip(given, got, strict=True)
                if x is not None
                for a, b in (zip(x, y, strict=True) if isinstance(x, list) else [(x, y)])
            ]
            assert max(abs(a - b) for a, b in flat) <= bounds.get(name, 0)
            metadata = held.schema.field(name).metadata or {}
            assert metadata.get(b"weir.quantised") == (form.encode() if name in bounds else None)
    with pytest.raises(weir.InvalidArgumentError, match="float32"):
        weir.write_file(table, str(tmp_path / "no.weir"), quantise={"y": 0.1})


@pytest.mark.parametrize("name", ["v1-fast", "v1-compact", "v1-text", "v1-layout", "v1-parts"])
def test_golden_files(name: str) -> None:
    """Files of every released version are read forever, by both readers."""
    folder = Path(__file__).resolve().parents[2] / "testdata" / "weir-file"
    held = "v1-text.arrow" if name == "v1-text" else "v1.arrow"
    expected = pa.ipc.open_file(str(folder / held)).read_all()
    path = str(folder / f"{name}.weir")
    check_file(path, expected, random.Random(1))
    assert weir.open_file(path, memory_map=True).num_rows == expected.num_rows


def test_command_line(tmp_path: Path) -> None:
    """convert there and back, inspect, and verify before and after damage."""
    root = Path(__file__).resolve().parents[2]
    weir_binary = os.environ.get("WEIR_BIN", str(root / ".build" / "release" / "weir"))
    golden = root / "testdata" / "weir-file" / "v1.arrow"

    def run(*arguments: str, code: int = 0) -> str:
        done = subprocess.run(
            [weir_binary, "file", *map(str, arguments)], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr

    path, back = tmp_path / "g.weir", tmp_path / "g.arrow"
    run("convert", golden, path, "--profile", "compact")
    run("convert", path, back)
    expected = pa.ipc.open_file(str(golden)).read_all()
    check_equal(pa.ipc.open_file(str(back)).read_all(), expected)
    shown = json.loads(run("inspect", path, "--columns", "recent,hash", "--json"))
    assert [column["name"] for column in shown["columns"]] == ["recent", "hash"]
    assert shown["columns"][0]["encodings"] == ["window(packed)"]
    assert shown["rows"] == 400
    assert shown["columns"][1]["auxiliary_bytes"] > 0
    assert "sound" in run("verify", path)
    data = bytearray(path.read_bytes())
    data[3000] ^= 1
    path.write_bytes(data)
    problem = json.loads(run("verify", "--json", path, code=1))["problems"][0]
    assert "checksum" in problem["message"]
    assert problem["column"]
    assert "--profile, --key and --quantise are for Weir files" in run(
        "convert", golden, back, "--profile", "fast", code=64
    )


def test_unique_lists(tmp_path):
    """Lists that repeat or slide come once, and rows name them."""
    path, table = str(tmp_path / "file.weir"), features(4_000, 5)
    weir.write_file(table, path)
    names = ["user", "window", "ragged"]
    batches = list(weir.open_file(path).iter_batches(names, batch_rows=1_000, unique_lists=True))
    read = [pa.record_batch(batch) for batch in batches]
    assert [batch.num_rows for batch in read] == [1_000] * 4
    for i, batch in enumerate(read):
        batch.validate(full=True)
        column, expected = batch["window"], table["window"].combine_chunks()[1_000 * i :][:1_000]
        assert column.dictionary.take(column.indices).equals(expected)
        assert len(column.dictionary) < 1_000
        first = dict(reversed([(n, j) for j, n in enumerate(column.indices.to_pylist())]))
        assert sorted(first, key=first.get) == list(range(len(column.dictionary)))
    plain = pa.Table.from_batches(read).select(["user", "ragged"])
    check_equal(plain, table.select(["user", "ragged"]))


def test_matrix(tmp_path):
    """Columns of numbers side by side, beside numpy."""
    path, g = str(tmp_path / "file.weir"), np.random.default_rng(3)
    rows, nothing = 1_001, np.array([i % 5 == 0 for i in range(1_001)])
    kinds = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "float32", "float64"]
    columns = {k: pa.array(g.integers(0, 100, rows).astype(k), mask=nothing) for k in kinds}
    columns["nan"] = pa.array(np.where(nothing, np.nan, 1.5))
    columns["flag"] = pa.array(g.random(rows) < 0.5)
    columns["word"] = pa.array(["x"] * rows)
    table = pa.table(columns)
    weir.write_file(table, path)
    file, names = weir.open_file(path), [name for name in columns if name != "word"]
    for dtype, missing in (("float32", -1.5), ("int64", -1)):
        expected = np.stack(
            [table[n].to_pandas().fillna(missing).astype(dtype).to_numpy() for n in names], axis=1
        )
        (batch,) = file.iter_batches(batch_rows=rows)
        assert np.array_equal(batch.matrix(names, dtype=dtype, missing=missing), expected)
        wide = np.full((rows, len(names) + 3), 7, dtype)
        part = wide[:, 2 : 2 + len(names)]
        assert batch.matrix(names, dtype=dtype, missing=missing, out=part) is part
        assert np.array_equal(part, expected)
        assert (wide[:, :2] == 7).all()
        assert (wide[:, -1] == 7).all()
    with pytest.raises(weir.InvalidArgumentError, match="word"):
        batch.matrix()
    with pytest.raises(ValueError, match="out"):
        batch.matrix(names, out=np.empty((rows, 2), np.float32))
    with pytest.raises(ValueError, match="dtype"):
        batch.matrix(names, dtype="int8")
