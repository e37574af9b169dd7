# SPDX-License-Identifier: Apache-2.0
"""What was done in the background, and one user who is erased and proven to be gone."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from service import EVENTS, timestamp

if TYPE_CHECKING:
    from loop import Loop

#: A user whose number is a text in memory and in files: it can be looked for in any byte.
TEXT = b"erase-me"
USER = int.from_bytes(TEXT, "little")
EVENT_COUNT = 20
CHECK = "one user erased from every byte"


def tables(loop: Loop) -> dict[str, Any]:
    """Files and waste of each table, and what maintenance did; printed, too."""
    screen, result = loop.screen, {}
    screen.heading("In the background")
    answer = loop.client.json("GET", "/v1/maintenance")
    done = {table["table"]: table["steps"] for table in answer["tables"]}
    head = f"{'table':<28} {'files':>6} {'bytes':>12} {'waste':>12}  what was done"
    print(f"  {screen.bold}{head}{screen.plain}")
    for name in sorted(done):
        cost = weir(loop, "table", "cost", name, "--catalog", loop.service.uri, "--no-estimate")
        if cost is None:
            continue
        # What nobody needs to read the table as it is.
        waste = cost["deleted_row_bytes"] + sum(
            cost[part]["bytes"] for part in ("earlier_snapshots", "orphans", "unnamed")
        )
        words = [text for step in done[name] if (text := words_of(step))]
        result[name] = {
            "files": cost["data"]["files"],
            "bytes": cost["bytes"],
            "waste_bytes": waste,
            "done": words,
        }
        if not cost["data"]["files"] and not words:
            continue
        print(
            f"  {name:<28} {cost['data']['files']:>6,} {cost['bytes']:>12,} {waste:>12,}  "
            f"{', '.join(words) or '-'}"
        )
    return result


def words_of(step: dict[str, Any]) -> str:
    """What a step of maintenance did; nothing when it found nothing to do."""
    parts = [
        f"{step[name]:,} {text}"
        for name, text in (
            ("replaced_files", "files brought together"),
            ("snapshots", "snapshots expired"),
            ("removed_files", "files removed"),
            ("deleted_rows", "rows deleted"),
        )
        if step.get(name)
    ]
    return f"{step['step']}: {' and '.join(parts)}" if parts else ""


def weir(loop: Loop, *arguments: str, text: bool = False) -> Any:
    """The JSON that a command answers with; `None` when it fails."""
    command = [str(loop.options.weir), *arguments, "--json"]
    done = subprocess.run(command, env=loop.environment, capture_output=True, text=True)
    if done.returncode and not done.stdout:
        return None
    return json.loads(done.stdout)


def holders(folder: Path) -> int:
    """Files in which the user's number is to be seen, as it lies there or in decimal digits."""
    count = 0
    for path in folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            count += TEXT in data or str(USER).encode() in data
    return count


def check(loop: Loop) -> str:
    """As `erase`, printed, whatever happens."""
    try:
        text = erase(loop)
    except Exception as error:
        text = f"FAILED: {error!r}"
    colour = loop.screen.red if text.startswith("FAILED") else loop.screen.green
    loop.screen.say(f"{CHECK}: {colour}{text}{loop.screen.plain}")
    return text


def erase(loop: Loop) -> str:
    """Plants a user, erases it, and says what came of it; FAILED in front where it is not gone."""
    screen = loop.screen
    screen.heading("One user is erased")
    items = loop.client.scan("shop.item_profile", "item_id").column("item_id").to_pylist()
    now = time.time_ns() // 1_000
    events = [
        {
            "user_id": USER,
            "item_id": items[number % len(items)],
            "kind": "click",
            "value": 5.0,
            "at": timestamp(now + number),
            "request_id": None,
        }
        for number in range(EVENT_COUNT)
    ]
    loop.client.send(EVENTS, events, "planted", 0)
    loop.client.json("POST", "/v1/recommend", {"surface": "home", "user": USER, "count": 5})
    deadline = time.monotonic() + 60
    while (
        not (profile := loop.client.lookup("shop.user_profile", [{"user_id": USER}], ["events"]))[0]
        or profile[0]["events"] < EVENT_COUNT
    ):
        if time.monotonic() > deadline:
            return "FAILED: the planted user has no profile"
        time.sleep(0.1)
    # Into the tables' files, too.
    time.sleep(3)
    data = loop.folder / "data"
    planted = holders(data)
    begin = time.monotonic()
    answer = weir(
        loop, "table", "erase", "shop.events", "--url", loop.service.uri, "--cascade",
        "--where", f"user_id = {USER}", "--marker", TEXT.decode(), "--marker", str(USER),
    )  # fmt: skip
    seconds = time.monotonic() - begin
    if answer is None:
        return "FAILED: 'weir table erase' did not answer"
    left = [f"{proof['table']}: {text}" for proof in answer["tables"] for text in proof["left"]]
    places = [
        place for proof in answer["tables"] if proof["scan"] for place in proof["scan"]["places"]
    ]
    remaining = holders(data)
    for proof in answer["tables"]:
        if proof["rows_erased"]:
            screen.say(
                f"{proof['table']}: {proof['rows_erased']:,} rows out of "
                f"{len(proof['files_rewritten'])} files, "
                f"{len(proof['snapshots_expired'])} snapshots expired"
            )
    scans = [proof["scan"] for proof in answer["tables"] if proof["scan"]]
    looked = f"{sum(scan['files'] for scan in scans):,} files, " + (
        f"{sum(scan['bytes'] + scan['unpacked_bytes'] for scan in scans):,} bytes looked through"
    )
    rows = loop.client.scan("shop.events", "user_id", f"user_id = {USER}").num_rows
    if not answer["complete"] or remaining or rows:
        return (
            f"FAILED: {planted} files with the user before, {remaining} behind, {rows} rows; "
            f"{(left + places)[:4]}"
        )
    return f"in {planted} files before, in none behind ({looked}; {seconds:.1f} s)"
