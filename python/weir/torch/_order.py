# SPDX-License-Identifier: Apache-2.0
"""In which order rows come: a pure function of seed, epoch and row.

A permutation of `count` rows is a Feistel network over the least power of four that holds them,
walked until it falls within (Black and Rogaway, "Ciphers with Arbitrary Finite Domains", CT-RSA
2002). It takes no memory and gives any place at once, so that going on anywhere costs nothing.

With a window, rows are shuffled in two steps, so that what is read lies close together:

1. Blocks of 1,024 neighbouring rows are permuted. The last block may be shorter; where it lands,
   the places behind it move up.
2. Runs of blocks that make a window are permuted within themselves.
"""

from __future__ import annotations

import numpy as np

BLOCK = 1024
_ROUNDS = 4
_MULTIPLIERS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)


def mix(values: np.ndarray) -> np.ndarray:
    """Finalizer of SplitMix64 (Steele et al., OOPSLA 2014): each bit depends on all bits."""
    values = values ^ (values >> np.uint64(30))
    values = values * np.uint64(_MULTIPLIERS[0])
    values ^= values >> np.uint64(27)
    values *= np.uint64(_MULTIPLIERS[1])
    values ^= values >> np.uint64(31)
    return values


def key(*parts: int) -> int:
    """A 64-bit key of several numbers."""
    state = np.zeros(1, np.uint64)
    for part in parts:
        state = mix(state + np.uint64(0x9E3779B97F4A7C15) + np.uint64(part & (2**64 - 1)))
    return int(state[0])


def permute(places: np.ndarray, count: int, by: int) -> np.ndarray:
    """The elements of 0 ..< `count` that stand at `places` of the permutation of the key `by`."""
    if count < 2:
        return places.astype(np.int64)
    half = max(1, ((count - 1).bit_length() + 1) // 2)
    mask = np.uint64((1 << half) - 1)
    shift = np.uint64(half)
    keys = [np.uint64(key(by, turn)) for turn in range(_ROUNDS)]
    result = places.astype(np.uint64)
    open_ = np.arange(len(result))
    while len(open_):
        value = result[open_]
        left, right = value >> shift, value & mask
        for turn in keys:
            left, right = right, left ^ (mix(right + turn) & mask)
        value = (left << shift) | right
        result[open_] = value
        open_ = open_[value >= np.uint64(count)]
    return result.astype(np.int64)


class Order:
    """The rows of an epoch in their order.

    :param count: rows.
    :param window: shuffle within about so many rows at a time; all of them when ``None``.
    """

    def __init__(
        self, count: int, *, seed: int, epoch: int, shuffle: bool = True, window: int | None = None
    ) -> None:
        self.count = count
        self._shuffle = shuffle
        self._key = key(seed, epoch)
        self._blocks_per_window = 0
        if window is not None and window < count:
            self._blocks_per_window = max(1, window // BLOCK)
            self._blocks = -(-count // BLOCK)
            self._slots = permute(np.arange(self._blocks), self._blocks, self._key)
            lengths = np.full(self._blocks, BLOCK, np.int64)
            lengths[self._slots == self._blocks - 1] = count - (self._blocks - 1) * BLOCK
            self._starts = np.concatenate(([0], np.cumsum(lengths)))

    def rows(self, start: int, end: int) -> np.ndarray:
        """The rows at the places `start` ..< `end`."""
        places = np.arange(start, min(end, self.count), dtype=np.int64)
        if not self._shuffle or not len(places):
            return places
        if not self._blocks_per_window:
            return permute(places, self.count, self._key)
        parts = []
        place, end = start, start + len(places)
        while place < end:
            slot = int(np.searchsorted(self._starts, place, side="right")) - 1
            window = slot // self._blocks_per_window
            first = window * self._blocks_per_window
            last = min(first + self._blocks_per_window, self._blocks)
            begin, stop = int(self._starts[first]), int(self._starts[last])
            within = permute(
                np.arange(place - begin, min(end, stop) - begin),
                stop - begin,
                key(self._key, window),
            )
            within += begin
            slots = np.searchsorted(self._starts, within, side="right") - 1
            parts.append(self._slots[slots] * BLOCK + (within - self._starts[slots]))
            place = min(end, stop)
        return np.concatenate(parts)
