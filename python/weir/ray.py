# SPDX-License-Identifier: Apache-2.0
"""Work of a Ray cluster: ``compact``, ``backfill``, ``history``, and what ``--engine ray`` runs.

Each task calls the library that a single process calls; for histories of examples, whose code is
not in the library, the program ``weir``. Workers need both, and reach the catalog and its store, or
the service, by the address that is given here.

Length: the three kinds of work share their tasks' handling and are one command line.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

try:
    import ray
except ImportError as error:
    raise ImportError(f"{error}; weir.ray needs: pip install 'weir[ray]'") from None

from ._catalog import connect
from ._errors import (
    ConflictError,
    InvalidArgumentError,
    NotFoundError,
    UnknownOutcomeError,
    WeirError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

#: What becomes of a task whose worker dies: Ray starts it again, so often. A group whose files were
#: replaced by then has nothing left to do, nor has a part of a backfill that was committed by then.
RETRIES = 3

#: Parts of a backfill for each task at a time, where values are computed: what a task holds is
#: small, and little is done again when a worker dies. From data, each part costs reading all of it.
PARTS_OF_A_TASK = 4


def compact(
    address: str | os.PathLike[str],
    table: str,
    *,
    properties: Mapping[str, object] | None = None,
    where: str | None = None,
    full: bool = False,
    sort: Sequence[str] | None = None,
    convert: bool = False,
    trigger: int | None = None,
    memory_bytes: int | None = None,
    tasks: int | None = None,
) -> dict[str, int]:
    """Compacts a table, with a task for each group of files: those of a partition (and shard).

    Every task commits by itself; writers, readers and other compactions may go on, and workers may
    die. Without ``ray.init`` before, Ray starts on this machine, or joins ``RAY_ADDRESS``.

    :param address: of the catalog, as :func:`weir.connect` takes it, with its ``properties``. A
        folder must be the same one on all workers.
    :param memory_bytes: of each task, as :meth:`weir.CatalogTable.compact` takes it.
    :param tasks: at a time; as many as the cluster has processors when ``None``.
    :return: the sums of what :meth:`weir.CatalogTable.compact` returns.
    :raises WeirError: the first group that failed; those of others are done, or go on.
    """
    _check(tasks)
    place = _place(os.fspath(address))
    settings = dict(properties or {})
    options = {"where": where, "full": full, "sort": sort, "convert": convert, "trigger": trigger}
    with connect(place, **settings) as catalog:
        groups = catalog.table(table).plan_compaction(**options)["groups"]
    options["memory_bytes"] = memory_bytes
    if not groups:
        return {}
    _join(None)
    total: dict[str, int] = {}
    calls = ((place, settings, table, options, files) for files in groups)
    for result in _results(_compact_group, calls, _limit(tasks)):
        for name, count in result.items():
            total[name] = total.get(name, 0) + count
    return total


def backfill(
    address: str | os.PathLike[str],
    table: str,
    column: str,
    data: object = None,
    *,
    properties: Mapping[str, object] | None = None,
    key: str | Sequence[str] | None = None,
    value: str | None = None,
    where: str | None = None,
    memory_bytes: int | None = None,
    tasks: int | None = None,
) -> dict[str, Any]:
    """Gives a column values, as :meth:`weir.CatalogTable.backfill` does, with a task for each part.

    The rows are those that the table has when it begins. Every task commits by itself, once;
    writers, readers and compactions may go on, and workers may die. What fails in the middle leaves
    the parts that are done, and can be done again. ``address``, ``properties`` and ``tasks`` are
    those of :func:`compact`.

    :param data: anything with ``__arrow_c_stream__``. It is read once, and goes to all tasks, each
        of which holds its keys and values in memory.
    :return: the sums of what :meth:`weir.CatalogTable.backfill` returns, with ``snapshot_ids`` and
        the number of ``parts``.
    :raises WeirError: the first part that failed; the others are done, or go on.
    """
    _check(tasks)
    place = _place(os.fspath(address))
    settings = dict(properties or {})
    options = {"key": key, "value": value, "where": where, "memory_bytes": memory_bytes}
    with connect(place, **settings) as catalog:
        target = catalog.table(table)
        _join(None)
        limit = _limit(tasks)
        parts = target.plan_backfill(limit if data is not None else limit * PARTS_OF_A_TASK)
        if not parts:
            # The column is added all the same, and what is wrong is said.
            return _filled([target.backfill(column, data, **options)], 0)
    rows = None if data is None else ray.put(_arrow(data))
    calls = ((place, settings, table, column, rows, options, part) for part in parts)
    results = list(_results(_fill_part, calls, limit))
    total = _filled(results, len(parts))
    if data is not None:
        total["source_rows"] = results[0]["source_rows"]
    return total


def history(
    url: str,
    table: str,
    project: str | os.PathLike[str] = "weir.yaml",
    *,
    token: str | None = None,
    weir: str | None = None,
    tasks: int | None = None,
) -> dict[str, int]:
    """Makes the history of a table of examples, as ``weir pipeline backfill`` has the service do.

    Each task reads all events that there are now from the service, makes the rows of its share of
    the impressions, and sends them there. The same events give the same rows under the same keys,
    so that a task whose worker died, and all of it, may be done again.

    :param url: of the service, as the workers reach it; ``token`` is what it asks for.
    :param project: the project file, or its folder; the workers need none.
    :param weir: the program, at the same place on all workers (``WEIR_BIN``, or ``weir`` in the
        path).
    :return: ``events``, ``impressions``, ``rows``, and the number of ``parts``.
    :raises WeirError: what the first task that failed says; the others are done, or go on.
    """
    _check(tasks)
    path = Path(project)
    path = path / "weir.yaml" if path.is_dir() else path
    program = weir or os.environ.get("WEIR_BIN") or "weir"
    place = (program, url, token or os.environ.get("WEIR_TOKEN"), table, path.read_text())
    _join(None)
    limit = _limit(tasks)
    parts = _ask_program(*place, f"--plan={limit}")
    calls = ((*place, f"--part={json.dumps(part)}") for part in parts)
    results = list(_results(_history_part, calls, limit))
    total = {name: sum(result[name] for result in results) for name in ("impressions", "rows")}
    return {"events": results[0]["events"], **total, "parts": len(parts)}


@ray.remote(max_retries=RETRIES, num_cpus=1)
def _history_part(*arguments: Any) -> dict[str, int]:
    return dict(_ask_program(*arguments))


def _ask_program(
    program: str, url: str, token: str | None, table: str, project: str, option: str
) -> Any:
    """What ``weir pipeline backfill`` says; it sees the project file by the text."""
    environment = {**os.environ, **({"WEIR_TOKEN": token} if token else {})}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "weir.yaml")
        file.write_text(project)
        words = ["pipeline", "backfill", table, "--url", url, "--project", str(file), option]
        # Where Linux can, it ends with a worker that is killed: Ray starts the task again.
        tie = shutil.which("setpriv") if shutil.which(program) else None
        command = [tie, "--pdeathsig", "KILL", program] if tie else [program]
        try:
            done = subprocess.run(
                [*command, *words], env=environment, capture_output=True, text=True, check=False
            )
        except OSError as error:
            raise NotFoundError(
                f"the program {program} cannot be started: {error}; name it by WEIR_BIN, and have "
                "it at the same place on all workers"
            ) from None
    if done.returncode:
        raise WeirError(done.stderr.strip().replace("error: ", "", 1))
    return json.loads(done.stdout)


def _filled(results: list[dict[str, Any]], parts: int) -> dict[str, Any]:
    names = ("rows", "rows_without_value", "source_rows", "column_files", "bytes")
    total: dict[str, Any] = {name: sum(result[name] for result in results) for name in names}
    total["added_column"] = any(result["added_column"] for result in results)
    ids = [result["snapshot_id"] for result in results]
    total["snapshot_ids"] = [number for number in ids if number is not None]
    total["parts"] = parts
    return total


def _arrow(data: object) -> Any:
    import pyarrow

    return pyarrow.table(data)


@ray.remote(max_retries=RETRIES, retry_exceptions=[ConflictError], num_cpus=1)
def _compact_group(
    address: str,
    properties: dict[str, object],
    table: str,
    options: dict[str, Any],
    files: list[str],
) -> dict[str, int]:
    with connect(address, **properties) as catalog:
        return catalog.table(table).compact(files=files, **options)


@ray.remote(max_retries=RETRIES, retry_exceptions=[ConflictError, UnknownOutcomeError], num_cpus=1)
def _fill_part(
    address: str,
    properties: dict[str, object],
    table: str,
    column: str,
    rows: object,
    options: dict[str, Any],
    part: dict[str, object],
) -> dict[str, Any]:
    with connect(address, **properties) as catalog:
        return catalog.table(table).backfill(column, rows, part=part, **options)


def _results(
    function: Any, calls: Iterator[tuple[object, ...]], limit: int
) -> Iterator[dict[str, Any]]:
    """Calls a task for each tuple, ``limit`` at a time; gives the results as they come."""
    running: list[Any] = []
    while True:
        while len(running) < limit and (arguments := next(calls, None)) is not None:
            running.append(function.remote(*arguments))
        if not running:
            return
        done, running = ray.wait(running, num_returns=1)
        yield _result(done[0])


def _result(task: Any) -> dict[str, int]:
    try:
        return dict(ray.get(task))
    except ray.exceptions.RayTaskError as error:
        # What the library said, not where Ray was when it did.
        cause = error.cause
        raise cause if isinstance(cause, WeirError) else error from None


def _join(address: str | None) -> None:
    if not ray.is_initialized():
        ray.init(address=address, log_to_driver=False, logging_level=logging.WARNING)


def _check(tasks: int | None) -> None:
    if tasks is not None and tasks < 1:
        raise InvalidArgumentError(f"tasks is {tasks}; it takes 1 or more")


def _limit(tasks: int | None) -> int:
    return tasks or max(1, int(ray.cluster_resources().get("CPU", 1)))


def _place(address: str) -> str:
    """The address as workers in other folders understand it."""
    if address.startswith("sqlite:"):
        return "sqlite:" + os.path.abspath(address[len("sqlite:") :])
    if address == "memory:":
        raise InvalidArgumentError("a catalog in memory is of one process; Ray's workers see none")
    return address if "://" in address else os.path.abspath(address)


def main(arguments: list[str] | None = None) -> int:
    """Runs ``python -m weir.ray``; returns its exit status."""
    options = _parser().parse_args(arguments)
    try:
        return _run(options)
    except (WeirError, ConnectionError, ray.exceptions.RayError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _run(options: argparse.Namespace) -> int:
    properties = dict(_setting(text) for text in options.property)
    # What a task says is said once, also where several say it.
    os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")
    if options.address:
        _join(options.address)
    return int(options.run(options, properties))


def _run_compact(options: argparse.Namespace, properties: dict[str, str]) -> int:
    chosen = {
        "where": options.where,
        "full": options.full,
        "sort": options.sort.split(",") if options.sort else None,
        "convert": options.convert,
        "trigger": options.trigger,
    }
    if options.dry_run:
        with connect(_place(options.catalog), **properties) as catalog:
            plan = catalog.table(options.table).plan_compaction(**chosen)
        plan["groups"] = len(plan["groups"])
        if options.json:
            print(json.dumps(plan))
        else:
            print(
                f"{plan['groups']} groups of {plan['files']} files ({plan['bytes']:,} bytes) "
                "would come together, each by a task."
            )
        return 0
    result = compact(
        options.catalog,
        options.table,
        properties=properties,
        memory_bytes=None if options.memory is None else options.memory << 20,
        tasks=options.tasks,
        **chosen,
    )
    if options.json:
        print(json.dumps(result))
    elif not result.get("groups"):
        print("There is nothing to bring together.")
    else:
        print(
            f"Brought {result['files']} files ({result['bytes']:,} bytes) into "
            f"{result['new_files']} ({result['new_bytes']:,} bytes), {result['rows']:,} rows, "
            f"by {result['groups']} tasks."
        )
    return 0


def _run_backfill(options: argparse.Namespace, properties: dict[str, str]) -> int:
    result = backfill(
        options.catalog,
        options.table,
        options.column,
        _stream(options.rows) if options.rows else None,
        properties=properties,
        key=options.key.split(",") if options.key else None,
        value=options.value,
        where=options.where,
        memory_bytes=None if options.memory is None else options.memory << 20,
        tasks=options.tasks,
    )
    if options.json:
        print(json.dumps({"column": options.column, **result}))
        return 0
    missing = result["rows_without_value"]
    print(
        f"Filled {options.column}{' (new)' if result['added_column'] else ''} of "
        f"{result['rows']:,} rows"
        + (f"; {missing:,} have no value in the source" if missing else "")
        + f": {result['column_files']} column files, {result['bytes']:,} bytes, "
        f"by {result['parts']} tasks."
    )
    return 0


def _run_history(options: argparse.Namespace, _: dict[str, str]) -> int:
    done = history(
        options.url, options.table, options.project, weir=options.weir, tasks=options.tasks
    )
    if options.json:
        print(json.dumps(done))
    else:
        print(
            f"{options.table}: {done['rows']} examples of {done['impressions']} impressions, from "
            f"{done['events']} events, by {done['parts']} tasks"
        )
    return 0


def _stream(path: str) -> Any:
    import pyarrow

    with open(path, "rb") as file, pyarrow.ipc.open_stream(file) as reader:
        return reader.read_all()


def _setting(text: str) -> tuple[str, str]:
    name, found, value = text.partition("=")
    if not found or not name:
        raise InvalidArgumentError(f"--property {text!r} is not of the form name=value")
    return name, value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m weir.ray", description="Work of Ray.")
    command = parser.add_subparsers(dest="command", required=True)
    for name, run, text in [
        ("compact", _run_compact, "bring small files together"),
        ("backfill", _run_backfill, "fill a column"),
        ("history", _run_history, "make the history of examples"),
    ]:
        own = command.add_parser(name, help=text)
        own.set_defaults(run=run)
        add = own.add_argument
        add("table", help="NAMESPACE.NAME")
        add("--address", help="the cluster (RAY_ADDRESS, or one of this machine's own)")
        add("--tasks", type=int, help="at a time")
        add("--json", action="store_true")
        add("--property", action="append", default=[], metavar="name=value")
        if name == "history":
            add("--url", required=True, help="of the service")
            add("--project", default="weir.yaml", help="its file or folder")
            add("--weir", help="the program (WEIR_BIN, or weir)")
            continue
        add("--catalog", default=os.environ.get("WEIR_CATALOG", "lake"), help="its address")
        if name == "compact":
            add("--where", help="only files that may hold such rows")
            add("--full", action="store_true", help="all files that are not full")
            add("--sort", help="columns, with commas")
            add("--convert", action="store_true", help="also files of another format")
            add("--trigger", type=int, help="files that make a group due")
            add("--memory", type=int, help="MB for rows that are sorted, of each task")
            add("--dry-run", action="store_true", help="only say what would come together")
        else:
            add("--column", required=True, help="the column to fill")
            add("--rows", help="keys and values, an Arrow IPC stream (the table's own rows)")
            add("--key", help="columns, with commas")
            add("--value", help="a column of the rows, or an expression")
            add("--where", help="without --rows: only such rows")
            add("--memory", type=int, help="MB for keys and values")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
