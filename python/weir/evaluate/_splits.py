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
    until: float | None = None,
    repeats: bool = False,
    known_items: bool = False,
    known_users: bool = False,
) -> Split:
    """One moment for everybody: earlier events are known, later ones are held out.

    :param fraction: of the events that are known; or ``time``, seconds since 1970.
    :param until: events from then on are neither known nor asked for.
    :param repeats: also asks for items that the user met before.
    :param known_items: asks for items only that somebody met before.
    :param known_users: asks only users of whom something is known.
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
    users_met = np.zeros(events.user_count, bool)
    users_met[train.users] = True
    targets: dict[int, list[int]] = {}
    is_asked = ~is_known if until is None else ~is_known & (events.times < until)
    if known_users:
        is_asked &= users_met[events.users]
    for row in np.flatnonzero(is_asked):
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
    if known_users:
        protocol += "; users without history are not asked"
    return Split(train, users, [targets[user] for user in users], protocol)


def rolling_splits(
    events: Interactions,
    count: int,
    fraction: float = 0.5,
    *,
    repeats: bool = False,
    known_items: bool = False,
    known_users: bool = False,
) -> list[Split]:
    """Several moments, one after the other: each knows what was before it and asks for what came
    until the next one. Evaluations of them are one by ``pool``.

    :param fraction: of the events before the first moment; the rest is cut into equal counts.
    """
    if not 0 < fraction < 1 or count < 1 or len(events) < 2 * count:
        raise InvalidArgumentError(
            f"{count} splits from the fraction {fraction} on of {len(events)} events"
        )
    places = [fraction + (1 - fraction) * number / count for number in range(count)]
    moments = [float(events.times[int(len(events) * place)]) for place in places]
    return [
        split_by_time(
            events,
            time=moment,
            until=moments[number + 1] if number + 1 < count else None,
            repeats=repeats,
            known_items=known_items,
            known_users=known_users,
        )
        for number, moment in enumerate(moments)
    ]


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
