"""What every test runs under: the CPU, programs compiled in haste, no persistent cache, and JAX at its strictest."""

import os
from collections.abc import Iterator

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ["JAX_ENABLE_COMPILATION_CACHE"] = "false"  # also for the processes that tests start

import jax
import pytest

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_disable_most_optimizations", True)  # tests compile much and compute little: see `optimised`
jax.config.update("jax_debug_nans", True)  # a test that means to make a NaN says `with jax.debug_nans(False)`


@pytest.fixture(scope="module", autouse=True)
def forget_compiled_programs():
    """Drop the compiled programs of a module at its end; all of them together would take gigabytes."""
    yield
    jax.clear_caches()


@pytest.fixture(scope="module")
def optimised() -> Iterator[None]:
    """Compile as users do: for the modules whose tests compute more than they compile."""
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", True)


@pytest.fixture
def key() -> jax.Array:
    """A typed random key, the same in every test."""
    return jax.random.key(0)


@pytest.fixture
def no_key_reuse():
    """Raise where a random key is consumed twice (slow, so only for the tests that ask for it)."""
    with jax.debug_key_reuse(True):
        yield
