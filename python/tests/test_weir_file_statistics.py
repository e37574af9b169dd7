# SPDX-License-Identifier: Apache-2.0
"""Statistics that the writer writes, by the second reader and pyarrow's own kernels."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from weir_file_keys import key_index, may_contain, xxh64
from weir_file_reader import File, read

import weir

PAGE_ROWS = 100


def bound_of(raw: bytes, kind: pa.DataType):
    """The value that the 16 bytes of a bound stand for."""
    if pa.types.is_decimal(kind):
        return int.from_bytes(raw, "little", signed=True)
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        return raw[: raw[15]]
    if pa.types.is_fixed_size_binary(kind):
        return raw[: raw[15]]
    width = 1 if pa.types.is_boolean(kind) else kind.bit_width // 8
    assert not any(raw[width:])
    if pa.types.is_floating(kind):
        return float(np.frombuffer(raw[:width], f"<f{width}")[0])
    signed = not (pa.types.is_unsigned_integer(kind) or pa.types.is_boolean(kind))
    return int.from_bytes(raw[:width], "little", signed=signed)


def plain(value):
    """A pyarrow scalar as `bound_of` gives bounds."""
    kind = value.type
    if pa.types.is_decimal(kind):
        return int(value.as_py().scaleb(kind.scale))
    if pa.types.is_temporal(kind):
        return value.cast(pa.int32() if kind.bit_width == 32 else pa.int64()).as_py()
    if pa.types.is_string(kind):
        return value.as_py().encode()
    return int(value.as_py()) if pa.types.is_boolean(kind) else value.as_py()


def table(rng: np.random.Generator, rows: int) -> pa.Table:
    numbers = rng.integers(-(1 << 40), 1 << 40, rows)
    floats = rng.standard_normal(rows)
    floats[rng.random(rows) < 0.1] = np.nan
    floats[100:200] = np.nan
    words = ["".join(map(chr, rng.integers(32, 0x250, n))) for n in rng.integers(0, 30, rows)]
    some = rng.random(rows) < 0.3
    some[200:300] = True
    columns = {
        "i64": pa.array(numbers, mask=some),
        "u64": pa.array(rng.integers(0, 1 << 63, rows).astype(np.uint64) * 2),
        "i8": pa.array(rng.integers(-128, 128, rows).astype(np.int8)),
        "u16": pa.array(rng.integers(0, 1 << 16, rows).astype(np.uint16), mask=some),
        "f64": pa.array(floats, mask=some),
        "f32": pa.array(floats.astype(np.float32)),
        "f16": pa.array(floats.astype(np.float16)),
        "flag": pa.array(rng.random(rows) < 0.01, mask=some),
        "date": pa.array(rng.integers(0, 20_000, rows).astype(np.int32)).cast(pa.date32()),
        "at": pa.array(numbers, pa.timestamp("us", "UTC")),
        "text": pa.array(words, mask=some),
        "bytes": pa.array([rng.bytes(n) for n in rng.integers(0, 20, rows)]),
        "fixed": pa.array([rng.bytes(3) for _ in range(rows)], pa.binary(3)),
        "amount": pa.array(numbers).cast(pa.decimal128(20, 0)),
        "word": pa.array(rng.choice(["a", "bc", ""], rows)).dictionary_encode(),
        "list": pa.array([[1]] * rows, mask=some),
    }
    return pa.table(columns)


@pytest.mark.parametrize("seed", range(3))
def test_statistics_of_pages(tmp_path, seed):
    rows = table(np.random.default_rng(seed), 450)
    path = tmp_path / "t.weir"
    weir.write_file(rows, path, page_rows=PAGE_ROWS)
    file = File(path.read_bytes())
    for entry in file.entries():
        field = file.field(entry)
        column = rows[field.name].combine_chunks()
        if isinstance(column, pa.DictionaryArray):
            column = column.dictionary_decode()
        pages, index = file.statistics(entry)
        assert index == b""
        assert len(pages) == len(file.descriptor(entry)[0]) == 5
        for number, page in enumerate(pages):
            values = column[number * PAGE_ROWS : (number + 1) * PAGE_ROWS]
            check_page(page, values)


def check_page(page, values: pa.Array) -> None:
    assert page.null_count == values.null_count
    if pa.types.is_floating(values.type):
        assert page.nan_count == (pc.sum(pc.is_nan(values)).as_py() or 0)
        values = values.filter(pc.invert(pc.is_nan(values)))
    else:
        assert page.nan_count is None
    values = values.drop_null()
    if pa.types.is_list(values.type) or len(values) == 0:
        assert page.lower is None
        return
    if page.lower is None:
        assert max(values.to_pylist())[:15] == b"\xff" * 15
        return
    lower, upper = (bound_of(raw, values.type) for raw in (page.lower, page.upper))
    kind = values.type
    if pa.types.is_fixed_size_binary(kind) and not pa.types.is_decimal(kind):
        plains = values.to_pylist()
    else:
        plains = [plain(value) for value in values]
    if page.lower_exact:
        assert lower == min(plains)
    else:
        assert lower == min(plains)[: len(lower)]
    if page.upper_exact:
        assert upper == max(plains)
    else:
        assert upper > max(plains)
        assert upper[:-2] == max(plains)[: len(upper) - 2]
    if pa.types.is_string(values.type):
        lower.decode()
        upper.decode()


def test_hashes():
    """Values of xxHash's own tests (seed 0)."""
    assert xxh64(b"") == 0xEF46DB3751D8E999
    assert xxh64(b"a") == 0xD24EC4F1A98C6E5B
    assert xxh64(b"Nobody inspects the spammish repetition") == 0xFBCEA83C8A378BF1


