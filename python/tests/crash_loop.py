# SPDX-License-Identifier: Apache-2.0
"""Kills a loaded `weir up` with SIGKILL again and again; compares what it kept with a naive replay.

1. Writers send requests to a log table and to keyed ones, as JSON or Arrow, some compressed. Each
   has a producer id and sends a request that got no answer again, the same bytes, until it is
   acknowledged; some are sent a second time though they were, some on a connection that closes at
   once.
2. While they do, readers scan live, look keys up and follow the tail: every write that was
   acknowledged before a read began must be in it, and nothing twice.
3. The process is killed at a random moment, now and then while it recovers. It is started again,
   and before writers go on all tables are compared row by row: each acknowledged request is there
   exactly once, each that is in doubt once or not at all, whole.
4. Where that is asked for (`carers`, `fills`), other processes compact the tables, look after
   them and fill columns, two of them at once, and are killed as well; events are erased; random
   snapshots are read by PyIceberg and Weir and compared.
5. At the end of a round the process is stopped in order, and PyIceberg reads the same rows.

A round has a folder and settings of its own. Runs by `dev/crash-loop`; as a test, with a few
kills.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from pathlib import Path

from crash_care import Carer, Eraser, Filler, Foreigner
from crash_clients import Client, LogReader, LookupReader, ScanReader, Writer
from crash_model import all_tables, project, topic_of
from crash_oracle import Oracle, check_everything, check_iceberg
from kafka_broker import KafkaBroker
from stream_server import StreamServer


class CrashLoopError(Exception):
    """Something was lost, doubled or wrong."""


class Round:
    """One service on one folder, from its first start to its last stop."""

    def __init__(
        self,
        folder: Path,
        seed: int,
        writers: int = 5,
        log: str = "disk",
        carers: int = 0,
        *,
        fills: bool = False,
    ) -> None:
        self.source = random.Random(seed)
        self.seed = seed
        self.tables = all_tables()
        self.oracle = Oracle(self.tables)
        self.counts: Counter[str] = Counter()
        self.failures: list[str] = []
        self.settings = {
            "shards": self.source.choice([1, 2, 3]),
            "flush": self.source.choice(["100ms", "300ms", "1s", "5s"]),
            "retention": self.source.choice(["1s", "1h"]),
        }
        if carers:
            self.settings["snapshots"] = self.source.choice(["2s", "20s", "1h"])
            self.settings["format"] = self.source.choice(["parquet", "weir"])
        self.broker: KafkaBroker | None = None
        if log == "kafka":
            # The broker keeps 5 MB of a partition: the tables must not be far behind.
            self.settings["flush"] = self.source.choice(["100ms", "300ms", "1s"])
            shards = self.settings["shards"]
            self.broker = KafkaBroker(**{topic_of(table): shards for table in self.tables})
            self.settings["brokers"] = self.broker.brokers
        self.server = StreamServer(folder, project=project(self.tables, **self.settings))
        self.incarnation = 0
        self.is_down = False
        self.gate = threading.Event()
        self.ended = threading.Event()
        self.slowest_start = 0.0
        self.threads = [Writer(self, number) for number in range(writers)]
        self.threads += [ScanReader(self), LookupReader(self), LogReader(self)]
        self.others: list[Client] = [Carer(self, number) for number in range(carers)]
        if fills:
            self.others += [Filler(self, number) for number in range(2)]
        if fills and log == "disk":
            self.others.append(Eraser(self))
        if carers and self.settings["format"] == "parquet":
            self.others.append(Foreigner(self))

    def fail(self, text: str) -> None:
        self.failures.append(text)
        self.ended.set()
        self.gate.set()

    def run(self, kills: int, interval: float, deadline: float) -> None:
        """Loads the service and kills it, each time after at most `interval` seconds."""
        for thread in self.threads + self.others:
            thread.start()
        try:
            for _ in range(kills):
                self.gate.set()
                if self.ended.wait(self.source.uniform(0.05, interval)):
                    break
                self.restart_broker()
                self.kill()
                self.compare()
                if self.failures or time.monotonic() > deadline:
                    break
            if not self.failures:
                self.finish()
        except Exception:
            self.fail(traceback.format_exc())
        finally:
            self.ended.set()
            self.gate.set()
            for thread in self.threads + self.others:
                if thread.is_alive():
                    thread.join(120)
            if self.server.process.poll() is None:
                self.server.kill()
            if self.broker:
                self.broker.stop()
        if self.failures:
            raise CrashLoopError(
                f"seed {self.seed}, {self.settings}, after {self.counts['kills']} kills:\n"
                + "\n".join(self.failures[:5])
                + f"\nthe service said:\n{self.server.errors()[-4000:]}"
            )

    def restart_broker(self) -> None:
        """Now and then: under load, and the kill may come while appends are sent again."""
        if self.broker and self.source.random() < 0.3:
            self.broker.tell("down")
            time.sleep(self.source.uniform(0, 0.5))
            self.broker.tell("up")
            self.counts["restarts of the broker"] += 1
            time.sleep(self.source.uniform(0, 0.5))

    def kill(self) -> None:
        """Kills the service under load, and starts it again; now and then that is killed, too."""
        self.gate.clear()
        self.is_down = True
        self.server.kill()
        self.counts["kills"] += 1
        while self.source.random() < 0.15:
            self.server.start_only()
            time.sleep(self.source.expovariate(8))
            self.server.kill()
            self.counts["kills"] += 1
            self.counts["kills at start"] += 1
        started = time.monotonic()
        self.server.start()
        self.slowest_start = max(self.slowest_start, time.monotonic() - started)
        self.incarnation += 1
        self.is_down = False

    def compare(self) -> None:
        """Compares all tables while no writer sends."""
        deadline = time.monotonic() + 150
        while any(thread.is_sending for thread in self.threads[:-3]):
            if self.failures or time.monotonic() > deadline:
                return
            time.sleep(0.002)
        for problem in check_everything(self.server, self.oracle):
            self.fail(problem)
        self.counts["comparisons"] += 1

    def finish(self) -> None:
        """Lets the writers come to an end, stops the service, and has PyIceberg read the tables."""
        for thread in self.threads[:-3]:
            thread.wants_end.set()
        self.gate.set()
        for thread in self.threads[:-3]:
            thread.join(120)
            if thread.is_alive():
                self.fail(f"writer {thread.number} does not come to an end")
                return
        self.ended.set()
        for thread in self.threads + self.others:
            thread.join(120)
        if self.failures:
            return
        self.compare()
        self.is_down = True
        if self.server.stop() != 0:
            self.fail(f"the service ended with {self.server.process.returncode}")
            return
        self.server.start()
        self.compare()
        for table in self.tables:
            self.server.wait_until_covered(table.name)
        if self.settings.get("format") != "weir":
            for problem in check_iceberg(self.server, self.oracle):
                self.fail(problem)
        self.server.stop()


def run(
    seed: int,
    kills: int,
    minutes: float,
    *,
    interval: float = 3.0,
    kills_per_round: int = 25,
    log: str = "disk",
    carers: int = 0,
    fills: bool = False,
    folder: Path | None = None,
    say=lambda text: None,
) -> Counter[str]:
    """As many rounds as it takes.

    :returns: what was counted.
    :raises CrashLoopError: with what was found first.
    """
    deadline = time.monotonic() + minutes * 60
    started = time.monotonic()
    counts: Counter[str] = Counter()
    slowest = 0.0
    number = 0
    while counts["kills"] < kills and time.monotonic() < deadline:
        count = min(kills_per_round, kills - counts["kills"])
        with tempfile.TemporaryDirectory(dir=folder, prefix="crash-") as path:
            loop = Round(Path(path), seed + number, log=log, carers=carers, fills=fills)
            loop.run(count, interval, deadline)
        number += 1
        counts += loop.counts
        slowest = max(slowest, loop.slowest_start)
        say(
            f"round {number} (seed {loop.seed}, {loop.settings}): {loop.counts['kills']} kills, "
            f"{loop.counts['rows']:,} rows acknowledged, all there once; "
            f"{counts['kills']} kills in {time.monotonic() - started:.0f} s"
        )
    counts["rounds"] = number
    counts["slowest start, ms"] = round(slowest * 1_000)
    return counts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200, help="how many (default: 200)")
    parser.add_argument("--minutes", type=float, default=60, help="at most (default: 60)")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="(default: the time)")
    parser.add_argument(
        "--interval", type=float, default=3.0, help="the most seconds between kills"
    )
    parser.add_argument(
        "--log", choices=["disk", "kafka"], default="disk", help="where the logs are"
    )
    parser.add_argument(
        "--carers", type=int, default=0, help="processes that compact and maintain (default: 0)"
    )
    parser.add_argument(
        "--fills", action="store_true", help="processes that fill columns, and erasures"
    )
    parser.add_argument("--folder", type=Path, help="where the data goes (default: /tmp)")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    try:
        counts = run(
            options.seed,
            options.kills,
            options.minutes,
            interval=options.interval,
            log=options.log,
            carers=options.carers,
            fills=options.fills,
            folder=options.folder,
            say=lambda text: print(text, flush=True),
        )
    except CrashLoopError as failure:
        print(f"FAILED: {failure}", file=sys.stderr)
        return 1
    with contextlib.suppress(BrokenPipeError):
        for name, count in sorted(counts.items()):
            print(f"  {name:<28} {count:>12,}")
        print("nothing lost, doubled or wrong")
    return 0


if __name__ == "__main__":
    sys.exit(main())
