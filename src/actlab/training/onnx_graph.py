"""From a list of primitive operations (`training.linear`) to an ONNX model.

Every primitive has one rule (`training.onnx_rules`, `training.onnx_places`); one that has none is an error that names
it. The operator set is 18, which ONNX Runtime knows since 1.14.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from actlab.core.errors import ActlabError, MissingExtra
from actlab.training.linear import Operation, Program, Symbol, Value

OPERATORS = 18
"""Version of ONNX's operator set."""
FORMAT = 9
"""Version of the file format that belongs to it."""


class Graph:
    """An ONNX graph while it is written."""

    def __init__(self):
        try:
            import onnx
        except ImportError:
            raise MissingExtra("An ONNX file", "onnx") from None
        self.onnx = onnx
        self.nodes: list[Any] = []
        self.initializers: dict[tuple, Any] = {}
        self.names: dict[int, str] = {}
        self._kept: list[Any] = []  # a name stands for an object, which must therefore live on

    def constant(self, value: Any) -> str:
        """The name of a known array; equal small ones are stored once."""
        array = np.asarray(value)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self.initializers:
            name = f"constant_{len(self.initializers)}"
            self.initializers[key] = self.onnx.numpy_helper.from_array(array, name)
        return self.initializers[key].name

    def integers(self, *values: int) -> str:
        """The name of a constant int64 vector: shapes, axes, places."""
        return self.constant(np.asarray(values, np.int64))

    def node(self, kind: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        """Append an operator; returns the name of its output (a list, where it has several)."""
        names = [f"value_{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(self.onnx.helper.make_node(kind, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def name(self, value: Value) -> str:
        """The name of a value."""
        return self.names[id(value)] if isinstance(value, Symbol) else self.constant(value)

    def bind(self, value: Symbol, name: str) -> None:
        """Let `name` be the value."""
        self._kept.append(value)
        self.names[id(value)] = name

    def cast(self, name: str, dtype: Any) -> str:
        """The value in another type."""
        return self.node("Cast", name, to=self.type_of(dtype))

    def type_of(self, dtype: Any) -> int:
        """ONNX's number of a type."""
        return self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))

    def reshape(self, name: str, shape: Sequence[int]) -> str:
        """The value in another shape."""
        return self.node("Reshape", name, self.integers(*shape), allowzero=1)


Rule = Callable[..., Any]
"""(graph, operation, inputs) -> the name of the output, or a list of names."""
RULES: dict[str, Rule] = {}


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Decorator: the translation of these primitives."""

    def register(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, function))
        return function

    return register


def to_model(program: Program, inputs: Mapping[int, str], outputs: Sequence[str], notes: Mapping[str, str]) -> Any:
    """The ONNX model (an `onnx.ModelProto`) of a program.

    Args:
        inputs: number of a program's input -> its name; the others must not be used.
        outputs: name of every output.
        notes: written into the model's metadata.

    Raises:
        MissingExtra: the package `onnx` is not installed.
        ActlabError: a primitive has no rule.
    """
    graph = Graph()
    helper = graph.onnx.helper
    given = []
    for number, name in inputs.items():
        symbol = program.inputs[number]
        graph.bind(symbol, name)
        given.append(helper.make_tensor_value_info(name, graph.type_of(symbol.dtype), symbol.shape))
    for operation in program.operations:
        _translate(graph, operation)
    made = []
    for name, value in zip(outputs, program.outputs, strict=True):
        graph.nodes.append(helper.make_node("Identity", [graph.name(value)], [name]))
        made.append(helper.make_tensor_value_info(name, graph.type_of(value.dtype), value.shape))
    body = helper.make_graph(graph.nodes, "policy", given, made, list(graph.initializers.values()))
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", OPERATORS)], producer_name="actlab")
    model.ir_version = FORMAT
    helper.set_model_props(model, dict(notes))
    graph.onnx.checker.check_model(model)
    return model


def _translate(graph: Graph, operation: Operation) -> None:
    found = RULES.get(operation.name)
    if found is None:
        raise ActlabError(
            f"The policy uses {operation.name!r}, which has no translation to ONNX; export it as safetensors instead."
        )
    results = found(graph, operation, *operation.inputs)
    for symbol, name in zip(operation.outputs, [results] if isinstance(results, str) else results, strict=True):
        graph.bind(symbol, name)