@pytest.mark.parametrize("rows", [300, 9000])
def test_key_indexes(tmp_path, rows):
    rng = np.random.default_rng(rows)
    users = rng.integers(0, rows // 3, rows)
    some = rng.random(rows) < 0.1
    table = pa.table(
        {
            "user": pa.array(users, pa.int64(), mask=some),
            "item": pa.array([f"item {user:040}" for user in users]),
            "row": pa.array(range(rows)),
        }
    )
    path = tmp_path / "k.weir"
    weir.write_file(table, path, key_columns=["user", "item"], page_rows=1000)
    file = File(path.read_bytes())
    for name in ("user", "item"):
        entry = file.entry_with_name(name)
        _, bloom = file.statistics(entry)
        hashes, at = key_index(file, entry)
        values = table[name].to_pylist()
        plains = [
            v.to_bytes(8, "little") if name == "user" and v is not None else v for v in values
        ]
        plains = [p.encode() if isinstance(p, str) else p for p in plains]
        found = {row: xxh64(p) for row, p in enumerate(plains) if p is not None}
        assert sorted((h >> 32, row) for row, h in found.items()) == list(
            zip(hashes.tolist(), at.tolist(), strict=True)
        )
        assert all(may_contain(bloom, h) for h in found.values())
        absent = sum(may_contain(bloom, xxh64(b"%d absent" % i)) for i in range(2000))
        assert absent < 60
    with weir.open_file(path) as opened:
        for value in (int(users[0]), [int(users[5]), int(users[-1]), -1], []):
            wanted = pa.array([value] if isinstance(value, int) else value, pa.int64())
            expected = table.filter(pc.is_in(table["user"], wanted))
            assert pa.table(opened.lookup("user", value)).equals(expected)
        item = table["item"][3]
        expected = table.filter(pc.equal(table["item"], item)).select(["row"])
        assert pa.table(opened.lookup("item", [item], ["row"])).equals(expected)
        user, row = table["user"], table["row"]
        for text, mask in (
            ("user is null and row < 100", pc.and_(pc.is_null(user), pc.less(row, 100))),
            (
                f"user = {users[9]} or row = 7",
                pc.or_kleene(pc.equal(user, users[9]), pc.equal(row, 7)),
            ),
        ):
            matches = opened.matches(text, ["row", "user"], batch_rows=50)
            assert pa.table(matches).equals(table.filter(mask).select(["row", "user"]))
        with pytest.raises(ValueError, match="usr"):
            opened.matches("usr = 1")


GOLDEN = Path(__file__).resolve().parents[2] / "testdata" / "weir-file"
WEIR_BIN = os.environ.get("WEIR_BIN", str(GOLDEN.parents[1] / ".build" / "release" / "weir"))


def test_golden_keys():
    """The golden file with statistics and key indexes, by both readers."""
    expected = pa.ipc.open_file(str(GOLDEN / "v1.arrow")).read_all()
    path = GOLDEN / "v1-keys.weir"
    assert read(path).equals(expected)
    file = File(path.read_bytes())
    assert len(file.statistics(file.entry_with_name("price"))[0]) == 3
    hashes, at = key_index(file, file.entry_with_name("word"))
    words = expected["word"].to_pylist()
    found = sorted((xxh64(word.encode()) >> 32, row) for row, word in enumerate(words))
    assert found == list(zip(hashes.tolist(), at.tolist(), strict=True))
    with weir.open_file(path) as opened:
        for name in ("user", "word"):
            value = expected[name][7]
            wanted = expected.filter(pc.equal(expected[name], value))
            assert pa.table(opened.lookup(name, [value])).equals(wanted)
        wanted = expected.filter(pc.less(expected["price"], 10))
        assert pa.table(opened.matches("price < 10")).equals(wanted)


def test_golden_erased():
    """The same file without the values of some rows."""
    expected = pa.ipc.open_file(str(GOLDEN / "v1.arrow")).read_all()
    gone = {5, 399, *range(100, 120)}
    rows = read(GOLDEN / "v1-erased.weir")
    check_erased(rows, expected, gone)
    check_erased(pa.table(weir.open_file(GOLDEN / "v1-erased.weir")), expected, gone)
    assert File((GOLDEN / "v1-erased.weir").read_bytes()).tail.generation == 1


def check_bucket(file: File, names: list[str]) -> None:
    """Pages of a bucket's columns lie behind each other in this order, for each range of rows."""
    columns = [file.descriptor(file.entry_with_name(name))[0] for name in names]
    assert {file.entry_with_name(name).bucket for name in names} == {1}
    for pages in zip(*columns, strict=True):
        assert len({(page.first_row, page.rows) for page in pages}) == 1
        for page, following in zip(pages, pages[1:], strict=False):
            assert following.offset == (page.offset + page.size + 7) // 8 * 8


def test_golden_layout():
    """The golden file whose columns have an order of their own, and another of many columns."""
    expected = pa.ipc.open_file(str(GOLDEN / "v1.arrow")).read_all()
    path = GOLDEN / "v1-layout.weir"
    assert read(path).equals(expected)
    file = File(path.read_bytes())
    # Pages of lists wait for others, to share their items: they are in no bucket.
    first = ["word", "flag", "user"]
    names = first + [name for name in expected.column_names if name not in first]
    check_bucket(file, [name for name in names if file.entry_with_name(name).bucket])
    assert file.entry_with_name("recent").bucket == 0
    assert all(file.entry_with_name(name).bucket for name in first)


def test_buckets(tmp_path):
    rng = np.random.default_rng(3)
    table = pa.table({f"c{i}": rng.integers(0, 1 << (i % 40), 2500) for i in range(60)})
    wide = pa.array([rng.bytes(60) for _ in range(2500)])
    table = table.append_column("wide", wide)
    layout = ["c7", "wide", "c50", "c3"]
    path = tmp_path / "b.weir"
    weir.write_file(table, path, layout=layout, page_rows=1000)
    assert read(path).equals(table)
    assert pa.table(weir.open_file(path).read()).equals(table)
    file = File(path.read_bytes())
    assert file.entry_with_name("wide").bucket == 0
    names = layout + [name for name in table.column_names if name not in layout]
    check_bucket(file, [name for name in names if name != "wide"])


def check_erased(rows: pa.Table, expected: pa.Table, gone: set[int]) -> None:
    assert rows.schema.equals(expected.schema)
    for name in expected.column_names:
        values = expected[name].to_pylist()
        wanted = [None if row in gone else value for row, value in enumerate(values)]
        assert rows[name].to_pylist() == wanted, name


def test_erase_function(tmp_path):
    """As the command does, of all columns and of some, by numbers and by a predicate."""
    expected = pa.ipc.open_file(str(GOLDEN / "v1.arrow")).read_all()
    path, output = tmp_path / "e.weir", tmp_path / "o.weir"
    weir.write_file(expected, path, page_rows=150, key_columns=["user", "word"])
    assert weir.erase_file(path, np.array([399, 5, 5]), output=output) == 2
    check_erased(read(output), expected, {5, 399})
    assert read(path).equals(expected)
    with pytest.raises(FileExistsError):
        weir.erase_file(path, [1], output=output)
    gone = {row for row, word in enumerate(expected["word"].to_pylist()) if word == "red"}
    count = weir.erase_file(path, where="word = 'red'", columns=["word", "tags"], profile="compact")
    assert count == len(gone) > 0
    rows = read(path)
    check_erased(rows.select(["word", "tags"]), expected.select(["word", "tags"]), gone)
    others = [name for name in expected.column_names if name not in ("word", "tags")]
    assert rows.select(others).equals(expected.select(others))
    with pytest.raises(TypeError, match="where="):
        weir.erase_file(path)
    with pytest.raises(ValueError, match="there is no row 400"):
        weir.erase_file(path, [400])


def test_erase_command(tmp_path):
    """The second reader finds the other rows, and nobody the erased values."""
    rng = np.random.default_rng(4)
    marker, number = "Mq7-erase-me-Zx9", 0x5A1377C49E216BD3
    users = rng.integers(0, 40, 3000)
    gone = {row for row, user in enumerate(users) if user == 7}
    table = pa.table(
        {
            "user": pa.array(users),
            "mail": [f"{marker} {row}" if row in gone else f"m{row}@x" for row in range(3000)],
            "word": pa.array([marker if row in gone else f"w{row % 3}" for row in range(3000)]),
            "recent": [
                [number] * 9 if row in gone else list(range(row // 5, row // 5 + 12))
                for row in range(3000)
            ],
        }
    )
    path = tmp_path / "e.weir"
    weir.write_file(table, path, page_rows=1000, key_columns=["user", "word"])
    assert marker.encode() in path.read_bytes()
    subprocess.run([WEIR_BIN, "file", "erase", path, "--where", "user = 7"], check=True)
    data = path.read_bytes()
    for piece in (marker[:9].encode(), marker[-9:].encode(), number.to_bytes(8, "little")):
        assert piece not in data
    check_erased(read(path), table, gone)
    assert pa.table(weir.open_file(path).lookup("user", 7)).num_rows == 0
    done = subprocess.run(
        [WEIR_BIN, "file", "verify", path], check=True, capture_output=True, text=True
    )
    assert "sound" in done.stdout
