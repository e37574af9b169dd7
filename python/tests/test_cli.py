# SPDX-License-Identifier: Apache-2.0
# Length: one file per program, so that its fixtures and helpers are shared.
"""The command line, as a user meets it: exit codes, errors, JSON, files of and for pyarrow.

The binary is .build/release/weir, or what WEIR_BIN names.
"""

from __future__ import annotations

import datetime
import decimal
import gzip
import json
import math
import os
import random
import subprocess
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
BINARY = Path(os.environ.get("WEIR_BIN", ROOT / ".build" / "release" / "weir")).resolve()

pytestmark = pytest.mark.skipif(not BINARY.exists(), reason=f"{BINARY} is not built")


def weir(*arguments, code=0, **environment):
    """Runs weir and returns its standard output; fails unless it exits with `code`."""
    done = subprocess.run(
        [str(BINARY), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        env={"PATH": os.environ["PATH"], **environment},
    )
    assert done.returncode == code, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    for stream in (done.stdout, done.stderr):
        assert "Fatal error" not in stream
        assert "Stack dump" not in stream
    return done


def sample(rows=5_000):
    generator = random.Random(7)
    ids = list(range(rows))
    return pa.table(
        {
            "id": pa.array(ids, pa.int64()),
            "small": pa.array([i % 100 if i % 7 else None for i in ids], pa.int8()),
            "unsigned": pa.array([2**64 - 1 - i for i in ids], pa.uint64()),
            "real": pa.array([generator.gauss(0, 1) for _ in ids], pa.float64()),
            "name": pa.array([f"name {i % 50}" if i % 11 else None for i in ids]),
            "when": pa.array(
                [datetime.datetime(2026, 1, 1) + datetime.timedelta(seconds=i) for i in ids],
                pa.timestamp("us", tz="UTC"),
            ),
            "flag": pa.array([i % 3 == 0 for i in ids]),
            "tags": pa.array([["a", "b"][: i % 3] if i % 5 else None for i in ids]),
            "point": pa.array([{"x": i, "y": float(i)} for i in ids]),
        }
    )


@pytest.fixture(scope="module")
def table():
    return sample()


@pytest.fixture(scope="module")
def parquet(table, tmp_path_factory):
    path = tmp_path_factory.mktemp("cli") / "sample.parquet"
    pq.write_table(
        table,
        path,
        row_group_size=2_000,
        compression="zstd",
        write_page_index=True,
        write_page_checksum=True,
    )
    return path


# Help, versions, wrong arguments.


@pytest.mark.parametrize(
    "arguments",
    [[], ["--help"], ["file", "--help"], ["demo", "--help"]]
    + [["file", name, "--help"] for name in ("inspect", "head", "convert", "verify")],
)
def test_help(arguments):
    assert "USAGE: weir" in weir(*arguments).stdout


@pytest.mark.parametrize("name", ["inspect", "head", "convert", "verify"])
def test_help_has_examples(name):
    assert "Examples:" in weir("file", name, "--help").stdout


def test_version():
    assert weir("--version").stdout.startswith("weir 0.")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell):
    assert "inspect" in weir("--generate-completion-script", shell).stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["frobnicate"],
        ["file", "inspect"],
        ["file", "inspect", "a.parquet", "--frobnicate"],
        ["file", "head", "-n", "-1", "a.parquet"],
        ["file", "head", "-n", "ten", "a.parquet"],
        ["file", "head", "--columns", "a,,b", "a.parquet"],
        ["file", "convert", "a.parquet"],
        ["file", "convert", "a.parquet", "b.unknown"],
        ["file", "convert", "a.parquet", "b.parquet", "--codec", "lzma"],
        ["file", "convert", "a.parquet", "b.parquet", "--codec", "lz4"],
        ["file", "convert", "a.parquet", "b.parquet", "--level", "99"],
        ["file", "convert", "a.parquet", "b.parquet", "--codec", "snappy", "--level", "1"],
        ["file", "convert", "a.parquet", "b.parquet", "--page-bytes", "zero"],
        ["file", "convert", "a.parquet", "b.arrow", "--bloom", "a"],
        ["file", "verify"],
        ["demo", "--rows", "0"],
        ["demo", "--synthetic", "--data", "x"],
    ],
)
def test_wrong_arguments(arguments):
    done = weir(*arguments, code=64)
    assert done.stdout == ""
    assert done.stderr.startswith("Error: ")


