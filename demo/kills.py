#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Kills every part of the main job with SIGKILL; it ends with the tables of a run without kills.

First a reference, undisturbed: files and tables of `weir demo`, the loop's history and batch
training. Then the same for each seed, with kills at random moments: of the command that is at work
(`weir demo`, `weir import`, `weir pipeline backfill`, `python -m weir.train`, with its children),
of `weir up`, or of both, also while `weir up` starts. What was broken off is run again, the same
command, until it ends by itself; then all rows are compared (tables.py). The loop goes on with
users and online training, while `weir up` and the trainer are killed; what was asked and done
until then must make the same of profiles, candidates and examples in a service that nobody kills.
The exit code is 1 if anything differs.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import live
import tables
import world as worlds
from loop import LAYOUTS, Loop
from service import Service
from users import Tastes

#: Of the training's kills this one comes when the first vectors of a version are there.
PUBLISHING = 0
EMBEDDINGS = "shop.model_embeddings"
#: What there is before anybody asks for a feed, and what comes of events and requests.
HISTORY = [name for name in tables.KEYS if name != "shop.requests"]
OUTPUTS = [name for name in HISTORY if name != "shop.items"]


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """The process and its children, at once."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class Reference(Loop):
    """History and batch training, undisturbed."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        options = argparse.Namespace(**{**vars(options), "folder": folder})
        super().__init__(options)
        #: Seconds of each command.
        self.spans: dict[str, float] = {}

    def execute(self, name: str, command: list[str]) -> None:
        begin = time.monotonic()
        super().execute(name, command)
        self.spans[name] = time.monotonic() - begin

    def run(self) -> int:
        world = worlds.read(self.source, self.name, self.layout.where)
        self.open(world)
        try:
            self.history(world)
            if self.options.model:
                self.train()
            self.found = tables.read(self.client, self.service, HISTORY, tables.HISTORY)
            self.model = tables.models(self.client) if self.options.model else None
        finally:
            self.stop()
        return 0


class Killed(Loop):
    """The whole loop, with kills in each of its parts."""

    def __init__(self, options: argparse.Namespace, folder: Path, seed: int, of: Reference) -> None:
        options = argparse.Namespace(**{**vars(options), "folder": folder})
        super().__init__(options)
        self.source_of_kills = random.Random(f"kills {seed}")
        self.reference = of
        self.now = of.now
        #: (part, what was killed) -> how often.
        self.kills: Counter[tuple[str, str]] = Counter()
        self.failures: list[str] = []

    def execute(self, name: str, command: list[str]) -> None:
        for attempt in range(self.options.kills):
            is_publication = name == "train" and attempt == PUBLISHING
            self.attack(name, command, self.at_vectors if is_publication else None)
        # As a user would, in the end.
        super().execute(name, command)

    def attack(self, name: str, command: list[str], is_due: Callable[[], bool] | None) -> None:
        """Begins the command, kills, and waits for what is left of it."""
        source = self.source_of_kills
        moment = source.uniform(0, self.reference.spans.get(name, 15.0))
        target = source.choice(["command", "weir up", "both"])
        begin = time.monotonic()
        if is_due:
            is_due()  # What is there now does not count.
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        while process.poll() is None:
            if is_due() if is_due else time.monotonic() - begin >= moment:
                break
            time.sleep(0.002)
        if process.poll() is not None:
            target = "weir up"
        if target != "weir up":
            kill_group(process)
        if target != "command":
            self.kill_service(name)
        self.kills[name, target] += 1
        try:
            process.wait(180)
        except subprocess.TimeoutExpired:
            kill_group(process)
            self.failures.append(f"{name} does not end after a kill of {target}")

    def kill_service(self, part: str) -> None:
        source = self.source_of_kills
        self.service.kill()
        while source.random() < 0.3:
            self.service.launch()
            time.sleep(source.uniform(0, 0.5))
            self.service.kill()
            self.kills[part, "weir up while it starts"] += 1
        self.service.start()

    def at_vectors(self) -> bool:
        """Whether vectors came since the last question but the first."""
        shards = self.client.json("GET", f"/v1/streams/{EMBEDDINGS}")["shards"]
        end = sum(shard["end"] for shard in shards)
        before, self.vectors = getattr(self, "vectors", end), end
        return end > before

    def train(self) -> None:
        super().train()
        self.compare()

    def compare(self) -> None:
        """History, profiles, candidates, examples and model, beside those of the reference."""
        self.screen.say("rows beside those of a run without kills")
        found = tables.read(self.client, self.service, HISTORY, tables.HISTORY)
        for line, is_same in tables.compare(found, self.reference.found):
            self.note(line, is_same)
        published = tables.models(self.client)
        for line, is_right in tables.complete(published):
            self.note(line, is_right)
        if self.reference.model:
            for line, is_same in tables.compare_models(published, self.reference.model):
                self.note(line, is_same)

    def note(self, line: str, is_right: bool) -> None:
        self.screen.say(line if is_right else f"{self.screen.red}{line}{self.screen.plain}")
        if not is_right:
            self.failures.append(line)

    def live(self, world: worlds.World, tastes: Tastes) -> live.Found:
        length = self.options.seconds
        source = self.source_of_kills
        due = []
        for place in range(2 * self.options.kills):
            kill = (self.service.kill_and_start, self.kill_trainer)[place % 2]
            self.kills["live", ("weir up", "trainer")[place % 2]] += 1
            due.append((source.uniform(0.5, length), kill))
        found = live.run(self.service, world, tastes, length, self.screen, due)
        self.again()
        return found

    def kill_trainer(self) -> str:
        if self.trainer:
            self.trainer.kill()
            self.trainer.wait()
        self.follow()
        return "the trainer is started again"

    def again(self) -> None:
        """The events that are there now, in a service that nobody kills."""
        self.stop_trainer()
        found = tables.read(self.client, self.service, OUTPUTS, tables.SERVED)
        folder = self.folder / "again"
        folder.mkdir()
        shutil.copy(self.folder / "weir.yaml", folder)
        service = Service(self.options.weir, folder, self.service.environment)
        try:
            wanted = tables.replay(self.client, service, OUTPUTS)
        finally:
            service.stop()
        for line, is_same in tables.compare(found, wanted, tables.EXCLUDED_SERVED):
            self.note(f"after the live part, the same events: {line}", is_same)
        for line, is_right in tables.complete(tables.models(self.client)):
            self.note(line, is_right)


