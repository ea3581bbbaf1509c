"""The ONNX translation of primitives: arithmetic, shapes, reductions, products."""

from collections.abc import Sequence

import numpy as np

from actlab.core.errors import ActlabError
from actlab.training.linear import Operation, Value
from actlab.training.onnx_graph import Graph, rule

_NARROW = ("uint8", "int8", "uint16", "int16", "bool")
"""Types for which runtimes lack arithmetic and comparisons: these are done in int32."""


def _wide(graph: Graph, value: Value) -> str:
    """The value's name, as int32 where its type is narrow."""
    name = graph.name(value)
    return graph.cast(name, np.int32) if np.dtype(value.dtype).name in _NARROW else name


_PLAIN = {
    "add": "Add", "add_any": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "max": "Max", "min": "Min",
    "tanh": "Tanh", "logistic": "Sigmoid", "exp": "Exp", "log": "Log", "sqrt": "Sqrt", "abs": "Abs", "sign": "Sign",
    "floor": "Floor", "ceil": "Ceil", "neg": "Neg", "sin": "Sin", "cos": "Cos", "tan": "Tan", "asin": "Asin",
    "acos": "Acos", "atan": "Atan", "sinh": "Sinh", "cosh": "Cosh",
    "asinh": "Asinh", "acosh": "Acosh", "atanh": "Atanh", "erf": "Erf", "pow": "Pow",
}  # fmt: skip
_COMPARED = {
    "eq": "Equal", "lt": "Less", "le": "LessOrEqual", "gt": "Greater", "ge": "GreaterOrEqual",
    "eq_to": "Equal", "lt_to": "Less", "le_to": "LessOrEqual",  # total orders differ in NaN and -0 alone
}  # fmt: skip
_LOGICAL = {"and": "And", "or": "Or", "xor": "Xor", "not": "Not"}


@rule(*_PLAIN)
def _(graph: Graph, operation: Operation, *values: Value) -> str:
    name = graph.node(_PLAIN[operation.name], *(_wide(graph, value) for value in values))
    dtype = operation.outputs[0].dtype
    return graph.cast(name, dtype) if np.dtype(dtype).name in _NARROW else name


@rule(*_COMPARED)
def _(graph: Graph, operation: Operation, *values: Value) -> str:
    return graph.node(_COMPARED[operation.name], *(_wide(graph, value) for value in values))


@rule("ne")
def _(graph: Graph, operation: Operation, *values: Value) -> str:
    return graph.node("Not", graph.node("Equal", *(_wide(graph, value) for value in values)))


@rule(*_LOGICAL)
def _(graph: Graph, operation: Operation, *values: Value) -> str:
    if any(np.dtype(value.dtype) != bool for value in values):
        raise ActlabError(f"The policy uses {operation.name!r} on the bits of integers, which has no ONNX translation.")
    return graph.node(_LOGICAL[operation.name], *map(graph.name, values))


@rule("rem")
def _(graph: Graph, operation: Operation, *values: Value) -> str:
    return graph.node("Mod", *map(graph.name, values), fmod=1)


@rule("square")
def _(graph: Graph, operation: Operation, value: Value) -> str:
    return graph.node("Mul", graph.name(value), graph.name(value))


@rule("integer_pow")
def _(graph: Graph, operation: Operation, value: Value) -> str:
    exponent = np.asarray(operation.parameters["y"], value.dtype)
    return graph.node("Pow", graph.name(value), graph.constant(exponent))


@rule("rsqrt")
def _(graph: Graph, operation: Operation, value: Value) -> str:
    return graph.node("Reciprocal", graph.node("Sqrt", graph.name(value)))


@rule("exp2")
def _(graph: Graph, operation: Operation, value: Value) -> str:
    return graph.node("Pow", graph.constant(np.asarray(2, value.dtype)), graph.name(value))


@rule("log1p")
def _(graph: Graph, operation: Operation, value: Value) -> str:
    return graph.node("Log", graph.node("Add", graph.name(value), graph.constant(np.asarray(1, value.dtype))))


@rule("expm1")
def _(graph: Graph, operation: Operation, value: Value) -> str:
    return graph.node("Sub", graph.node("Exp", graph.name(value)), graph.constant(np.asarray(1, value.dtype)))


@rule("is_finite")
def _(graph: Graph, operation: Operation, value: Value) -> str:
    name = graph.name(value)
    return graph.node("Not", graph.node("Or", graph.node("IsNaN", name), graph.node("IsInf", name)))


