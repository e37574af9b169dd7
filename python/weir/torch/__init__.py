# SPDX-License-Identifier: Apache-2.0
"""Weir's tables and streams for PyTorch. Needs torch, numpy and pyarrow: ``pip install
weir[torch]``.

>>> dataset = weir.torch.Dataset(table, {"price": Dense("price"), "item": Id("item_id")})
>>> for batch in dataset.loader(num_workers=2):
...     batch["price"], batch["item"]
"""

try:
    import numpy as _numpy  # noqa: F401
    import pyarrow as _pyarrow  # noqa: F401
    import torch as _torch  # noqa: F401
except ImportError as error:
    raise ImportError(
        f"weir.torch needs torch, numpy and pyarrow ({error}): pip install 'weir[torch]'"
    ) from error

from ._dataset import Dataset
from ._features import Dense, Id, IdList, Padded, Ragged, Sequence, text_id
from ._loader import Loader

__all__ = [
    "Dataset",
    "Dense",
    "Id",
    "IdList",
    "Loader",
    "Padded",
    "Ragged",
    "Sequence",
    "text_id",
]
