# SPDX-License-Identifier: Apache-2.0
"""Offline evaluation of recommenders: splits, full-catalogue ranking, metrics with intervals.

>>> from weir import evaluate
>>> events = evaluate.read("ratings.parquet", user="user_id", item="item_id", time="event_time")
>>> split = evaluate.split_by_time(events, 0.8)
>>> evaluate.evaluate(evaluate.ItemToItem(), split, ks=(10, 20))

Needs NumPy; reading files needs pyarrow. ``python -m weir.evaluate`` is the command line.
"""

try:
    import numpy as _numpy  # noqa: F401
except ImportError as error:
    raise ImportError(
        f"weir.evaluate needs numpy and pyarrow ({error}): pip install 'weir[evaluate]'"
    ) from error

from . import report
from ._baselines import EASE, ItemToItem, Popularity, Recommender
from ._interactions import Interactions, read, read_lists
from ._metrics import auc, bootstrap, calibration, grouped_auc, logloss
from ._run import Evaluation, compare, evaluate, measure, pool
from ._served import served
from ._service import Surface
from ._splits import Split, rolling_splits, split_by_lists, split_by_time, split_last_item

__all__ = [
    "EASE",
    "Evaluation",
    "Interactions",
    "ItemToItem",
    "Popularity",
    "Recommender",
    "Split",
    "Surface",
    "auc",
    "bootstrap",
    "calibration",
    "compare",
    "evaluate",
    "grouped_auc",
    "logloss",
    "measure",
    "pool",
    "read",
    "read_lists",
    "report",
    "rolling_splits",
    "served",
    "split_by_lists",
    "split_by_time",
    "split_last_item",
]
