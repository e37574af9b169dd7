#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The whole loop: from event to feed, on real events.

Takes the folder of `weir demo`, and does what a team would: history comes in, profiles, candidates
and training examples are made of it, a model is trained, a feed is served. Then users whose tastes
are what they did later ask for feeds and react, while the later events come in, the model learns
on, and the process is killed once. In the end all is checked, and the folder has a report.
"""

from __future__ import annotations

import argparse
import datetime
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import care
import checks
import feeds
import live
import report
import world as worlds
from evaluation import evaluate_loop
from service import Client, Service
from terminal import Screen
from users import Tastes

PROJECTS = Path(__file__).parent / "projects"
#: How times are written for commands.
MOMENT = "%Y-%m-%dT%H:%M:%S.%fZ"


@dataclass(frozen=True)
class Layout:
    """What the columns of a data set are called, and its events.

    :param strong: the kind of event with which a simulated user says that it liked an item.
    :param where: which events are feedback, where not all are.
    """

    strong: str
    title: str | None = None
    category: str | None = None
    where: str | None = None


LAYOUTS = {
    "xwines": Layout("rating", "name", "type"),
    "retailrocket": Layout("buy"),
    "stackexchange": Layout("favorite", "title"),
    "synthetic": Layout("like", "title", "topic", "event IN ('click', 'watch', 'like')"),
}


class Loop:
    """One run of the demo, its parts in order."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.name: str = options.name
        self.source: Path = options.folder / options.name
        self.layout = LAYOUTS[options.name]
        self.folder: Path = options.folder / "loop"
        self.screen = Screen()
        self.took: dict[str, float] = {}
        #: What history's end becomes. One moment for the whole run: an import that is broken off
        #: and made again moves all events alike.
        self.now: str = options.now or f"{datetime.datetime.now(datetime.timezone.utc):{MOMENT}}"
        self.trainer: subprocess.Popen[bytes] | None = None

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        begin = time.monotonic()
        yield
        self.took[name] = time.monotonic() - begin

    def run(self) -> int:
        world = worlds.read(self.source, self.name, self.layout.where)
        self.open(world)
        titles = worlds.titles(self.source, self.layout.title)
        categories = worlds.categories(self.source, self.layout.category)
        try:
            return self.rest(world, titles, categories)
        finally:
            self.stop()

    def open(self, world: worlds.World) -> None:
        """The service, with nothing in it."""
        self.screen.heading(
            f"The loop: {world.history_count:,} events of {self.name} are history, "
            f"{len(world.later):,} are to come"
        )
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        project = self.options.project or PROJECTS / f"{self.name}.yaml"
        shutil.copy(project, self.folder / "weir.yaml")
        with self.part("start"):
            self.service = Service(self.options.weir, self.folder, onnx_runtime())
        self.client = Client(self.service)

    def rest(self, world: worlds.World, titles: dict[int, str], categories: dict[int, str]) -> int:
        screen = self.screen
        self.history(world)
        self.train()
        with self.part("evaluation"):
            protocol, evaluations = evaluate_loop(
                self.service, self.client, world, self.options.users, screen
            )
        feed = feeds.Feeds(self.client, titles, world)
        with self.part("live"):
            self.follow()
            found = self.live(world, Tastes(world, categories, self.layout.strong))
            self.stop_trainer()
        with self.part("feed before and after"):
            feed.show(screen)
        with self.part("checks"):
            checked = checks.run(self, found, screen)
        with self.part("erasure"):
            checked[care.CHECK] = care.check(self)
        with self.part("background"):
            background = care.tables(self)
        result: dict[str, Any] = {
            "world": f"{self.name}: {world.history_count:,} events before "
            f"{world.moment:%Y-%m-%d}, {len(world.later):,} after",
            "arrows": found.arrows,
            "clicks": found.clicks,
            "serving": found.serving,
            "evaluation": {
                "protocol": protocol,
                "recommenders": [one.as_json() for one in evaluations],
            },
            "feed": feed.as_json(),
            "checks": checked,
            "background": background,
            "seconds": self.took,
            "versions": report.versions(self.options.weir),
        }
        report.write(self.options.folder, result, evaluations, protocol)
        total = sum(self.took.values())
        failed = [name for name, value in checked.items() if str(value).startswith("FAILED")]
        screen.heading(f"Done in {total:.0f} s; {self.options.folder / 'report.html'}")
        if self.options.keep and not failed:
            self.keep()
        for name in failed:
            print(f"  {screen.red}{name}: {checked[name]}{screen.plain}")
        return 1 if failed else 0

    # The parts.

    def execute(self, name: str, command: list[str]) -> None:
        """Runs a command of the loop to its end; its words come into a file of that name."""
        log = self.folder / f"{name}.log"
        with log.open("ab") as file:
            done = subprocess.run(
                command, env=self.environment, stdout=file, stderr=subprocess.STDOUT
            )
        if done.returncode:
            last = log.read_text(errors="replace")[-2000:]
            sys.exit(f"error: {' '.join(command)}:\n{last}")

    @property
    def environment(self) -> dict[str, str]:
        """Of commands that speak to the service."""
        return {**self.service.environment, "WEIR_URL": self.service.uri}

    def weir(self, name: str, *arguments: str) -> None:
        self.execute(name, [str(self.options.weir), *arguments])

    def history(self, world: worlds.World) -> None:
        screen = self.screen
        with self.part("import"):
            if (self.source / "items.parquet").exists():
                maps = [
                    text
                    for column, source in (
                        ("title", self.layout.title),
                        ("category", self.layout.category),
                    )
                    if source
                    for text in ("--map", f"{column}={source}")
                ]
                # What items are was known before all events.
                always = ("--known-at", "2000-01-01T00:00:00Z")
                items = str(self.source / "items.parquet")
                self.weir("import-items", "import", items, "shop.items", *maps, *always)
            begin = time.monotonic()
            maps = ("--map", "at=event_time", "--map", "kind=event", "--map", "request_id=")
            before = f"{world.moment:{MOMENT}}"
            range_ = ("--time", "event_time", "--before", before, "--end", self.now)
            where = ("--where", self.layout.where) if self.layout.where else ()
            events = str(self.source / "events.parquet")
            self.weir("import", "import", events, "shop.events", *maps, *range_, *where)
            rate = world.history_count / (time.monotonic() - begin)
        screen.say(f"history is durable and queryable: {rate:,.0f} events a second")
        with self.part("profiles and candidates of history"):
            self.wait_for_profiles(world.history_count)
        screen.say(
            f"profiles and candidates: {self.took['profiles and candidates of history']:.1f} s"
        )
        with self.part("examples of history"):
            self.weir("backfill", "pipeline", "backfill", "shop.examples")
        count = len(self.client.scan("shop.examples", "request_id"))
        screen.say(
            f"{count:,} training examples, features as known then: "
            f"{self.took['examples of history']:.1f} s"
        )

    def wait_for_profiles(self, count: int) -> None:
        import pyarrow.compute as pc

        deadline = time.monotonic() + 300
        while True:
            events = self.client.scan("shop.item_profile", "events").column("events")
            if (pc.sum(events).as_py() or 0) >= count:
                break
            if time.monotonic() > deadline:
                sys.exit("error: profiles do not come up with the events; see weir.log")
            time.sleep(0.1)
        while True:
            pipelines = self.client.json("GET", "/v1/pipelines")["pipelines"]
            if not any(one["lag_rows"] or one["waiting_rows"] for one in pipelines):
                return
            if time.monotonic() > deadline:
                sys.exit("error: pipelines lag behind; 'weir pipeline list' says which")
            time.sleep(0.1)

    def train_command(self, *more: str) -> list[str]:
        return [
            sys.executable,
            "-m",
            "weir.train",
            "shop.model",
            "--project",
            str(self.folder / "weir.yaml"),
            "--url",
            self.service.uri,
            *more,
        ]

    def train(self) -> None:
        with self.part("training"):
            self.execute("train", self.train_command())
        rows = self.client.scan("shop.model", "version,metrics").to_pylist()
        newest = max(rows, key=lambda row: row["version"])
        self.screen.say(f"model {newest['version']} trained: {self.took['training']:.1f} s")
        self.wait_for_model(newest["version"])

    def wait_for_model(self, version: int) -> None:
        begin = time.monotonic()
        while time.monotonic() - begin < 30:
            body = {"surface": "home", "user": 1, "count": 1}
            answer = self.client.json("POST", "/v1/recommend", body)
            if answer.get("model_version") == version:
                self.screen.say(f"served by model {version} {time.monotonic() - begin:.1f} s later")
                return
            time.sleep(0.1)
        sys.exit(f"error: the service does not take model {version}; see {self.service.log}")

    def live(self, world: worlds.World, tastes: Tastes) -> live.Found:
        kills = live.moments(self.options.kills, self.options.seconds)
        due = [(moment, self.service.kill_and_start) for moment in kills]
        return live.run(self.service, world, tastes, self.options.seconds, self.screen, due)

    def follow(self) -> None:
        """Starts online training."""
        with (self.folder / "online.log").open("ab") as log:
            self.trainer = subprocess.Popen(
                self.train_command("--online"), stdout=log, stderr=subprocess.STDOUT
            )

    def stop_trainer(self) -> None:
        if self.trainer and self.trainer.poll() is None:
            self.trainer.send_signal(signal.SIGTERM)
            try:
                self.trainer.wait(20)
            except subprocess.TimeoutExpired:
                self.trainer.kill()
                self.trainer.wait()
        self.trainer = None

    def keep(self) -> None:
        self.follow()
        uri = self.service.uri
        print(f"\n  It goes on; Ctrl-C ends it.\n  weir     {uri}\n  metrics  {uri}/metrics")
        print(f'  feed     curl -d \'{{"surface":"home","user":1}}\' {uri}/v1/recommend')
        try:
            self.service.process.wait()
        except KeyboardInterrupt:
            print()

    def stop(self) -> None:
        self.stop_trainer()
        if self.service.process.poll() is None:
            self.service.stop()


