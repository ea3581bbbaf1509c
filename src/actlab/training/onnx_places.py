"""The ONNX translation of primitives that read or write elements by their place: slices, gathers and scatters.

Axis letters: R rank of an operand, B batch dimensions of a gather.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from actlab.training.linear import Operation, Value
from actlab.training.onnx_graph import Graph, rule


@rule("dynamic_slice")
def _(graph: Graph, operation: Operation, value: Value, *starts: Value) -> str:
    sizes = operation.parameters["slice_sizes"]
    places = _starts(graph, starts, [n - size for n, size in zip(value.shape, sizes, strict=True)])
    if not places:
        return graph.name(value)
    begin = graph.node("Concat", *places, axis=0)
    ends = graph.node("Add", begin, graph.integers(*sizes))
    return graph.node("Slice", graph.name(value), begin, ends, graph.integers(*range(len(sizes))))


@rule("dynamic_update_slice")
def _(graph: Graph, operation: Operation, value: Value, update: Value, *starts: Value) -> str:
    if not value.shape:
        return graph.name(update)
    room = [n - size for n, size in zip(value.shape, update.shape, strict=True)]
    grid = np.stack(np.meshgrid(*map(np.arange, update.shape), indexing="ij"), -1).astype(np.int64)
    places = graph.node("Add", graph.constant(grid), graph.node("Concat", *_starts(graph, starts, room), axis=0))
    return graph.node("ScatterND", graph.name(value), places, graph.name(update))


def _starts(graph: Graph, starts: Sequence[Value], most: Sequence[int]) -> list[str]:
    """Every start as int64 `[1]`, moved into 0 .. most."""
    return [
        _limited(graph, graph.reshape(graph.cast(graph.name(start), np.int64), [1]), limit)
        for start, limit in zip(starts, most, strict=True)
    ]


def _limited(graph: Graph, name: str, most: int) -> str:
    low, high = (graph.constant(np.asarray(end, np.int64)) for end in (0, most))
    return graph.node("Max", graph.node("Min", name, high), low)


@rule("gather")
def _(graph: Graph, operation: Operation, value: Value, places: Value) -> str:
    parameters, numbers = operation.parameters, operation.parameters["dimension_numbers"]
    sizes, shape = parameters["slice_sizes"], operation.outputs[0].shape
    gone = (*numbers.collapsed_slice_dims, *numbers.operand_batching_dims)
    offsets = dict(zip([d for d in range(len(value.shape)) if d not in gone], numbers.offset_dims, strict=True))
    over = [d for d in range(len(shape)) if d not in numbers.offset_dims]
    batching = dict(zip(numbers.operand_batching_dims, numbers.start_indices_batching_dims, strict=True))
    index, inside = _index(graph, value, places, numbers.start_index_map, sizes, shape, offsets, over, batching)
    found = graph.node("GatherND", graph.name(value), index)
    if "FILL" not in str(parameters["mode"]):
        return found
    filling = parameters["fill_value"]
    if filling is None:
        filling = np.nan if np.issubdtype(value.dtype, np.floating) else False
        if np.issubdtype(value.dtype, np.integer):
            limits = np.iinfo(value.dtype)
            filling = limits.min if np.issubdtype(value.dtype, np.signedinteger) else limits.max
    other = np.full(shape, filling, value.dtype)
    if np.dtype(value.dtype) == bool:
        kept = graph.node("And", inside, found)
        return graph.node("Or", kept, graph.node("And", graph.node("Not", inside), graph.constant(other)))
    return graph.node("Where", inside, found, graph.constant(other))


@rule("scatter", "scatter-add")
def _(graph: Graph, operation: Operation, value: Value, places: Value, update: Value) -> str:
    numbers = operation.parameters["dimension_numbers"]
    gone = (*numbers.inserted_window_dims, *numbers.operand_batching_dims)
    window = [d for d in range(len(value.shape)) if d not in gone]
    offsets = dict(zip(window, numbers.update_window_dims, strict=True))
    over = [d for d in range(len(update.shape)) if d not in numbers.update_window_dims]
    batching = dict(zip(numbers.operand_batching_dims, numbers.scatter_indices_batching_dims, strict=True))
    sizes = [update.shape[offsets[d]] if d in offsets else 1 for d in range(len(value.shape))]
    index, inside = _index(
        graph, value, places, numbers.scatter_dims_to_operand_dims, sizes, update.shape, offsets, over, batching
    )
    # over the operand in one row with a spare place at its end, which takes the updates that fall outside
    count = int(np.prod(value.shape))
    strides = np.cumprod([1, *value.shape[:0:-1]])[::-1].astype(np.int64)
    place = graph.node("ReduceSum", graph.node("Mul", index, graph.constant(strides)), graph.integers(-1), keepdims=0)
    if "CLIP" not in str(operation.parameters["mode"]):
        place = graph.node("Where", inside, place, graph.constant(np.asarray(count, np.int64)))
    spare = graph.constant(np.zeros((1,), value.dtype))
    row = graph.node("Concat", graph.reshape(graph.name(value), [count]), spare, axis=0)
    where = graph.reshape(place, [*update.shape, 1])
    reduction = "add" if operation.name == "scatter-add" else "none"
    row = graph.node("ScatterND", row, where, graph.name(update), reduction=reduction)
    row = graph.node("Slice", row, graph.integers(0), graph.integers(count))
    return graph.reshape(row, value.shape)


def _index(
    graph: Graph,
    value: Value,
    places: Value,
    mapped: Sequence[int],
    sizes: Sequence[int],
    shape: Sequence[int],
    offsets: Mapping[int, int],
    over: Sequence[int],
    batching: Mapping[int, int],
) -> tuple[str, str]:
    """For every element of a window's result, where it lies in the operand.

    Args:
        places: the starts `[B..., len(mapped)]`.
        mapped: the operand's dimension that each number of a start is for.
        sizes: of the window, by dimension of the operand.
        shape: of the result.
        offsets: dimension of the operand -> the result's dimension that runs along the window.
        over: the result's dimensions that run over the starts.
        batching: dimension of the operand -> the starts' dimension that it runs along with.

    Returns:
        int64 `[*shape, R]`, moved inside, and bool `[*shape]`: did the whole window lie inside?
    """
    rank = len(shape)
    starts = graph.cast(graph.name(places), np.int64)
    inside = graph.constant(np.ones(tuple(shape), bool))
    parts = []

    def along(dimension: int, size: int) -> np.ndarray:
        """0, 1, ... along a dimension of the result."""
        ones = [1] * rank
        ones[dimension] = size
        return np.arange(size, dtype=np.int64).reshape(ones)

    spread = [1] * rank
    for place, dimension in enumerate(over):
        spread[dimension] = places.shape[place]
    for d, size in enumerate(value.shape):
        known = np.zeros([1] * rank, np.int64)
        if d in offsets:
            known = known + along(offsets[d], sizes[d])
        if d in batching:
            known = known + along(over[batching[d]], size)
        part = graph.constant(known)
        if d in mapped:
            column = graph.constant(np.asarray(list(mapped).index(d), np.int64))
            start = graph.reshape(graph.node("Gather", starts, column, axis=len(places.shape) - 1), spread)
            held = _limited(graph, start, size - sizes[d])
            inside = graph.node("And", inside, graph.node("Equal", start, held))
            part = graph.node("Add", part, held)
        part = graph.node("Expand", part, graph.integers(*shape))
        parts.append(graph.reshape(part, [*shape, 1]))
    return graph.node("Concat", *parts, axis=rank), inside