@rule("round")
def _(graph: Graph, operation: Operation, value: Value) -> str:
    name = graph.name(value)
    if int(operation.parameters["rounding_method"]) == 1:  # to even, as ONNX does
        return graph.node("Round", name)
    half = graph.node("Add", graph.node("Abs", name), graph.constant(np.asarray(0.5, value.dtype)))
    return graph.node("Mul", graph.node("Sign", name), graph.node("Floor", half))


@rule("clamp")
def _(graph: Graph, operation: Operation, low: Value, value: Value, high: Value) -> str:
    return graph.node("Max", graph.node("Min", graph.name(value), graph.name(high)), graph.name(low))


@rule("copy", "copy_p", "stop_gradient", "optimization_barrier", "reduce_precision")
def _(graph: Graph, operation: Operation, *values: Value) -> list[str]:
    return list(map(graph.name, values))


@rule("convert_element_type")
def _(graph: Graph, operation: Operation, value: Value) -> str:
    return graph.cast(graph.name(value), operation.outputs[0].dtype)


@rule("select_n")
def _(graph: Graph, operation: Operation, which: Value, *cases: Value) -> str:
    if np.dtype(which.dtype) == bool:
        return _where(graph, graph.name(which), cases[1], graph.name(cases[0]))
    chosen = graph.name(cases[0])
    for number, case in enumerate(cases[1:], 1):
        taken = graph.node("Equal", graph.name(which), graph.constant(np.asarray(number, which.dtype)))
        chosen = _where(graph, taken, case, chosen)
    return chosen


def _where(graph: Graph, condition: str, then: Value, otherwise: str) -> str:
    if np.dtype(then.dtype) != bool:
        return graph.node("Where", condition, graph.name(then), otherwise)
    no = graph.node("Not", condition)
    return graph.node("Or", graph.node("And", condition, graph.name(then)), graph.node("And", no, otherwise))


# --- shapes ------------------------------------------------------------------------------------------


@rule("reshape", "squeeze", "expand_dims")
def _(graph: Graph, operation: Operation, value: Value) -> str:
    return graph.reshape(graph.name(value), operation.outputs[0].shape)


@rule("broadcast_in_dim")
def _(graph: Graph, operation: Operation, value: Value) -> str:
    shape = operation.outputs[0].shape
    ones = [1] * len(shape)
    for size, place in zip(value.shape, operation.parameters["broadcast_dimensions"], strict=True):
        ones[place] = size
    name = graph.reshape(graph.name(value), ones)
    return name if tuple(ones) == tuple(shape) else graph.node("Expand", name, graph.integers(*shape))


@rule("transpose")
def _(graph: Graph, operation: Operation, value: Value) -> str:
    return graph.node("Transpose", graph.name(value), perm=list(operation.parameters["permutation"]))


@rule("concatenate")
def _(graph: Graph, operation: Operation, *values: Value) -> str:
    return graph.node("Concat", *map(graph.name, values), axis=operation.parameters["dimension"])


@rule("stack")
def _(graph: Graph, operation: Operation, *values: Value) -> str:
    axis = operation.parameters["axis"]
    rows = [graph.node("Unsqueeze", graph.name(value), graph.integers(axis)) for value in values]
    return graph.node("Concat", *rows, axis=axis)


@rule("unstack")
def _(graph: Graph, operation: Operation, value: Value) -> list[str]:
    axis, name = operation.parameters["axis"], graph.name(value)
    places = (graph.constant(np.asarray(i, np.int64)) for i in range(len(operation.outputs)))
    return [graph.node("Gather", name, place, axis=axis) for place in places]


@rule("tile")
def _(graph: Graph, operation: Operation, value: Value) -> str:
    return graph.node("Tile", graph.name(value), graph.integers(*operation.parameters["reps"]))


@rule("split")
def _(graph: Graph, operation: Operation, value: Value) -> list[str]:
    sizes, axis = operation.parameters["sizes"], operation.parameters["axis"]
    found = graph.node("Split", graph.name(value), graph.integers(*sizes), outputs=len(sizes), axis=axis)
    return found if len(sizes) > 1 else [found]


@rule("slice")
def _(graph: Graph, operation: Operation, value: Value) -> str:
    parameters, rank = operation.parameters, len(value.shape)
    places = [parameters["start_indices"], parameters["limit_indices"], range(rank)]
    strides = parameters["strides"] or (1,) * rank
    return graph.node("Slice", graph.name(value), *(graph.integers(*x) for x in places), graph.integers(*strides))


