#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the graphs of the tests, and what onnxruntime and numpy say of them (expected.json).

Needs the packages onnx, onnxruntime and numpy: python make_models.py
"""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

FOLDER = Path(__file__).resolve().parent
DENSE_USER, DENSE_ITEM, EMBEDDING, HISTORY, VECTOR = 3, 2, 4, 5, 6
TASKS = ["click", "like"]
HIDDEN = 24

SHAPES = {
    "user_dense": [DENSE_USER],
    "item_dense": [DENSE_ITEM],
    "user_embedding": [EMBEDDING],
    "item_embedding": [EMBEDDING],
    "history_embedding": [HISTORY, EMBEDDING],
    "history_mask": [HISTORY],
}


class Graph:
    """Collects nodes and weights."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def constant(self, values: np.ndarray) -> str:
        name = f"c{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(values, name))
        return name

    def node(self, kind: str, *inputs: str, name: str = "", **attributes: object) -> str:
        output = name or f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def linear(self, value: str, width: int, height: int, name: str = "") -> str:
        weight = self.random.normal(0, width**-0.5, (width, height)).astype(np.float32)
        bias = self.random.normal(0, 0.1, height).astype(np.float32)
        return self.node("Gemm", value, self.constant(weight), self.constant(bias), name=name)

    def dense(self, value: str, width: int) -> str:
        """Null is 0 and a flag of its own; values are squashed."""
        is_null = self.node("IsNaN", value)
        zero = self.constant(np.zeros(1, np.float32))
        values = self.node("Tanh", self.node("Where", is_null, zero, value))
        flags = self.node("Cast", is_null, to=TensorProto.FLOAT)
        return self.linear(self.node("Concat", values, flags, axis=1), 2 * width, 8)

    def history(self) -> str:
        """The mean of the embeddings that there are."""
        axes = self.constant(np.array([2], np.int64))
        mask = self.node("Unsqueeze", "history_mask", axes)
        rows = self.constant(np.array([1], np.int64))
        total = self.node(
            "ReduceSum", self.node("Mul", "history_embedding", mask), rows, keepdims=0
        )
        count = self.node("ReduceSum", "history_mask", rows, keepdims=1)
        one = self.constant(np.ones(1, np.float32))
        return self.node("Div", total, self.node("Max", count, one))

    def save(
        self,
        name: str,
        inputs: list[str],
        output: str,
        width: int,
        batch: int | str = "B",
        users: int | str | None = None,
    ) -> None:
        def rows(name: str) -> int | str:
            return batch if users is None or name.startswith("item") else users

        graph = helper.make_graph(
            self.nodes,
            name,
            [
                helper.make_tensor_value_info(i, TensorProto.FLOAT, [rows(i), *SHAPES[i]])
                for i in inputs
            ],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, [batch, width])],
            self.weights,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        model.ir_version = 8
        onnx.checker.check_model(model)
        onnx.save(model, FOLDER / f"{name}.onnx")


def retriever(name: str = "retriever", seed: int = 1) -> None:
    graph = Graph(seed)
    user = graph.dense("user_dense", DENSE_USER)
    joined = graph.node("Concat", user, "user_embedding", graph.history(), axis=1)
    hidden = graph.node("Relu", graph.linear(joined, 8 + 2 * EMBEDDING, HIDDEN))
    graph.linear(hidden, HIDDEN, VECTOR, name="user_vector")
    inputs = ["user_dense", "user_embedding", "history_embedding", "history_mask"]
    graph.save(name, inputs, "user_vector", VECTOR)


def ranker(name: str, seed: int = 2, end: str = "Sigmoid", tasks: int = 2, batch: int | str = "B"):
    graph = Graph(seed)
    joined = graph.node(
        "Concat",
        graph.dense("user_dense", DENSE_USER),
        graph.dense("item_dense", DENSE_ITEM),
        "user_embedding",
        "item_embedding",
        graph.history(),
        axis=1,
    )
    hidden = graph.node("Relu", graph.linear(joined, 16 + 3 * EMBEDDING, HIDDEN))
    if end == "Mean":
        # Depends on the other rows.
        axes = graph.node("ReduceMean", hidden, axes=[0], keepdims=1)
        hidden = graph.node("Sub", hidden, axes)
        end = "Sigmoid"
    logits = graph.linear(hidden, HIDDEN, tasks)
    graph.node(end, logits, name="scores")
    graph.save(name, list(SHAPES), "scores", tasks, batch)


