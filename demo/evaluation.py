# SPDX-License-Identifier: Apache-2.0
"""The loop beside popularity and item-to-item, on events that nobody has seen yet."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from service import Client, Service
from terminal import Screen
from world import World

from weir import evaluate
from weir.evaluate import Evaluation, Interactions, Split, compare, measure, report

KS = (10, 20)
#: The last one is the loop as people see it.
SURFACES = ("rules", "home")
NAMES = {"rules": "loop, rules only", "home": "the full loop"}


def split(client: Client, world: World, count: int) -> Split:
    """Known: what the service knows. Held out: what is to come, for some users, drawn."""
    events = client.scan("shop.events", "user_id,item_id,at")
    at = events.column("at").cast("int64").to_numpy() / 1e6
    users, items = events.column("user_id").to_numpy(), events.column("item_id").to_numpy()
    known = set(users.tolist())
    held = [user for user in world.users if user in known]
    new = len(world.users) - len(held)
    later_items = [item for user in held for item in world.tastes[user]]
    item_ids = np.unique(np.concatenate([items, np.asarray(later_items, items.dtype)]))
    user_ids = np.unique(users)
    order = np.argsort(at, kind="stable")
    train = Interactions(
        np.searchsorted(user_ids, users[order]),
        np.searchsorted(item_ids, items[order]),
        at[order],
        user_ids,
        item_ids,
    )
    generator = np.random.default_rng(0)
    if len(held) > count:
        drawn = generator.choice(len(held), count, replace=False)
        held = [held[row] for row in sorted(drawn.tolist())]
    targets = [np.searchsorted(item_ids, list(world.tastes[user])).tolist() for user in held]
    protocol = (
        f"global time split at {world.moment:%Y-%m-%d}; {len(train)} events known; all "
        f"{len(item_ids)} items ranked, those met before left out; {len(held)} users with history, "
        f"drawn ({new} users without are not asked)"
    )
    return Split(train, np.searchsorted(user_ids, held).tolist(), targets, protocol)


def evaluate_loop(
    service: Service,
    client: Client,
    world: World,
    count: int,
    screen: Screen,
    surfaces: Sequence[str] = SURFACES,
) -> tuple[str, list[Evaluation]]:
    """Prints and returns the evaluations, the whole loop last."""
    part = split(client, world, count)
    results = [
        evaluate.evaluate(one, part, KS)
        for one in (
            evaluate.Popularity(),
            evaluate.Popularity(90 * 86_400.0),
            evaluate.ItemToItem(shrinkage=10, decay=0.9),
        )
    ]
    users = [part.train.user_ids[user].item() for user in part.users]
    for surface in surfaces:
        lists, sources = evaluate.Surface(service.uri, surface).lists(
            users, part.train.item_ids, max(KS)
        )
        results.append(measure(NAMES.get(surface, surface), lists, part, KS))
    screen.say(f"evaluation: {part.protocol}")
    shown = report.text_table(results, [f"{name}@20" for name in ("recall", "ndcg", "hr", "mrr")])
    print("\n" + "\n".join("    " + line for line in shown.splitlines()) + "\n")
    for other in (results[0], results[2]):
        value, low, high = compare(results[-1], other, "ndcg@20")
        screen.say(
            f"NDCG@20 of the full loop beside {other.name}: "
            f"{value:+.4f} ({low:+.4f} to {high:+.4f})"
        )
    total = max(1, sum(sources.values()))
    parts = ", ".join(f"{name} {count / total:.0%}" for name, count in sorted(sources.items()))
    screen.say(f"the full loop's items came from: {parts}")
    return part.protocol, results