@rule("rev")
def _(graph: Graph, operation: Operation, value: Value) -> str:
    axes = operation.parameters["dimensions"]
    ends = [[-1] * len(axes), [-(2**31)] * len(axes), axes, [-1] * len(axes)]
    return graph.node("Slice", graph.name(value), *(graph.integers(*x) for x in ends))


@rule("pad")
def _(graph: Graph, operation: Operation, value: Value, padding: Value) -> str:
    low, high, inside = zip(*operation.parameters["padding_config"], strict=True)
    if any(inside):
        raise ActlabError("The policy pads between elements, which has no ONNX translation.")
    return graph.node("Pad", graph.name(value), graph.integers(*low, *high), graph.name(padding))


# --- reductions --------------------------------------------------------------------------------------

_REDUCED = {
    "reduce_sum": "ReduceSum",
    "reduce_max": "ReduceMax",
    "reduce_min": "ReduceMin",
    "reduce_prod": "ReduceProd",
}


@rule(*_REDUCED)
def _(graph: Graph, operation: Operation, value: Value) -> str:
    axes = operation.parameters["axes"]
    if not axes:
        return graph.name(value)
    return graph.node(_REDUCED[operation.name], graph.name(value), graph.integers(*axes), keepdims=0)


@rule("reduce_and", "reduce_or")
def _(graph: Graph, operation: Operation, value: Value) -> str:
    kind = "ReduceMin" if operation.name == "reduce_and" else "ReduceMax"
    axes = graph.integers(*operation.parameters["axes"])
    return graph.cast(graph.node(kind, _wide(graph, value), axes, keepdims=0), np.bool_)


@rule("argmax", "argmin")
def _(graph: Graph, operation: Operation, value: Value) -> str:
    kind = "ArgMax" if operation.name == "argmax" else "ArgMin"
    (axis,) = operation.parameters["axes"]
    found = graph.node(kind, _wide(graph, value), axis=axis, keepdims=0)  # the first of equals, as JAX takes
    return graph.cast(found, operation.outputs[0].dtype)


@rule("cumsum")
def _(graph: Graph, operation: Operation, value: Value) -> str:
    axis = graph.constant(np.asarray(operation.parameters["axis"], np.int64))
    return graph.node("CumSum", graph.name(value), axis, reverse=int(operation.parameters["reverse"]))


# --- products ----------------------------------------------------------------------------------------


@rule("dot_general")
def _(graph: Graph, operation: Operation, left: Value, right: Value) -> str:
    (contract_left, contract_right), (batch_left, batch_right) = operation.parameters["dimension_numbers"]
    out = operation.outputs[0]

    def arranged(value: Value, batch: Sequence[int], contract: Sequence[int], last: bool) -> str:
        """As `[batch, free, contracted]` (the last two exchanged where not `last`)."""
        free = [d for d in range(len(value.shape)) if d not in (*batch, *contract)]
        groups = [batch, free, contract] if last else [batch, contract, free]
        name = graph.name(value) if value.dtype == out.dtype else graph.cast(graph.name(value), out.dtype)
        order = [d for group in groups for d in group]
        if order != list(range(len(order))):
            name = graph.node("Transpose", name, perm=order)
        return graph.reshape(name, [int(np.prod([value.shape[d] for d in group])) for group in groups])

    product = graph.node(
        "MatMul",
        arranged(left, batch_left, contract_left, True),
        arranged(right, batch_right, contract_right, False),
    )
    return graph.reshape(product, out.shape)


@rule("conv_general_dilated")
def _(graph: Graph, operation: Operation, image: Value, kernel: Value) -> str:
    parameters = operation.parameters
    numbers = parameters["dimension_numbers"]
    if any(size != 1 for size in parameters["lhs_dilation"]) or parameters["batch_group_count"] != 1:
        raise ActlabError("The policy has a transposed convolution, which has no ONNX translation.")
    low, high = zip(*parameters["padding"], strict=True)
    made = graph.node(
        "Conv",
        graph.node("Transpose", graph.name(image), perm=list(numbers.lhs_spec)),
        graph.node("Transpose", graph.name(kernel), perm=list(numbers.rhs_spec)),
        strides=list(parameters["window_strides"]),
        pads=[*low, *high],
        dilations=list(parameters["rhs_dilation"]),
        group=parameters["feature_group_count"],
    )
    return graph.node("Transpose", made, perm=np.argsort(numbers.out_spec).tolist())
