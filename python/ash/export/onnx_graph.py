"""A graph of ONNX that is written one node after the other: names are given, arrays become constants.

graph = Graph(["age"])
shifted = graph.add("Sub", "age", np.array([38.5]))
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

OPSET, ML_OPSET = 17, 4
"""Versions of the standard operators and of ai.onnx.ml, whose LabelEncoder takes doubles from 4 on."""
ML = "ai.onnx.ml"
_IR_VERSION = 9  # the first one with ai.onnx.ml 4
MOST_BYTES = 2**31 - 2**20
"""Of the arrays of a graph: more than a file of protobuf holds."""


class Graph:
    """Nodes and constants in order, under names that are none of the inputs and outputs.

    Parameters
    ----------
    names : sequence of str
        Of inputs and outputs.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._prefix = "_"
        while any(name.startswith(self._prefix) for name in names):
            self._prefix += "_"
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self.bytes = 0
        """Of all constants so far."""

    def add(self, operator: str, *inputs: str | NDArray[Any], output: str = "", **attributes: Any) -> str:
        """Add a node of one output and return the output's name.

        Parameters
        ----------
        inputs : str or ndarray
            Names of values, or constants.
        output : str
            Its name, where it is an output of the graph.
        """
        name = output or f"{self._prefix}{operator}{len(self._nodes)}"
        self._add(operator, inputs, [name], attributes)
        return name

    def add_two(self, operator: str, *inputs: str | NDArray[Any], **attributes: Any) -> tuple[str, str]:
        """Add a node of two outputs and return their names."""
        first, second = (f"{self._prefix}{operator}{len(self._nodes)}_{place}" for place in range(2))
        self._add(operator, inputs, [first, second], attributes)
        return first, second

    def _add(
        self, operator: str, inputs: Sequence[str | NDArray[Any]], outputs: list[str], attributes: dict[str, Any]
    ) -> None:
        names = [value if isinstance(value, str) else self._constant(value) for value in inputs]
        domain = ML if operator == "LabelEncoder" else ""
        self._nodes.append(helper.make_node(operator, names, outputs, domain=domain, **attributes))

    def model(self, inputs: list[Any], outputs: list[Any], properties: dict[str, str]) -> onnx.ModelProto:
        """Return the whole as a model.

        Parameters
        ----------
        inputs, outputs : list of onnx.ValueInfoProto
        properties : dict of str
            The metadata.
        """
        graph = helper.make_graph(self._nodes, "ash", inputs, outputs, self._constants)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(ML, ML_OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="ash")
        helper.set_model_props(model, properties)
        return model

    def _constant(self, values: NDArray[Any]) -> str:
        name = f"{self._prefix}constant{len(self._constants)}"
        self._constants.append(tensor(values, name))
        self.bytes += values.nbytes
        return name


def tensor(values: NDArray[Any], name: str = "tensor") -> onnx.TensorProto:
    """Return an array of numbers or of text as a tensor."""
    if values.dtype.kind in "UO":
        text = [value.encode("utf-8") for value in values.ravel().tolist()]
        return helper.make_tensor(name, onnx.TensorProto.STRING, values.shape, text)
    return numpy_helper.from_array(np.asarray(values, order="C"), name)
