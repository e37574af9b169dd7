# SPDX-License-Identifier: Apache-2.0
"""Towers and ranker as ONNX graphs, compared with what PyTorch computes."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .._errors import InvalidDataError, UnsupportedError
from ._model import Model

_OPSET = 17
#: The largest difference between ONNX Runtime's and PyTorch's results.
TOLERANCE = 1e-4


class _Graph(nn.Module):
    """A module by named inputs; features that the definition does not have are no inputs."""

    output = ""
    wanted: tuple[str, ...] = ()
    #: Inputs that have one row, whatever the batch.
    single: tuple[str, ...] = ()

    def __init__(self, model: Model) -> None:
        super().__init__()
        definition = model.definition
        sizes = {"user_dense": len(definition.user_dense), "item_dense": len(definition.item_dense)}
        self.names = [name for name in self.wanted if sizes.get(name, 1)]
        self.model = (model.retriever if self.output == "user_vector" else model.ranker).eval()

    def forward(self, *values: Tensor) -> Tensor:
        given = dict(zip(self.names, values))
        for name, like in (("user_dense", "history_mask"), ("item_dense", "item_embedding")):
            if name in self.wanted and name not in given:
                given[name] = given[like][:, :0]
        return self.compute(given)

    def picked(self, given: dict[str, Tensor]) -> dict[str, Tensor]:
        """Of inputs that have one row the last one."""
        return {name: given[name][-1:] if name in self.single else given[name] for name in given}

    def compute(self, given: dict[str, Tensor]) -> Tensor:
        raise NotImplementedError


class RetrieverGraph(_Graph):
    output = "user_vector"
    wanted = ("user_dense", "history_embedding", "history_mask")

    def compute(self, given: dict[str, Tensor]) -> Tensor:
        return self.model(*(given[name] for name in self.wanted))


class RankerGraph(_Graph):
    """One user and a batch of items: what is the user's is computed once."""

    output = "scores"
    single = ("user_dense", "history_embedding", "history_mask")
    wanted = (
        "user_dense",
        "item_dense",
        "item_embedding",
        "history_embedding",
        "history_mask",
    )

    def compute(self, given: dict[str, Tensor]) -> Tensor:
        return self.model(*(given[name] for name in self.wanted))


def graphs(model: Model) -> tuple[bytes, bytes]:
    """The retriever's and the ranker's graph, proven equal where onnxruntime is there.

    :raises InvalidDataError: ONNX Runtime computes something else.
    """
    return export(RetrieverGraph(model), model), export(RankerGraph(model), model)


def export(graph: _Graph, model: Model) -> bytes:
    example = graph.picked(sample(model, 3))
    inputs = tuple(example[name] for name in graph.names)
    batches = [name for name in (*graph.names, graph.output) if name not in graph.single]
    buffer = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph,
            inputs,
            buffer,
            input_names=graph.names,
            output_names=[graph.output],
            dynamic_axes={name: {0: "batch"} for name in batches},
            opset_version=_OPSET,
            dynamo=False,
        )
    content = buffer.getvalue()
    verify(content, graph, model)
    return content


def sample(model: Model, count: int, seed: int = 0) -> dict[str, Tensor]:
    """Inputs of all kinds: missing features, empty and full histories, large numbers."""
    definition = model.definition
    random = torch.Generator().manual_seed(seed)
    size, length = definition.embedding, definition.history_length
    held = torch.randint(0, length + 1, (count,), generator=random)
    held[:1] = 0
    mask = (torch.arange(length) < held[:, None]).float()
    result = {
        "item_embedding": torch.randn(count, size, generator=random),
        "history_embedding": torch.randn(count, length, size, generator=random) * mask[:, :, None],
        "history_mask": mask,
    }
    for name, columns in (
        ("user_dense", definition.user_dense),
        ("item_dense", definition.item_dense),
    ):
        values = torch.randn(count, len(columns), generator=random).exp() * 10
        values[torch.rand(values.shape, generator=random) < 0.2] = torch.nan
        result[name] = values
    return result


def verify(content: bytes, graph: _Graph, model: Model) -> None:
    """Compares the graph in ONNX Runtime with the module, on batches of several sizes."""
    try:
        import onnxruntime
    except ImportError:
        return
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    for count in (1, 3, 64):
        given = graph.picked(sample(model, count, seed=count))
        with torch.no_grad():
            wanted = graph(*(given[name] for name in graph.names)).numpy()
        feed = {i.name: given[i.name].numpy() for i in session.get_inputs()}
        found: Any = session.run(None, feed)[0]
        difference = float(np.abs(found - wanted).max() / max(1.0, np.abs(wanted).max()))
        if found.shape != wanted.shape or not difference <= TOLERANCE:
            raise InvalidDataError(
                f"the ONNX graph of {graph.output} differs from PyTorch's by {difference:.2g} "
                f"({found.shape} and {wanted.shape}); it is not published"
            )


def require_exporter() -> None:
    """Finds out early that graphs cannot be made.

    :raises UnsupportedError: says what to install.
    """
    try:
        import onnx  # noqa: F401
    except ImportError as error:
        raise UnsupportedError("exporting models needs onnx: pip install 'weir[torch]'") from error
