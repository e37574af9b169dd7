# SPDX-License-Identifier: Apache-2.0
"""Care of tables by a Ray cluster: ``weir.ray.compact``, and ``weir table compact --engine ray``.

Each task calls the library that a single process calls. Workers need the package ``weir``, and
reach the catalog and its store by the address that is given here.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from typing import TYPE_CHECKING, Any

try:
    import ray
except ImportError as error:
    raise ImportError(f"{error}; weir.ray needs: pip install 'weir[ray]'") from None

from ._catalog import connect
from ._errors import ConflictError, InvalidArgumentError, WeirError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: What becomes of a task whose worker dies: Ray starts it again, so often. A group whose files were
#: replaced by then has nothing left to do.
RETRIES = 3


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
    tasks: int | None = None,
) -> dict[str, int]:
    """Compacts a table, with a task for each group of files: those of a partition (and shard).

    Every task commits by itself; writers, readers and other compactions may go on, and workers may
    die. Without ``ray.init`` before, Ray starts on this machine, or joins ``RAY_ADDRESS``.

    :param address: of the catalog, as :func:`weir.connect` takes it, with its ``properties``. A
        folder must be the same one on all workers.
    :param tasks: at a time; as many as the cluster has processors when ``None``.
    :return: the sums of what :meth:`weir.CatalogTable.compact` returns.
    :raises WeirError: the first group that failed; those of others are done, or go on.
    """
    if tasks is not None and tasks < 1:
        raise InvalidArgumentError(f"tasks is {tasks}; it takes 1 or more")
    place = _place(os.fspath(address))
    settings = dict(properties or {})
    options = {"where": where, "full": full, "sort": sort, "convert": convert, "trigger": trigger}
    with connect(place, **settings) as catalog:
        groups = catalog.table(table).plan_compaction(**options)["groups"]
    if not groups:
        return {}
    if not ray.is_initialized():
        _join(None)
    limit = tasks or max(1, int(ray.cluster_resources().get("CPU", 1)))
    total: dict[str, int] = {}
    running: list[Any] = []
    waiting = iter(groups)
    while True:
        while len(running) < limit and (files := next(waiting, None)) is not None:
            running.append(_compact_group.remote(place, settings, table, options, files))
        if not running:
            return total
        done, running = ray.wait(running, num_returns=1)
        for name, count in _result(done[0]).items():
            total[name] = total.get(name, 0) + count


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


def _result(task: Any) -> dict[str, int]:
    try:
        return dict(ray.get(task))
    except ray.exceptions.RayTaskError as error:
        # What the library said, not where Ray was when it did.
        cause = error.cause
        raise cause if isinstance(cause, WeirError) else error from None


def _join(address: str | None) -> None:
    ray.init(address=address, log_to_driver=False, logging_level=logging.WARNING)


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
    chosen = {
        "where": options.where,
        "full": options.full,
        "sort": options.sort.split(",") if options.sort else None,
        "convert": options.convert,
        "trigger": options.trigger,
    }
    properties = dict(_setting(text) for text in options.property)
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
    if options.address:
        _join(options.address)
    result = compact(
        options.catalog, options.table, properties=properties, tasks=options.tasks, **chosen
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


def _setting(text: str) -> tuple[str, str]:
    name, found, value = text.partition("=")
    if not found or not name:
        raise InvalidArgumentError(f"--property {text!r} is not of the form name=value")
    return name, value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="weir table", description="Care of tables by Ray.")
    command = parser.add_subparsers(dest="command", required=True)
    add = command.add_parser("compact", help="bring small files together").add_argument
    add("table", help="NAMESPACE.NAME")
    add("--catalog", default=os.environ.get("WEIR_CATALOG", "lake"), help="its address")
    add("--property", action="append", default=[], metavar="name=value")
    add("--where", help="only files that may hold such rows")
    add("--full", action="store_true", help="all files that are not full")
    add("--sort", help="columns, with commas")
    add("--convert", action="store_true", help="also files of another format")
    add("--trigger", type=int, help="files that make a group due")
    add("--address", help="the cluster (RAY_ADDRESS, or one of this machine's own)")
    add("--tasks", type=int, help="at a time")
    add("--dry-run", action="store_true", help="only say what would come together")
    add("--json", action="store_true")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
