"""One network as nodes of ONNX: from scaled features to probabilities or targets."""

import math

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from ash.export.onnx_graph import Graph
from ash.export.steps import DIMENSIONS, Embedding, Layer, Member


def member_outputs(graph: Graph, member: Member, features: str, classifies: bool) -> str:
    """Add a member and return its outputs: probabilities, float [rows, classes], or targets, double [rows, targets].

    Parameters
    ----------
    features : str
        float [rows, features].
    classifies : bool
        Whether its outputs are probabilities.
    """
    x = features if member.embedding is None else _embed(graph, member.embedding, features)
    for layer in member.layers:
        x = _activate(graph, layer, graph.add("Gemm", x, layer.weights, layer.biases))
    if classifies:
        return graph.add("Softmax", x, axis=1)
    wide = graph.add("Cast", x, to=TensorProto.DOUBLE)
    return graph.add("Add", graph.add("Mul", wide, member.target_scale), member.target_mean)


def _embed(graph: Graph, embedding: Embedding, features: str) -> str:
    """Return features and what is made of their numbers, float [rows, features + DIMENSIONS * n]."""
    count = len(embedding.numbers)
    numbers = graph.add("Cast", graph.add("Gather", features, embedding.numbers, axis=1), to=TensorProto.DOUBLE)
    column = graph.add("Unsqueeze", numbers, np.array([1]))  # [rows, 1, n]
    turns = graph.add("Mul", column, embedding.frequency.astype(np.float64))
    turns = graph.add("Add", turns, embedding.phase.astype(np.float64))  # [rows, FREQUENCIES, n]
    turns = graph.add("Cast", turns, to=TensorProto.FLOAT)
    turns = graph.add("Sub", turns, graph.add("Round", turns))
    cosines = graph.add("Cos", graph.add("Mul", turns, _float(2 * math.pi)))
    by_number = graph.add("Transpose", cosines, perm=[2, 0, 1])  # [n, rows, FREQUENCIES]
    mixed = graph.add("MatMul", by_number, embedding.mix.transpose(2, 0, 1))  # [n, rows, DIMENSIONS]
    values = graph.add("Add", graph.add("Transpose", mixed, perm=[1, 2, 0]), embedding.bias)
    flat = graph.add("Reshape", values, np.array([0, DIMENSIONS * count]))
    return graph.add("Concat", features, flat, axis=1)


def _activate(graph: Graph, layer: Layer, x: str) -> str:
    value = _function(graph, layer.activation, x)
    if layer.shares is None:
        return value
    rest = graph.add("Mul", x, np.float32(1) - layer.shares)
    return graph.add("Add", rest, graph.add("Mul", value, layer.shares))


def _function(graph: Graph, name: str, x: str) -> str:
    """Return an activation of x, of operators that every version of ONNX has."""
    if name == "silu":
        return graph.add("Mul", x, graph.add("Sigmoid", x))
    if name == "mish":
        return graph.add("Mul", x, graph.add("Tanh", graph.add("Softplus", x)))
    if name == "gelu":
        cubic = graph.add("Mul", graph.add("Mul", graph.add("Mul", x, x), x), _float(0.044715))
        inner = graph.add("Tanh", graph.add("Mul", graph.add("Add", x, cubic), _float(math.sqrt(2 / math.pi))))
        return graph.add("Mul", graph.add("Mul", x, _float(0.5)), graph.add("Add", inner, _float(1.0)))
    return x if name == "identity" else graph.add(_OPERATORS[name], x)


_OPERATORS = {"relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "selu": "Selu"}


def _float(value: float) -> NDArray[np.float32]:
    return np.array(value, np.float32)