def onnx_runtime() -> dict[str, str]:
    """Where this Python's ONNX Runtime is, unless somebody said it."""
    if "WEIR_ONNXRUNTIME" in os.environ:
        return {}
    import onnxruntime

    found = sorted(Path(onnxruntime.__file__).parent.glob("capi/libonnxruntime.so*"))
    return {"WEIR_ONNXRUNTIME": str(found[0])} if found else {}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="what weir demo wrote")
    parser.add_argument("name", help="the data set")
    parser.add_argument("--seconds", type=float, default=90, help="of users and online training")
    parser.add_argument("--users", type=int, default=2_000, help="that are evaluated")
    parser.add_argument("--keep", action="store_true", help="leave it running")
    parser.add_argument("--kills", type=int, default=1, help="how often the process is killed")
    parser.add_argument("--project", type=Path, help="another project file than the demo's")
    parser.add_argument("--now", help="what history's end becomes; now without it")
    parser.add_argument("--weir", type=Path, default=Path(".build/release/weir"))
    options = parser.parse_args()
    if options.name not in LAYOUTS:
        parser.error(f"there is no project of {options.name!r}; take one of {', '.join(LAYOUTS)}")
    if not (options.folder / options.name / "events.parquet").exists():
        parser.error(f"{options.folder} has no events of {options.name}: run 'weir demo' first")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    return Loop(options).run()


if __name__ == "__main__":
    sys.exit(main())
