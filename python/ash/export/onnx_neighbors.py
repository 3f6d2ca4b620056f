"""The features of neighbors as nodes of ONNX, in double: see `ash.neighbors.Neighbors`.

    numbers --places--> squares of the distances to all rows --TopK--> the nearest --> means, closeness

Memory: 16 bytes a row and distinct training row while a model runs: predict some thousand rows at a time.
"""

import numpy as np

from ash.export.onnx_graph import Graph
from ash.neighbors import FAR, LIMIT, NEAREST, SOFT, Neighbors


def neighbor_features(graph: Graph, neighbors: Neighbors, numbers: str) -> str:
    """Add the features [rows, k + 1] of numbers [rows, columns], and return their name."""
    squares = _squares(graph, neighbors, _places(graph, neighbors, numbers))
    nearest, which = graph.add_two("TopK", squares, np.array([NEAREST]), largest=0)
    weights = graph.add("Gather", neighbors.weights, which)
    soft = np.array(SOFT**2)
    furthest = graph.add("Add", graph.add("ReduceMax", nearest, axes=[1], keepdims=1), soft)
    shares = graph.add("Sub", graph.add("Div", furthest, graph.add("Add", nearest, soft)), np.array(1.0))
    total = graph.add("ReduceSum", graph.add("Mul", shares, weights), np.array([1]), keepdims=1)
    deviations = graph.add("Gather", neighbors.deviations, which, axis=0)
    sums = graph.add("ReduceSum", graph.add("Mul", _unsqueezed(graph, shares), deviations), np.array([1]), keepdims=0)
    mean = graph.add("Div", sums, graph.add("Add", total, np.array(1.0)))
    return graph.add("Concat", graph.add("Add", mean, neighbors.priors), _closeness(graph, weights, nearest), axis=1)


def _places(graph: Graph, neighbors: Neighbors, numbers: str) -> str:
    scaled = graph.add("Mul", graph.add("Sub", numbers, neighbors.center), neighbors.inverse)
    z = graph.add("Clip", scaled, np.array(-FAR), np.array(FAR))
    share = graph.add("Div", z, np.array(LIMIT))
    root = graph.add("Sqrt", graph.add("Add", graph.add("Mul", share, share), np.array(1.0)))
    return graph.add("Where", graph.add("IsNaN", numbers), np.array(0.0), graph.add("Div", z, root))


def _squares(graph: Graph, neighbors: Neighbors, places: str) -> str:
    """Return the squared distances [rows, distinct rows], summed column by column."""
    total = ""
    for column, values in enumerate(neighbors.rows.T):
        own = graph.add("Gather", places, np.array([column]), axis=1)
        difference = graph.add("Sub", own, values[None])
        square = graph.add("Mul", difference, difference)
        total = graph.add("Add", total, square) if total else square
    return total


def _closeness(graph: Graph, weights: str, squares: str) -> str:
    there = graph.add("Where", graph.add("Greater", weights, np.array(0.0)), squares, np.array(np.inf))
    distance = graph.add("Sqrt", graph.add("ReduceMin", there, axes=[1], keepdims=1))
    return graph.add("Reciprocal", graph.add("Add", graph.add("Sqrt", distance), np.array(1.0)))


def _unsqueezed(graph: Graph, values: str) -> str:
    return graph.add("Unsqueeze", values, np.array([2]))
