# SPDX-License-Identifier: Apache-2.0
"""The command line: ``weir evaluate``, ``python -m weir.evaluate``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .._errors import InvalidArgumentError, WeirError
from . import report
from ._baselines import EASE, ItemToItem, Popularity, Recommender
from ._interactions import Interactions, read, read_lists
from ._run import Evaluation, compare, evaluate, measure, pool
from ._served import served
from ._service import Surface
from ._splits import Split, rolling_splits, split_by_lists, split_by_time, split_last_item

_DAY = 86_400.0
_RECOMMENDERS: dict[str, Callable[[argparse.Namespace], Recommender]] = {
    "popularity": lambda _: Popularity(),
    "trending": lambda options: Popularity(options.half_life * _DAY),
    "item-to-item": lambda options: ItemToItem(
        options.shrinkage, options.decay, options.history, options.neighbours
    ),
    "ease": lambda options: EASE(options.regularisation),
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="weir evaluate",
        description="Ranks all items for users whose later events are held out, and compares.",
        epilog="Examples: weir evaluate ratings.csv --user UserID --item WineID --time Date; "
        "weir evaluate shop.events --url http://127.0.0.1:8181 --surface home --before 2026-11-01",
    )
    add = parser.add_argument
    add(
        "events",
        nargs="?",
        help="a CSV or Parquet file, a stream of a service, or a published split: a "
        "file of users' lists (.txt), or its training part with --test",
    )
    add("--user", default="user_id", help="the column of users (%(default)s)")
    add("--item", default="item_id", help="the column of items (%(default)s)")
    add("--time", default="event_time", help="the column of times (%(default)s)")
    add(
        "--where",
        action="append",
        default=[],
        metavar="COLUMN=VALUE",
        help="only events with that value; more than one value of a column: any of them",
    )
    add(
        "--split",
        choices=["time", "last"],
        default="time",
        help="one moment for all, or each user's last item (%(default)s)",
    )
    add("--fraction", type=float, default=0.8, help="of events known (%(default)s)")
    add(
        "--splits",
        type=int,
        default=1,
        help="so many moments from --fraction on, each asked for what came until the next; users "
        "of all of them are pooled (%(default)s)",
    )
    add("--before", metavar="TIME", help="events before it are known, instead of --fraction")
    add("--test", help="lists held out; EVENTS then is the lists known")
    add("--repeats", action="store_true", help="items met before are asked for and ranked, too")
    add("--known-items", action="store_true", help="ask only for items somebody met before")
    add("--known-users", action="store_true", help="ask only users who met something before")
    add(
        "--recommenders",
        nargs="*",
        default=["popularity", "trending", "item-to-item"],
        choices=list(_RECOMMENDERS),
        help="(%(default)s)",
    )
    add("--half-life", type=float, default=30.0, help="of trending, in days (%(default)s)")
    add("--shrinkage", type=float, default=10.0, help="of item-to-item (%(default)s)")
    add("--decay", type=float, default=0.9, help="of a user's older items (%(default)s)")
    add("--history", type=int, help="items of a user that count (all)")
    add("--neighbours", type=int, help="of an item that count (all)")
    add("--regularisation", type=float, default=300.0, help="of EASE (%(default)s)")
    add("--url", help="a running service")
    add("--token", help="to send to it")
    add("--surface", help="of the service, which must know the training part only")
    add("--served", metavar="LOG", help="a request log: how served scores ordered what was shown")
    add("--examples", help="with --served: the training examples of its requests")
    add("--label", help="with --served: the label")
    add("--users", type=int, help="test this many users, drawn by --seed, instead of all")
    add("-k", "--k", type=int, nargs="+", default=[10, 20], help="lengths of lists")
    add("--seed", type=int, default=0)
    add("--json", type=Path, help="write the result there")
    add("--html", type=Path, help="write a page with plots there")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if min(options.k) < 1:
        parser.error("-k takes lengths of 1 and more")
    if options.served and not (options.url and options.examples and options.label):
        parser.error("--served needs --url, --examples and --label")
    if not options.served and options.events is None:
        parser.error("say which events; --help tells")
    try:
        if options.served:
            return _served(options)
        splits = _splits(options)
        parts = [_evaluations(options, split) for split in splits]
    except (WeirError, ImportError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    evaluations = [pool(of, seed=options.seed) if len(of) > 1 else of[0] for of in zip(*parts)]
    count, protocol = sum(len(split.users) for split in splits), splits[-1].protocol
    if len(splits) > 1:
        people = len(set(evaluations[0].users.tolist())) if evaluations else 0
        protocol = (
            f"{len(splits)} moments, each asked for what came until the next, {people:,} users "
            f"pooled, drawn together in intervals; the last: {protocol}"
        )
    largest = max(options.k)
    shown = [f"{metric}@{largest}" for metric in ("recall", "ndcg", "hr", "mrr")]
    print(f"{count:,} users; {protocol}\n")
    print(report.text_table(evaluations, shown))
    _compare(evaluations, f"ndcg@{largest}", options.seed)
    result = report.as_json(protocol, evaluations)
    result.update(users=count, events=options.events, seed=options.seed)
    if len(splits) > 1:
        result["splits"] = [
            {**report.as_json(split.protocol, part), "users": len(split.users)}
            for split, part in zip(splits, parts)
        ]
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    if options.html:
        title = f"Evaluation on {Path(options.events).name}"
        options.html.write_text(report.page(title, protocol, evaluations))
    return 0


def _served(options: argparse.Namespace) -> int:
    from .._stream import Stream

    log = Stream(options.url, options.served, token=options.token)
    examples = Stream(options.url, options.examples, token=options.token)
    names = ["request_id", options.user, options.item, "sampling_rate", options.label]
    result = served(
        log.scan(columns=["request_id", "items", "scores"]).read_all(),
        examples.scan(columns=names, where="source = 'served'").read_all(),
        options.label,
        user=options.user,
        item=options.item,
    )
    for name, value in result.items():
        if name != "calibration":
            print(f"{name:<10} {value:,}" if isinstance(value, int) else f"{name:<10} {value:.4f}")
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    return 0


def _compare(evaluations: list[Evaluation], metric: str, seed: int) -> None:
    """The last recommender beside the others, user by user."""
    for other in evaluations[:-1]:
        value, low, high = compare(evaluations[-1], other, metric, seed=seed)
        name = f"{metric} of {evaluations[-1].name} beside {other.name}"
        print(f"{name}: {value:+.4f} ({low:+.4f} to {high:+.4f})")


def _splits(options: argparse.Namespace) -> list[Split]:
    if options.splits == 1:
        return [_drawn(options, _split(options))]
    if options.test or options.events.endswith(".txt") or options.split == "last":
        raise InvalidArgumentError("--splits takes moments: --split time, and events with times")
    if options.surface or options.before:
        raise InvalidArgumentError(
            "--splits goes with neither --surface, which knows one training part, nor --before"
        )
    made = rolling_splits(
        _events(options),
        options.splits,
        options.fraction,
        repeats=options.repeats,
        known_items=options.known_items,
        known_users=options.known_users,
    )
    return [_drawn(options, split) for split in made]


def _split(options: argparse.Namespace) -> Split:
    if options.test:
        split = split_by_lists(read_lists(options.events), read_lists(options.test))
    elif options.events.endswith(".txt"):
        users, lists = read_lists(options.events)
        long = [(user, items) for user, items in zip(users, lists) if len(items) > 1]
        known = [items[:-1] for _, items in long]
        held = [items[-1:] for _, items in long]
        names = [user for user, _ in long]
        split = split_by_lists((names, known), (names, held))
    else:
        events = _events(options)
        if options.split == "last":
            split = split_last_item(events)
        else:
            split = split_by_time(
                events,
                options.fraction,
                time=_moment(options.before) if options.before else None,
                repeats=options.repeats,
                known_items=options.known_items,
                known_users=options.known_users,
            )
    return split


def _drawn(options: argparse.Namespace, split: Split) -> Split:
    if not split.users:
        raise InvalidArgumentError("nobody has an event that is held out; --fraction may help")
    if options.users and options.users < len(split.users):
        import numpy as np

        generator = np.random.default_rng(options.seed)
        rows = sorted(generator.choice(len(split.users), options.users, replace=False).tolist())
        split = Split(
            split.train,
            [split.users[row] for row in rows],
            [split.targets[row] for row in rows],
            f"{split.protocol}; {options.users} of {len(split.users)} users, drawn",
        )
    return split


def _moment(text: str) -> float:
    import datetime

    try:
        moment = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError as error:
        raise InvalidArgumentError(f"--before {text!r}: {error}") from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.timezone.utc)
    return moment.timestamp()


def _events(options: argparse.Namespace) -> Interactions:
    where: dict[str, list[object]] = {}
    for text in options.where:
        column, equals, value = text.partition("=")
        if not equals:
            raise InvalidArgumentError(f"--where {text!r} is no COLUMN=VALUE")
        where.setdefault(column, []).append(value)
    source: Any = options.events
    if not Path(options.events).exists() and options.url:
        from .._stream import Stream

        columns = [options.user, options.item, options.time, *where]
        stream = Stream(options.url, options.events, token=options.token)
        source = stream.scan(columns=list(dict.fromkeys(columns))).read_all()
    return read(
        source, user=options.user, item=options.item, time=options.time, where=where or None
    )


def _evaluations(options: argparse.Namespace, split: Split) -> list[Evaluation]:
    result = []
    for name in options.recommenders:
        progress = _Progress(name)
        made = _RECOMMENDERS[name](options)
        result.append(
            evaluate(
                made,
                split,
                options.k,
                mask_history=not options.repeats,
                seed=options.seed,
                onward=progress.show,
            )
        )
        progress.clear()
    if options.surface:
        if not options.url:
            raise InvalidArgumentError("--surface needs --url, the address of its service")
        surface = Surface(options.url, options.surface, options.token)
        users = [split.train.user_ids[user].item() for user in split.users]
        lists, _ = surface.lists(users, split.train.item_ids, max(options.k))
        result.append(measure(options.surface, lists, split, options.k, seed=options.seed))
    return result


class _Progress:
    """A line that moves, on a terminal only."""

    def __init__(self, name: str) -> None:
        self.name, self.is_shown = name, sys.stderr.isatty()

    def show(self, done: int, count: int) -> None:
        if self.is_shown:
            print(f"\r{self.name}: {done:,} of {count:,} users", end="", file=sys.stderr)

    def clear(self) -> None:
        if self.is_shown:
            print("\r\033[K", end="", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
