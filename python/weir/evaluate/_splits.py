# SPDX-License-Identifier: Apache-2.0
"""What a recommender may know, and what it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .._errors import InvalidArgumentError
from ._interactions import Interactions


@dataclass(frozen=True)
class Split:
    """Events to learn from, and for each user that is tested the items to find.

    :param train: all that is known.
    :param users: those who are tested.
    :param targets: for each of them the items held out, each once.
    :param protocol: how it was cut, in words.
    """

    train: Interactions
    users: list[int]
    targets: list[list[int]]
    protocol: str


def split_by_time(
    events: Interactions,
    fraction: float = 0.8,
    *,
    time: float | None = None,
    repeats: bool = False,
    known_items: bool = False,
) -> Split:
    """One moment for everybody: earlier events are known, later ones are held out.

    :param fraction: of the events that are known; or ``time``, seconds since 1970.
    :param repeats: also asks for items that the user met before.
    :param known_items: asks for items only that somebody met before.
    """
    if time is None:
        if not 0 < fraction < 1:
            raise InvalidArgumentError(f"the fraction {fraction} lies not between 0 and 1")
        time = float(events.times[int(len(events) * fraction)])
    is_known = events.times < time
    train = events.take(np.flatnonzero(is_known))
    met = _pairs(train)
    items_met = np.zeros(events.item_count, bool)
    items_met[train.items] = True
    targets: dict[int, list[int]] = {}
    for row in np.flatnonzero(~is_known):
        user, item = int(events.users[row]), int(events.items[row])
        if not repeats and user * events.item_count + item in met:
            continue
        if known_items and not items_met[item]:
            continue
        items = targets.setdefault(user, [])
        if item not in items:
            items.append(item)
    users = sorted(targets)
    protocol = (
        f"global time split, {len(train)} of {len(events)} events known; all {events.item_count} "
        f"items ranked; items met before are {'ranked too' if repeats else 'left out'}"
    )
    if known_items:
        protocol += "; items nobody met before are not asked for"
    return Split(train, users, [targets[user] for user in users], protocol)


def split_last_item(events: Interactions) -> Split:
    """The last item of every user with three events or more is held out."""
    order = np.lexsort((np.arange(len(events)), events.users))
    users = events.users[order]
    last = np.flatnonzero(np.append(users[1:] != users[:-1], True))
    counts = np.diff(np.append(-1, last))
    held = order[last[counts >= 3]]
    mask = np.ones(len(events), bool)
    mask[held] = False
    return Split(
        events.take(np.flatnonzero(mask)),
        [int(user) for user in events.users[held]],
        [[int(item)] for item in events.items[held]],
        f"last item held out; all {events.item_count} items ranked, the history left out",
    )


def split_by_lists(
    train: tuple[list[int], list[list[int]]], test: tuple[list[int], list[list[int]]]
) -> Split:
    """A published split of users' lists, each in the order of time.

    Events have no times but their places in the list: those of one user are in order.
    """

    def flat(lists: tuple[list[int], list[list[int]]]) -> tuple[list[int], list[int], list[int]]:
        users = [user for user, items in zip(*lists) for _ in items]
        items = [item for _, items in zip(*lists) for item in items]
        places = [place for _, items in zip(*lists) for place in range(len(items))]
        return users, items, places

    users, items, places = flat(train)
    test_users, test_items, _ = flat(test)
    everything = Interactions.of(users + test_users, items + test_items)
    known = Interactions.of(users, items, np.asarray(places, np.float64))
    user_numbers = _numbers(everything.user_ids, known.user_ids)
    item_numbers = _numbers(everything.item_ids, known.item_ids)
    known = Interactions(
        user_numbers[known.users],
        item_numbers[known.items],
        known.times,
        everything.user_ids,
        everything.item_ids,
    )
    targets: dict[int, list[int]] = {}
    for user, wanted in zip(*test):
        number = int(np.searchsorted(everything.user_ids, user))
        numbers = np.searchsorted(everything.item_ids, np.asarray(wanted, np.int64))
        if len(wanted):
            targets[number] = list(dict.fromkeys(int(value) for value in numbers))
    users_tested = sorted(targets)
    return Split(
        known,
        users_tested,
        [targets[user] for user in users_tested],
        f"published split; all {everything.item_count} items ranked, the history left out",
    )


def _numbers(all_ids: Sequence[int], ids: Sequence[int]) -> np.ndarray:
    return np.searchsorted(np.asarray(all_ids), np.asarray(ids))


def _pairs(events: Interactions) -> set[int]:
    return set((events.users * events.item_count + events.items).tolist())