# Files that are not there, not readable, not what they say.


@pytest.mark.parametrize(
    "command", [["inspect"], ["head"], ["verify"], ["inspect", "--json"], ["head", "--json"]]
)
def test_missing_file(command, tmp_path):
    done = weir("file", *command, tmp_path / "missing.parquet", code=1)
    assert "missing.parquet" in done.stdout + done.stderr
    assert "\n\n" not in done.stderr


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1PAR1", b"PAR1" + b"\0" * 40 + b"PAR1"])
@pytest.mark.parametrize("command", ["inspect", "head", "verify"])
def test_damaged_footer(command, content, tmp_path):
    path = tmp_path / "damaged.parquet"
    path.write_bytes(content)
    done = weir("file", command, path, code=1)
    assert "damaged.parquet" in done.stdout + done.stderr


def test_other_files(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("hello")
    assert "not a file that weir reads" in weir("file", "head", path, code=1).stderr
    assert weir("file", "inspect", tmp_path, code=1).stderr.startswith("weir: error: ")


def test_missing_column(parquet):
    for command in ("inspect", "head"):
        done = weir("file", command, parquet, "--columns", "id,nothing", code=1)
        assert "'nothing'" in done.stderr
        assert "id, small" in done.stderr


# inspect


def test_inspect_agrees_with_pyarrow(parquet):
    shown = json.loads(weir("file", "inspect", parquet, "--json").stdout)
    metadata = pq.read_metadata(parquet)
    assert shown["format"] == "parquet"
    assert shown["rows"] == metadata.num_rows
    assert shown["bytes"] == parquet.stat().st_size
    assert shown["created_by"] == metadata.created_by
    assert [field["name"] for field in shown["schema"]] == pq.read_schema(parquet).names
    assert len(shown["row_groups"]) == metadata.num_row_groups
    for index, group in enumerate(shown["row_groups"]):
        theirs = metadata.row_group(index)
        assert group["index"] == index
        assert group["rows"] == theirs.num_rows
        assert group["uncompressed_bytes"] == theirs.total_byte_size
        for position, chunk in enumerate(group["columns"]):
            check_chunk(chunk, theirs.column(position))


def check_chunk(chunk, theirs):
    assert chunk["path"] == theirs.path_in_schema
    assert chunk["codec"] == theirs.compression
    assert set(chunk["encodings"]) == set(theirs.encodings)
    assert chunk["values"] == theirs.num_values
    assert chunk["compressed_bytes"] == theirs.total_compressed_size
    assert chunk["uncompressed_bytes"] == theirs.total_uncompressed_size
    assert chunk["data_page_offset"] == theirs.data_page_offset
    assert chunk["dictionary_page_offset"] == theirs.dictionary_page_offset
    statistics = theirs.statistics
    assert chunk["nulls"] == statistics.null_count
    assert same(chunk["min"], statistics.min), (chunk["min"], statistics.min)
    assert same(chunk["max"], statistics.max), (chunk["max"], statistics.max)


def same(ours, theirs):
    if isinstance(theirs, datetime.datetime):
        return ours == theirs.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(theirs, float):
        return math.isclose(ours, theirs, rel_tol=1e-12)
    return ours == theirs


def test_inspect_pages(parquet):
    shown = json.loads(
        weir("file", "inspect", parquet, "--json", "--pages", "--columns", "id,point").stdout
    )
    assert [column["path"] for column in shown["columns"]] == ["id", "point.x", "point.y"]
    size = parquet.stat().st_size
    for group in shown["row_groups"]:
        for chunk in group["columns"]:
            data = [page for page in chunk["pages"] if page["kind"] != "dictionary"]
            assert sum(page["values"] for page in data) == chunk["values"]
            assert [page["index"] for page in data] == list(range(len(data)))
            bytes_ = sum(p["header_bytes"] + p["compressed_bytes"] for p in chunk["pages"])
            assert bytes_ == chunk["compressed_bytes"]
            assert all(0 < page["offset"] < size and page["checksum"] for page in chunk["pages"])


def test_inspect_for_people(parquet):
    text = weir("file", "inspect", parquet, "--pages").stdout
    for word in ("5,000 rows", "Columns", "Values", "Row groups", "Pages", "tags.list.element"):
        assert word in text
    assert "\x1b" not in text
    narrow = weir("file", "inspect", parquet, COLUMNS="80").stdout
    assert max(len(line) for line in narrow.splitlines()) <= 80


def test_colours(parquet):
    assert "\x1b[" in weir("file", "inspect", parquet, CLICOLOR_FORCE="1").stdout
    forced = weir("file", "inspect", parquet, CLICOLOR_FORCE="1", NO_COLOR="1").stdout
    assert "\x1b" not in forced


def test_hostile_names_do_not_reach_the_terminal(tmp_path):
    path = tmp_path / "hostile.parquet"
    pq.write_table(pa.table({"a\x1b[31mb\nc": ["x\x1b]0;title\x07y"]}), path)
    for command in (["inspect", "--pages"], ["head"], ["verify"]):
        text = weir("file", *command, path).stdout
        assert "\x1b" not in text
        assert "\x07" not in text


# head


def test_head_json(parquet, table):
    lines = weir("file", "head", parquet, "-n", "2500", "--json").stdout.splitlines()
    assert len(lines) == 2500
    for line, row in zip(lines, table.slice(0, 2500).to_pylist()):
        shown = json.loads(line)
        assert list(shown) == list(row)
        for name in ("id", "small", "unsigned", "real", "name", "flag", "tags", "point"):
            assert shown[name] == row[name]
        assert shown["when"] == row["when"].strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def test_head_table(parquet):
    text = weir("file", "head", parquet, "-n", "3", "--columns", "name,id").stdout
    lines = text.splitlines()
    assert len(lines) == 5
    assert lines[0].split() == ["name", "id"]
    assert lines[1].split() == ["utf8", "int64"]
    assert lines[2].split() == ["∅", "0"]
    assert len(weir("file", "head", parquet, "-n", "0").stdout.splitlines()) >= 2


@pytest.mark.parametrize("name", ["rows.arrow", "rows.arrows", "rows.csv", "rows.csv.gz"])
def test_head_of_other_formats(name, table, tmp_path):
    path = tmp_path / name
    plain = table.select(["id", "real", "name", "flag"])
    if name.endswith(".arrow"):
        with pa.ipc.new_file(path, plain.schema) as writer:
            writer.write_table(plain)
    elif name.endswith(".arrows"):
        with pa.ipc.new_stream(path, plain.schema) as writer:
            writer.write_table(plain)
    else:
        text = pa.BufferOutputStream()
        pa.csv.write_csv(plain, text)
        content = text.getvalue().to_pybytes()
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    lines = weir("file", "head", path, "-n", "100", "--json").stdout.splitlines()
    assert [json.loads(line) for line in lines] == plain.slice(0, 100).to_pylist()


def test_head_into_a_closed_pipe(parquet):
    done = subprocess.run(
        ["bash", "-c", f"'{BINARY}' file head -n 5000 --json '{parquet}' | head -n 1"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0
    assert done.stderr == ""
    assert json.loads(done.stdout)["id"] == 0


# convert


@pytest.mark.parametrize("codec", ["none", "snappy", "gzip", "zstd", "lz4_raw", "brotli"])
def test_convert_to_parquet(codec, parquet, table, tmp_path):
    target = tmp_path / "out.parquet"
    weir("file", "convert", parquet, target, "--codec", codec)
    assert pq.read_table(target).equals(table)
    weir("file", "verify", target)


def test_convert_options(parquet, table, tmp_path):
    target = tmp_path / "out.parquet"
    options = ["--columns", "id,name", "--row-group-bytes", "20000", "--page-bytes", "4KiB"]
    weir("file", "convert", parquet, target, *options, "--bloom", "id", "--level", "9")
    assert pq.read_table(target).equals(table.select(["id", "name"]))
    shown = json.loads(weir("file", "inspect", target, "--json", "--pages").stdout)
    assert len(shown["row_groups"]) > 1
    assert [column["bloom_filter"] for column in shown["columns"]] == [True, False]
    weir("file", "convert", parquet, tmp_path / "old.parquet", "--compatible", "--no-dictionary")
    old = json.loads(weir("file", "inspect", tmp_path / "old.parquet", "--json").stdout)
    assert all(set(c["encodings"]) <= {"PLAIN", "RLE"} for c in old["columns"])


@pytest.mark.parametrize("codec", ["none", "zstd", "lz4"])
def test_convert_to_arrow(codec, parquet, table, tmp_path):
    weir("file", "convert", parquet, tmp_path / "out.arrow", "--codec", codec)
    assert pa.ipc.open_file(tmp_path / "out.arrow").read_all().equals(table)
    weir("file", "convert", parquet, tmp_path / "out.arrows", "--codec", codec)
    assert pa.ipc.open_stream(tmp_path / "out.arrows").read_all().equals(table)
    weir("file", "convert", tmp_path / "out.arrows", tmp_path / "back.parquet")
    assert pq.read_table(tmp_path / "back.parquet").equals(table)


def test_convert_csv(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text(
        'id,price,day,ok,zip,text\r\n1,2.5,2026-01-31 10:00:00,true,01234,"a, ""b"""\r\n2,,,,,\n'
    )
    weir("file", "convert", path, tmp_path / "out.parquet")
    day = datetime.datetime(2026, 1, 31, 10, tzinfo=datetime.timezone.utc)
    assert pq.read_table(tmp_path / "out.parquet").to_pylist() == [
        {"id": 1, "price": 2.5, "day": day, "ok": True, "zip": "01234", "text": 'a, "b"'},
        {"id": 2, "price": None, "day": None, "ok": None, "zip": None, "text": None},
    ]


def test_convert_bad_csv_names_the_line(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text("id,x\n" + "".join(f"{i},{i}\n" for i in range(9_000)) + "9000,nine\n")
    done = weir("file", "convert", path, tmp_path / "out.parquet", code=1)
    assert "in.csv:9002:" in done.stderr
    assert '"nine"' in done.stderr
    assert not list(tmp_path.glob("*out*"))


def test_convert_keeps_what_is_there(parquet, tmp_path):
    target = tmp_path / "out.parquet"
    target.write_text("precious")
    done = weir("file", "convert", parquet, target, code=1)
    assert "--force" in done.stderr
    assert target.read_text() == "precious"
    weir("file", "convert", parquet, target, "--force")
    assert pq.read_metadata(target).num_rows == 5_000
    # Onto itself.
    weir("file", "convert", target, target, "--force", "--codec", "gzip")
    assert pq.read_metadata(target).num_rows == 5_000


def test_convert_into_a_missing_folder(parquet, tmp_path):
    done = weir("file", "convert", parquet, tmp_path / "no" / "out.parquet", code=1)
    assert done.stderr.startswith("weir: error: ")


# verify


def test_verify_sound_files(parquet):
    done = weir("file", "verify", parquet, parquet)
    assert done.stdout.count("sound") == 2
    shown = json.loads(weir("file", "verify", "--json", parquet).stdout)
    assert shown["ok"]
    assert shown["problems"] == []
    assert shown["checksums"] == shown["pages"] > 0


def test_verify_finds_every_damaged_page(parquet, tmp_path):
    layout = json.loads(weir("file", "inspect", parquet, "--json", "--pages").stdout)
    content = bytearray(parquet.read_bytes())
    damaged = []
    for group in layout["row_groups"]:
        for chunk in group["columns"]:
            if chunk["path"] not in ("real", "point.y"):
                continue
            page = chunk["pages"][-1]
            at = page["offset"] + page["header_bytes"] + page["compressed_bytes"] // 2
            content[at] ^= 0x55
            damaged.append((group["index"], chunk["path"], page["index"], page["offset"]))
    path = tmp_path / "damaged.parquet"
    path.write_bytes(content)
    shown = json.loads(weir("file", "verify", "--json", path, code=1).stdout)
    found = [(p["row_group"], p["column"], p["page"], p["byte"]) for p in shown["problems"]]
    assert not shown["ok"]
    assert found == damaged
    assert all("checksum" in problem["message"] for problem in shown["problems"])
    # For people, too, with an exit code that scripts can use.
    text = weir("file", "verify", path, parquet, code=1).stdout
    assert f"{len(damaged)} problems" in text
    assert "1 of 2 files" in text
    assert "checksum" in weir("file", "convert", path, tmp_path / "x.parquet", code=1).stderr


def test_verify_finds_false_statistics(tmp_path):
    """A bound in the footer that the values do not keep."""
    path = tmp_path / "liar.parquet"
    pq.write_table(
        pa.table({"n": pa.array([0x0102030405060708, 5], pa.int64())}),
        path,
        use_dictionary=False,
        compression="none",
    )
    content = path.read_bytes()
    value = (0x0102030405060708).to_bytes(8, "little")
    start = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    assert value in content[start:]
    path.write_bytes(content[:start] + content[start:].replace(value, b"\x06" + b"\0" * 7))
    shown = json.loads(weir("file", "verify", "--json", path, code=1).stdout)
    assert any("no value is above 6" in problem["message"] for problem in shown["problems"])


def test_verify_looks_into_bloom_filters(parquet, tmp_path):
    path = tmp_path / "bloom.parquet"
    columns = "id,small,unsigned,name,when"
    weir("file", "convert", parquet, path, "--columns", columns, "--bloom", columns)
    weir("file", "verify", path)
    content = bytearray(path.read_bytes())
    offset = (
        pq.ParquetFile(path).metadata.row_group(0).column(3).to_dict().get("bloom_filter_offset")
    )
    if offset is None:
        pytest.skip("this pyarrow does not tell where bloom filters lie")
    content[offset + 32 : offset + 64] = bytes(32)
    path.write_bytes(content)
    shown = json.loads(weir("file", "verify", "--json", path, code=1).stdout)
    assert any("bloom filter denies" in problem["message"] for problem in shown["problems"])


def awkward(rows=1_000):
    """Columns whose statistics are easily got wrong."""
    generator = random.Random(5)

    def column(make):
        return [None if generator.random() < 0.2 else make() for _ in range(rows)]

    def text():
        return "".join(generator.choices("aé日\U0001f600z", k=generator.randint(0, 90)))

    def floating():
        return generator.choice([0.0, -0.0, math.nan, math.inf, generator.gauss(0, 1)])

    return pa.table(
        {
            "i8": pa.array(column(lambda: generator.randint(-128, 127)), pa.int8()),
            "u32": pa.array(column(lambda: generator.randint(0, 2**32 - 1)), pa.uint32()),
            "u64": pa.array(column(lambda: generator.randint(0, 2**64 - 1)), pa.uint64()),
            "f32": pa.array(column(floating), pa.float32()),
            "f64": pa.array(column(floating), pa.float64()),
            "nan": [math.nan] * rows,
            "text": column(text),
            "bytes": column(lambda: generator.randbytes(generator.randint(0, 100))),
            "decimal": pa.array(
                column(lambda: decimal.Decimal(generator.randint(-(10**20), 10**20))),
                pa.decimal128(25, 3),
            ),
            "date": pa.array(column(lambda: generator.randint(-9_999, 9_999)), pa.date32()),
            "date64": pa.array(
                column(lambda: generator.randint(-999, 999) * 86_400_000), pa.date64()
            ),
            "seconds": pa.array(column(lambda: generator.randint(-9, 9)), pa.timestamp("s")),
            "time": pa.array(column(lambda: generator.randint(0, 86_399)), pa.time32("s")),
            "flag": column(lambda: generator.random() < 0.5),
            "fixed": pa.array(column(lambda: generator.randbytes(5)), pa.binary(5)),
            "kind": pa.array(column(lambda: generator.choice("abc"))).dictionary_encode(),
            "list": column(lambda: [generator.choice([None, 1])] * generator.randint(0, 3)),
            "struct": column(lambda: {"a": generator.choice([None, 1, 2])}),
            "nulls": pa.nulls(rows, pa.int32()),
            "sorted": list(range(rows)),
        }
    )


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"write_page_index": True, "data_page_size": 500, "row_group_size": 300},
        {"use_dictionary": False, "data_page_version": "2.0", "write_page_index": True},
        {"write_statistics": False},
        {"use_deprecated_int96_timestamps": True},
    ],
)
def test_verify_raises_no_false_alarm(options, tmp_path):
    pq.write_table(awkward(), tmp_path / "theirs.parquet", **options)
    pages = ["--page-bytes", "1000", "--row-group-bytes", "50000"]
    weir("file", "convert", tmp_path / "theirs.parquet", tmp_path / "ours.parquet", *pages)
    weir("file", "verify", tmp_path / "theirs.parquet", tmp_path / "ours.parquet")


CONFORMANCE = (
    Path(os.environ.get("WEIR_CONFORMANCE", ROOT.parent / "shared" / "conformance")) / "parquet"
)


@pytest.mark.skipif(not CONFORMANCE.exists(), reason="the conformance files are not there")
def test_verify_knows_others_bloom_filters():
    for name in ("data_index_bloom_encoding_stats", "data_index_bloom_encoding_with_length"):
        weir("file", "verify", CONFORMANCE / f"{name}.parquet")


def test_verify_never_crashes_on_damage(parquet, tmp_path):
    generator = random.Random(11)
    original = parquet.read_bytes()
    path = tmp_path / "fuzzed.parquet"
    for _ in range(60):
        content = bytearray(original)
        for _ in range(generator.randint(1, 4)):
            content[generator.randrange(len(content))] = generator.randrange(256)
        if generator.random() < 0.2:
            content = content[: generator.randrange(len(content))]
        path.write_bytes(content)
        for command in (["verify"], ["inspect", "--pages"]):
            done = subprocess.run(
                [str(BINARY), "file", *command, str(path)], capture_output=True, timeout=60
            )
            assert done.returncode in (0, 1), done.stderr[-2000:]


# demo


def test_demo_of_a_synthetic_world(tmp_path):
    arguments = ["demo", "--synthetic", "--rows", "20000", "--seed", "3"]
    text = weir(*arguments, "--out", tmp_path / "a").stdout
    for word in ("20,000 events", "Events by kind", "Top items", "Click rate", "file inspect"):
        assert word in text
    for line in text.splitlines():
        # Paths are as long as they are.
        assert len(line) <= 100 or str(BINARY) in line or str(tmp_path) in line
    weir(*arguments, "--out", tmp_path / "b")
    for name in ("events", "items", "users"):
        first = tmp_path / "a" / "synthetic" / f"{name}.parquet"
        second = tmp_path / "b" / "synthetic" / f"{name}.parquet"
        assert first.read_bytes() == second.read_bytes()
    events = pq.read_table(tmp_path / "a" / "synthetic" / "events.parquet")
    assert events.num_rows == 20_000
    assert events.schema.field("event_time").type == pa.timestamp("ms", tz="UTC")
    kinds = set(events["event"].to_pylist())
    assert kinds == {"impression", "click", "watch", "like"}
    items = pq.read_table(tmp_path / "a" / "synthetic" / "items.parquet", columns=["item_id"])
    assert set(events["item_id"].to_pylist()) <= set(items["item_id"].to_pylist())


def test_demo_without_its_data(tmp_path):
    done = weir("demo", "--data", tmp_path, "--out", tmp_path / "out", code=1)
    assert "no data set was found" in done.stderr
    assert "xwines/" in done.stderr
    assert not (tmp_path / "out").exists()


def test_demo_with_a_bad_line(tmp_path):
    (tmp_path / "retailrocket").mkdir()
    with gzip.open(tmp_path / "retailrocket" / "events.csv.gz", "wt") as sink:
        sink.write("timestamp,user_id,item_id,event\n1430623510,1,2,view\n1430623510,x,2,view\n")
    done = weir("demo", "--data", tmp_path, "--out", tmp_path / "out", code=1)
    assert "events.csv.gz:3:" in done.stderr
    assert '"user_id"' in done.stderr


DATA = Path(os.environ.get("WEIR_DATA", ROOT.parent / "shared" / "data"))


@pytest.mark.skipif(not DATA.exists(), reason="the real data is not there")
def test_demo_of_real_data(tmp_path):
    text = weir("demo", "--data", DATA, "--out", tmp_path).stdout
    for word in ("150,000 events", "97,381 events", "CC BY-NC-SA 4.0", "ZOZO", "Rogério"):
        assert word in text
    ratings = pq.read_table(tmp_path / "xwines" / "events.parquet")
    assert ratings.num_rows == 150_000
    theirs = pa.csv.read_csv(DATA / "xwines" / "ratings.csv.gz")
    assert ratings["user_id"].equals(theirs["UserID"])
    assert ratings["value"].to_pylist() == theirs["Rating"].to_pylist()
    utc = theirs["Date"].cast(pa.timestamp("ms")).to_pylist()
    assert [time.replace(tzinfo=None) for time in ratings["event_time"].to_pylist()] == utc
    weir("file", "verify", *tmp_path.glob("*/*.parquet"))
