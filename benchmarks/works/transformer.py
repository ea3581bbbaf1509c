"""A training step of a small causal transformer: forward, backward, Adam."""

from typing import Any

from .common import Given, timed

LAYERS, WIDTH, HEADS, TOKENS, BATCH, RATE = 4, 128, 4, 60, 64, 1e-3
IN_ONE_CALL = 4
"""Steps of actlab in one compiled call, as its loop makes them (each call asks the system for fresh memory)."""


def _numbers(seed: int) -> tuple[Any, Any]:
    """Tokens and what they should become, float32 `[IN_ONE_CALL, BATCH, TOKENS, WIDTH]`."""
    import numpy as np

    shape = (2, IN_ONE_CALL, BATCH, TOKENS, WIDTH)
    return tuple(np.random.default_rng(seed).normal(size=shape).astype(np.float32))


def _steps(*, bare: bool = False) -> tuple[Any, Any]:
    """Compiled steps, one a batch, and networks and moments before the first; `bare` ones are without attention."""
    import equinox as eqx
    import jax
    import jax.numpy as jnp

    from actlab.nets import optimisers
    from actlab.nets.transformer import Transformer

    network = Transformer(WIDTH, HEADS, LAYERS, key=jax.random.key(0), positions="learned", longest=TOKENS)
    if bare:
        parts = [lambda n, i=i: n.blocks[i].attention for i in range(LAYERS)]
        for part in parts:
            network = eqx.tree_at(part, network, replace=_nothing())
    optimiser = optimisers.adam(RATE)

    def step(state: Any, batch: Any) -> tuple[Any, Any]:
        network, moments = state
        tokens, wanted = batch
        loss = lambda n: jnp.mean(jnp.square(n(tokens) - wanted))  # noqa: E731
        value, gradients = eqx.filter_value_and_grad(loss)(network)
        return optimisers.step(optimiser, gradients, moments, network), value

    steps = jax.jit(lambda state, batches: jax.lax.scan(step, state, batches)[0], donate_argnums=(0,))
    return steps, (network, optimisers.begin(optimiser, network))


def _nothing() -> Any:
    import equinox as eqx

    class Nothing(eqx.Module):
        """In the place of attention."""

        def __call__(self, rows: Any, places: Any) -> Any:
            return rows

    return Nothing()


def _run(steps: Any, state: Any, numbers: Any, count: int) -> Any:
    import jax

    for _ in range(count // IN_ONE_CALL):
        state = steps(state, numbers)
    return jax.block_until_ready(state)


def actlab(given: Given) -> dict[str, float]:
    given.listen()
    numbers = _numbers(given.seed)
    steps, state = _steps()
    state = _run(steps, state, numbers, IN_ONE_CALL)
    count = given.settings["steps"]
    return given.rate(count, timed(lambda: _run(steps, state, numbers, count)))


def torch(given: Given) -> dict[str, float]:
    torch = given.torch()
    torch.manual_seed(given.seed)
    from torch import nn
    from torch.nn import functional

    class Block(nn.Module):
        """Pre-norm, as ours."""

        def __init__(self) -> None:
            super().__init__()
            self.norms = nn.ModuleList(nn.LayerNorm(WIDTH) for _ in range(2))
            self.inner, self.outer = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
            self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

        def forward(self, x: Any) -> Any:
            parts = self.inner(self.norms[0](x)).split(WIDTH, -1)
            by_head = (part.view(BATCH, TOKENS, HEADS, -1).transpose(1, 2) for part in parts)
            seen = functional.scaled_dot_product_attention(*by_head, is_causal=True)
            x = x + self.outer(seen.transpose(1, 2).reshape(BATCH, TOKENS, WIDTH))
            return x + self.down(functional.gelu(self.up(self.norms[1](x)), approximate="tanh"))

    class Network(nn.Module):
        """Blocks behind learned positions, and a norm behind them."""

        def __init__(self) -> None:
            super().__init__()
            self.positions = nn.Parameter(0.02 * torch.randn(TOKENS, WIDTH))
            self.blocks = nn.Sequential(*(Block() for _ in range(LAYERS)), nn.LayerNorm(WIDTH))

        def forward(self, x: Any) -> Any:
            return self.blocks(x + self.positions)

    network = Network()
    adam = torch.optim.Adam(network.parameters(), lr=RATE, fused=True)
    tokens, wanted = (torch.as_tensor(values) for values in _numbers(given.seed))

    def step(count: int) -> None:
        batch = count % IN_ONE_CALL
        adam.zero_grad()
        functional.mse_loss(network(tokens[batch]), wanted[batch]).backward()
        adam.step()

    for count in range(given.settings["first"]):
        step(count)
    steps = given.settings["steps"]
    return given.rate(steps, timed(lambda: [step(count) for count in range(steps)]))


def flops() -> float:
    """Operations of the matrix products in a step, by hand: forward, and twice that backward."""
    layer = 2.0 * BATCH * TOKENS * WIDTH * (3 + 1 + 4 + 4) * WIDTH
    attention = 2.0 * 2.0 * BATCH * TOKENS * TOKENS * WIDTH
    return 3.0 * LAYERS * (layer + attention)


def profile(given: Given) -> dict[str, float]:
    """Milliseconds of a step."""
    from .learner import SIZE, products

    numbers, count, steps = _numbers(given.seed), 2_000, given.settings["steps"]
    square = products(count)["XLA"]
    square()
    seconds = {"its operations at the rate of 256 x 256 x 256 products": timed(square) / count}
    seconds = {name: value * flops() / (2.0 * SIZE**3) for name, value in seconds.items()}
    for name, bare in {"a step without attention": True, "a step, as measured": False}.items():
        step, state = _steps(bare=bare)
        state = _run(step, state, numbers, IN_ONE_CALL)
        seconds[name] = timed(lambda step=step, state=state: _run(step, state, numbers, steps)) / steps
    return {f"{name}: ms a step": 1e3 * value for name, value in seconds.items()}
