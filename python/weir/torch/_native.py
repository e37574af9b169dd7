# SPDX-License-Identifier: Apache-2.0
"""Gathering lists, once for each batch."""

from __future__ import annotations

import numpy as np


def gather_lists(
    offsets: np.ndarray,
    values: np.ndarray,
    width: int,
    rows: np.ndarray,
    lengths: list[int],
) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each of the `width` lists of the rows: (values, offsets) where its length is 0, else
    (values, mask), padded to that length.
    """
    result = []
    for index, most in enumerate(lengths):
        place = rows * width + index
        start = offsets[place]
        size = offsets[place + 1] - start
        if most:
            step = np.arange(most)
            mask = step < size[:, None]
            padded = np.zeros((len(rows), most), values.dtype)
            padded[mask] = values[(start[:, None] + step)[mask]]
            result.append((padded, mask))
        else:
            ends = np.zeros(len(rows) + 1, np.int64)
            np.cumsum(size, out=ends[1:])
            taken = np.repeat(start - ends[:-1], size) + np.arange(ends[-1])
            result.append((values[taken], ends))
    return result
