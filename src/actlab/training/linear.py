"""A traced function as a straight list of primitive operations: calls inlined, loops unrolled, constants computed.

This is what an exporter needs: whatever does not depend on the inputs is a number by now, and whatever the outputs do
not depend on is gone (a sampling policy's random numbers, where only its mode is asked for). The numbers are computed
by one compiled program at the end: one by one, each would be compiled by itself.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Literal

from actlab.core.errors import ActlabError
from actlab.training.graph import RUN_ONCE

MOST = 100_000
"""Operations after which unrolling is given up."""


class Symbol:
    """A value that is known only when the operations are run."""

    __slots__ = ("dtype", "shape")

    def __init__(self, shape: tuple[int, ...], dtype: Any):
        self.shape = shape
        self.dtype = dtype


class Later(Symbol):
    """A value that depends on no input, and is computed at the end, together with all others of its kind."""

    __slots__ = ()


Value = Any
"""A Symbol, or an array that is known."""


class Operation(NamedTuple):
    """One primitive."""

    primitive: Any
    parameters: dict[str, Any]
    inputs: list[Value]
    outputs: list[Symbol]

    @property
    def name(self) -> str:
        """Of the primitive, as JAX writes it."""
        return self.primitive.name


class Tape(NamedTuple):
    """Operations while they are collected."""

    operations: list[Operation]
    """That depend on an input."""
    constants: list[Operation]
    """That do not."""

    def compute(self, values: Sequence[Value]) -> list[jax.Array]:
        """The numbers of values that depend on no input: all in one compiled program."""
        needed = _needed(self.constants, values)
        known = [value for operation in needed for value in operation.inputs] + list(values)
        arrays = {id(value): value for value in known if not isinstance(value, Symbol)}

        def run(given: Sequence[jax.Array]) -> list[jax.Array]:
            found = dict(zip(arrays, given, strict=True))
            for operation in needed:
                results = operation.primitive.bind(*(found[id(x)] for x in operation.inputs), **operation.parameters)
                results = results if operation.primitive.multiple_results else [results]
                found |= {id(output): result for output, result in zip(operation.outputs, results, strict=True)}
            return [found[id(value)] for value in values]

        return jax.jit(run, compiler_options=RUN_ONCE)(list(arrays.values()))


class Program(NamedTuple):
    """A list of operations, each using what stands before it."""

    inputs: list[Symbol]
    operations: list[Operation]
    outputs: list[Value]

    @property
    def used(self) -> set[int]:
        """Which of the inputs (by number) an output depends on."""
        seen = {id(value) for operation in self.operations for value in operation.inputs}
        seen |= {id(value) for value in self.outputs}
        return {number for number, symbol in enumerate(self.inputs) if id(symbol) in seen}


def linearise(function: Callable[..., Sequence[Any]], *shapes: Any) -> Program:
    """Trace a function of arrays and flatten what it does.

    Args:
        function: arrays -> sequence of arrays.
        shapes: `jax.ShapeDtypeStruct` (or arrays, of which only shape and type count) of its arguments.

    Raises:
        ActlabError: a loop's length depends on the inputs, or it is too long to be unrolled.
    """
    program, tape = _trace(function, shapes)
    operations, outputs = program.operations, program.outputs
    values = [*(value for operation in operations for value in operation.inputs), *outputs]
    later = list({id(value): value for value in values if isinstance(value, Later)}.values())
    numbers = dict(zip(map(id, later), tape.compute(later) if later else [], strict=True))

    def settled(values: Sequence[Value]) -> list[Value]:
        return [numbers.get(id(value), value) for value in values]

    settled_operations = [op._replace(inputs=settled(op.inputs)) for op in operations]
    return Program(program.inputs, settled_operations, settled(outputs))


def inputs_used(function: Callable[..., Sequence[Any]], *shapes: Any) -> set[int]:
    """Which arguments (by number) a result of the function depends on; nothing is computed.

    Raises:
        ActlabError: as `linearise`.
    """
    return _trace(function, shapes)[0].used


def _trace(function: Callable[..., Sequence[Any]], shapes: Sequence[Any]) -> tuple[Program, Tape]:
    """The program, what does not depend on its inputs still uncomputed on the tape."""
    traced = jax.make_jaxpr(function)(*shapes)
    inputs = [Symbol(aval.shape, aval.dtype) for aval in traced.in_avals]
    tape = Tape([], [])
    outputs = _run(traced, inputs, tape)
    return Program(inputs, _needed(tape.operations, outputs), outputs), tape


def _run(traced: ClosedJaxpr, arguments: Sequence[Value], tape: Tape) -> list[Value]:
    """Append what a traced function does with these arguments; returns its outputs."""
    known = dict(zip(traced.jaxpr.constvars, traced.consts, strict=True))
    known |= dict(zip(traced.jaxpr.invars, arguments, strict=True))

    def read(atom: Any) -> Value:
        return np.asarray(atom.val, atom.aval.dtype) if isinstance(atom, Literal) else known[atom]

    for equation in traced.jaxpr.eqns:
        given = [read(atom) for atom in equation.invars]
        if equation.primitive.name in _STRUCTURES:
            results = _STRUCTURES[equation.primitive.name](equation, given, tape)
        else:
            open_ = any(isinstance(value, Symbol) and not isinstance(value, Later) for value in given)
            kind, operations = (Symbol, tape.operations) if open_ else (Later, tape.constants)
            results = [kind(var.aval.shape, var.aval.dtype) for var in equation.outvars]
            operations.append(Operation(equation.primitive, dict(equation.params), given, results))
            if len(operations) > MOST:
                raise ActlabError(f"The policy has more than {MOST:,} operations once its loops are unrolled.")
        known |= dict(zip(equation.outvars, results, strict=True))
    return [read(atom) for atom in traced.jaxpr.outvars]


def _apply(function: Callable[..., Any], arguments: Sequence[Value], tape: Tape) -> list[Value]:
    """Append what a function of arrays does."""
    shapes = [jax.ShapeDtypeStruct(value.shape, value.dtype) for value in arguments]
    return _run(jax.make_jaxpr(function)(*shapes), arguments, tape)


def _needed(operations: Sequence[Operation], outputs: Sequence[Value]) -> list[Operation]:
    """The operations that an output depends on."""
    wanted = {id(value) for value in outputs}
    kept = []
    for operation in reversed(operations):
        if any(id(output) in wanted for output in operation.outputs):
            kept.append(operation)
            wanted |= {id(value) for value in operation.inputs}
    return kept[::-1]


# --- what is made of other functions -----------------------------------------------------------------


def _call(parameter: str) -> Callable[..., list[Value]]:
    def inlined(equation: Any, given: list[Value], tape: Tape) -> list[Value]:
        return _run(_closed(equation.params[parameter]), given, tape)

    return inlined


def _closed(traced: Any) -> ClosedJaxpr:
    return traced if isinstance(traced, ClosedJaxpr) else ClosedJaxpr(traced, ())


def _scan(equation: Any, given: list[Value], tape: Tape) -> list[Value]:
    """Every turn written out."""
    parameters = equation.params
    fixed, carried, length = parameters["num_consts"], parameters["num_carry"], parameters["length"]
    constants, carry, rows = given[:fixed], given[fixed : fixed + carried], given[fixed + carried :]
    turns: list[list[Value]] = [[] for _ in range(length)]
    for turn in reversed(range(length)) if parameters["reverse"] else range(length):
        row = [
            _apply(lambda x, turn=turn: (jax.lax.index_in_dim(x, turn, keepdims=False),), [value], tape)[0]
            for value in rows
        ]
        results = _run(_closed(parameters["jaxpr"]), [*constants, *carry, *row], tape)
        carry, turns[turn] = results[:carried], results[carried:]
    outputs = equation.outvars[carried:]
    if not length:
        return [*carry, *(jnp.zeros(var.aval.shape, var.aval.dtype) for var in outputs)]
    stacked = [
        _apply(lambda *parts: (jnp.stack(parts),), [turn[number] for turn in turns], tape)[0]
        for number in range(len(outputs))
    ]
    return [*carry, *stacked]


def _while(equation: Any, given: list[Value], tape: Tape) -> list[Value]:
    """Turn after turn, as long as the condition is known."""
    parameters = equation.params
    asked, done = parameters["cond_nconsts"], parameters["body_nconsts"]
    of_condition, of_body, carry = given[:asked], given[asked : asked + done], given[asked + done :]
    while True:
        (goes_on,) = _run(_closed(parameters["cond_jaxpr"]), [*of_condition, *carry], tape)
        if isinstance(goes_on, Symbol) and not isinstance(goes_on, Later):
            raise ActlabError("The policy has a loop whose length depends on what it sees; that cannot be exported.")
        if not tape.compute([goes_on])[0]:
            return carry
        carry = _run(_closed(parameters["body_jaxpr"]), [*of_body, *carry], tape)


def _cond(equation: Any, given: list[Value], tape: Tape) -> list[Value]:
    """The branch that is taken; where that is not known, all of them and a choice (there are no side effects)."""
    which, *arguments = given
    branches = [_closed(branch) for branch in equation.params["branches"]]
    if isinstance(which, Later) or not isinstance(which, Symbol):
        number = int(tape.compute([which])[0])
        return _run(branches[min(max(number, 0), len(branches) - 1)], arguments, tape)
    results = [_run(branch, arguments, tape) for branch in branches]

    def choose(which: jax.Array, *cases: jax.Array) -> tuple[jax.Array]:
        index = jnp.clip(which.astype(jnp.int32), 0, len(cases) - 1)
        chosen = cases[0]
        for number, case in enumerate(cases[1:], 1):
            chosen = jnp.where(index == number, case, chosen)
        return (chosen,)

    return [_apply(choose, [which, *cases], tape)[0] for cases in zip(*results, strict=True)]


_STRUCTURES = {
    "jit": _call("jaxpr"),
    "pjit": _call("jaxpr"),
    "closed_call": _call("call_jaxpr"),
    "core_call": _call("call_jaxpr"),
    "checkpoint": _call("jaxpr"),
    "remat2": _call("jaxpr"),
    "custom_jvp_call": _call("call_jaxpr"),
    "custom_vjp_call": _call("call_jaxpr"),
    "custom_vjp_call_jaxpr": _call("fun_jaxpr"),
    "scan": _scan,
    "while": _while,
    "cond": _cond,
}