def ranker_of_one_user() -> None:
    """The same as `ranker`, with the user's inputs in one row for all items."""
    graph = Graph(2)
    zero = graph.constant(np.zeros(1, np.float32))
    items = graph.node("ReduceMax", graph.node("Mul", "item_embedding", zero), axes=[1])

    def each(value: str) -> str:
        return graph.node("Add", value, items)

    joined = graph.node(
        "Concat",
        each(graph.dense("user_dense", DENSE_USER)),
        graph.dense("item_dense", DENSE_ITEM),
        each("user_embedding"),
        "item_embedding",
        each(graph.history()),
        axis=1,
    )
    hidden = graph.node("Relu", graph.linear(joined, 16 + 3 * EMBEDDING, HIDDEN))
    graph.node("Sigmoid", graph.linear(hidden, HIDDEN, 2), name="scores")
    graph.save("ranker_of_one_user", list(SHAPES), "scores", 2, users=1)


def plain_ranker() -> None:
    """No word about nulls."""
    graph = Graph(3)
    joined = graph.node("Concat", "user_dense", "item_dense", axis=1)
    graph.node("Sigmoid", graph.linear(joined, DENSE_USER + DENSE_ITEM, 2), name="scores")
    graph.save("ranker_of_nulls", ["user_dense", "item_dense"], "scores", 2)


def peeking_retriever() -> None:
    """A retriever that wants to know the item."""
    graph = Graph(4)
    joined = graph.node("Concat", "user_embedding", "item_embedding", axis=1)
    graph.linear(joined, 2 * EMBEDDING, VECTOR, name="user_vector")
    graph.save("retriever_of_items", ["user_embedding", "item_embedding"], "user_vector", VECTOR)


def rounded(values: np.ndarray) -> list:
    return [round(float(value), 3) for value in values]


def expected() -> dict:
    random = np.random.default_rng(7)
    users = {str(user): rounded(random.normal(size=EMBEDDING)) for user in range(3)}
    items = {str(item): rounded(random.normal(size=EMBEDDING)) for item in range(100, 140)}
    vectors = {item: rounded(random.normal(size=VECTOR)) for item in items}
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    sessions = [
        onnxruntime.InferenceSession(FOLDER / f"{name}.onnx", options, ["CPUExecutionProvider"])
        for name in ("retriever", "ranker")
    ]

    def zeros(table: dict, key: str | None) -> list:
        return table.get(key, [0.0] * EMBEDDING)

    cases = []
    for user, history_count, item_count in [("0", 0, 1), ("1", 3, 40), ("2", 9, 33), ("77", 5, 5)]:
        history = [str(item) for item in random.integers(100, 145, history_count)]
        if history_count == 3:
            history[1] = None
        chosen = [str(item) for item in random.integers(100, 145, item_count)]
        user_dense = [None if random.random() < 0.3 else v for v in rounded(random.normal(size=3))]
        item_dense = [
            None if random.random() < 0.3 else v
            for v in rounded(random.normal(size=item_count * DENSE_ITEM))
        ]
        recent = history[:HISTORY] + [None] * max(0, HISTORY - len(history))
        row = {
            "user_dense": [np.nan if v is None else v for v in user_dense],
            "user_embedding": zeros(users, user),
            "history_embedding": [zeros(items, item) for item in recent],
            "history_mask": [float(item is not None) for item in recent],
        }
        one = {name: np.array([value], np.float32) for name, value in row.items()}
        (vector,) = sessions[0].run(["user_vector"], one)
        scores = []
        for index, item in enumerate(chosen):
            dense = item_dense[index * DENSE_ITEM : (index + 1) * DENSE_ITEM]
            one["item_dense"] = np.array([[np.nan if v is None else v for v in dense]], np.float32)
            one["item_embedding"] = np.array([zeros(items, item)], np.float32)
            (result,) = sessions[1].run(["scores"], one)
            scores += [float(value) for value in result[0]]
        products = np.array(list(vectors.values()), np.float32) @ vector[0]
        order = np.argsort(-products, kind="stable")[:10]
        cases.append(
            {
                "user": user,
                "user_dense": user_dense,
                "history": history,
                "items": chosen,
                "item_dense": item_dense,
                "user_vector": [float(value) for value in vector[0]],
                "scores": scores,
                "nearest": [list(vectors)[index] for index in order],
                "products": [float(products[index]) for index in order],
            }
        )
    metadata = {
        "format": 1,
        "user_dense": ["user_events", "user_mean_value", "user_heat"],
        "item_dense": ["item_events", "item_trend"],
        "embedding": EMBEDDING,
        "history": "user_recent_item_id",
        "history_length": HISTORY,
        "vector": VECTOR,
        "tasks": TASKS,
    }
    embeddings = {"user": users, "item": items, "item_vector": vectors}
    return {"metadata": metadata, "embeddings": embeddings, "cases": cases}


def main() -> None:
    retriever()
    retriever("retriever_2", seed=5)
    ranker("ranker")
    ranker_of_one_user()
    ranker("ranker_of_logits", end="Identity")
    ranker("ranker_of_batches", end="Mean")
    ranker("ranker_of_three", tasks=3)
    ranker("ranker_of_eight", batch=8)
    plain_ranker()
    peeking_retriever()
    text = json.dumps(expected(), separators=(",", ":"))
    (FOLDER / "expected.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
