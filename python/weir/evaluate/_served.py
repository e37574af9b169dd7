# SPDX-License-Identifier: Apache-2.0
"""How well served scores ordered what was shown: the request log beside its training examples."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._errors import InvalidDataError
from ._metrics import auc, calibration, grouped_auc, logloss


def served(
    requests: Any,
    examples: Any,
    label: str,
    *,
    user: str = "user_id",
    item: str = "item_id",
) -> dict[str, Any]:
    """Metrics of the scores by which items were ranked when they were served.

    :param requests: a table with ``request_id``, ``items`` and ``scores`` (pyarrow).
    :param examples: a table with ``request_id``, the columns of user and item, ``sampling_rate``
        and the label; those of no request are passed over.
    :returns: ``rows``, ``positives``, ``auc``, ``gauc`` (by user); where all scores lie within 0
        and 1 also ``logloss``, with rows weighted by 1 / sampling rate, and ``calibration``: for
        ten bins what was predicted, what came, and the rows.
    :raises InvalidDataError: a column is missing, or no example is of a request.
    """
    for name in (label, "request_id", user, item, "sampling_rate"):
        if name not in examples.column_names:
            raise InvalidDataError(
                f"examples have no column {name!r}; there are: {', '.join(examples.column_names)}"
            )
    scores: dict[tuple[str, Any], float] = {}
    columns = (requests.column(name).to_pylist() for name in ("request_id", "items", "scores"))
    for request, items, values in zip(*columns):
        for one, value in zip(items, values):
            scores[request, one] = value
    columns = (
        examples.column(name).to_pylist()
        for name in ("request_id", item, user, label, "sampling_rate")
    )
    rows = [
        (who, bool(truth), scores[request, one], rate)
        for request, one, who, truth, rate in zip(*columns)
        if (request, one) in scores
    ]
    if not rows:
        raise InvalidDataError("no example is of a request in the log")
    users, truths, values, rates = (np.asarray(column) for column in zip(*rows))
    if np.isnan(values).any():
        raise InvalidDataError("served scores are NaN")
    result: dict[str, Any] = {
        "rows": len(rows),
        "positives": int(truths.sum()),
        "auc": auc(truths, values),
        "gauc": grouped_auc(users, truths, values),
    }
    if values.min() >= 0 and values.max() <= 1:
        weights = 1 / np.clip(rates.astype(np.float64), 1e-6, None)
        result["logloss"] = logloss(truths, values, weights)
        result["calibration"] = calibration(truths, values)
    return result