def make(options: argparse.Namespace, folder: Path, source: random.Random | None) -> int:
    """`weir demo`: files and tables; with a source of randomness through kills."""
    command = [str(options.weir), "demo", "--out", str(folder)]
    command += ["--data", options.data] if options.data else ["--synthetic"]
    command += [] if options.data else ["--rows", str(options.rows)]
    kills = 0
    for _ in range(options.kills if source else 0):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
        time.sleep(source.uniform(0, options.span))
        kills += process.poll() is None
        kill_group(process)
    begin = time.monotonic()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    options.span = time.monotonic() - begin
    return kills


def one(options: argparse.Namespace, folder: Path, seed: int, reference: Reference) -> bool:
    """A run with kills; whether all was right."""
    shutil.rmtree(folder, ignore_errors=True)
    kills = make(options, folder, random.Random(f"files {seed}"))
    run = Killed(options, folder, seed, reference)
    run.screen.heading(f"Seed {seed}: files and tables, through {kills} kills")
    for line, is_same in tables.compare_folders(folder, reference.options.folder, options.name):
        run.note(line, is_same)
    failed = False
    if options.replay:
        script = Path(__file__).parent / "replay.py"
        command = [sys.executable, str(script), str(folder), "--weir", str(options.weir)]
        command += ["--kills", str(options.kills), "--seed", str(seed)]
        failed |= subprocess.run(command).returncode != 0
    failed |= run.run() != 0
    run.screen.heading(f"Seed {seed}: kill -9")
    for (part, target), count in sorted(run.kills.items()):
        print(f"  {part:<14} {target:<24} {count}")
    for failure in run.failures:
        print(f"  {run.screen.red}{failure}{run.screen.plain}")
    is_right = not failed and not run.failures
    result = {"seed": seed, "right": is_right, "failures": run.failures, "demo_kills": kills}
    result["kills"] = {f"{part}: {target}": n for (part, target), n in sorted(run.kills.items())}
    (folder / "kills.json").write_text(json.dumps(result, indent=2) + "\n")
    if is_right:
        # Many seeds would take many gigabytes.
        for place in folder.iterdir():
            if place.is_dir():
                shutil.rmtree(place)
    return is_right


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("folder", type=Path, help="to work in")
    add("name", nargs="?", default="synthetic", help="the data set (%(default)s)")
    add("--data", help="a folder of events; a synthetic world without it")
    add("--rows", type=int, default=40_000, help="of the synthetic world (%(default)s)")
    add("--seeds", type=int, nargs="+", default=[1])
    add("--kills", type=int, default=3, help="of each command (%(default)s)")
    add("--seconds", type=float, default=30, help="of users and online training (%(default)s)")
    add("--users", type=int, default=200, help="that are evaluated (%(default)s)")
    flag = argparse.BooleanOptionalAction
    add("--replay", action=flag, default=True, help="with the ingest part")
    add("--model", action=flag, default=True, help="with a model of the reference to compare")
    add("--weir", type=Path, default=Path(".build/release/weir"))
    options = parser.parse_args()
    if options.name not in LAYOUTS:
        parser.error(f"there is no project of {options.name!r}; take one of {', '.join(LAYOUTS)}")
    options.keep, options.now, options.project, options.span = False, None, None, 0.0
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    folder = options.folder / "reference"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    make(options, folder, None)
    reference = Reference(options, folder)
    reference.run()
    wrong = [
        seed
        for seed in options.seeds
        if not one(options, options.folder / f"seed-{seed}", seed, reference)
    ]
    if wrong:
        print(f"\nSomething differs with the seeds {', '.join(map(str, wrong))}.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
