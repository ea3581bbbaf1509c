"""What every test runs under: the CPU, programs compiled in haste, no persistent cache, and JAX at its strictest."""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ["JAX_ENABLE_COMPILATION_CACHE"] = "false"  # also for the processes that tests start

import jax
import pytest

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_debug_nans", True)  # a test that means to make a NaN says `with jax.debug_nans(False)`


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Most tests compile much and compute little; the contracts' toy learners and whole trainings do not."""
    hasty = item.get_closest_marker("slow") is None and "contracts" not in item.path.parts
    jax.config.update("jax_disable_most_optimizations", hasty)


@pytest.fixture(scope="module", autouse=True)
def forget_compiled_programs():
    """Drop the compiled programs of a module at its end; all of them together would take gigabytes."""
    yield
    jax.clear_caches()


@pytest.fixture
def key() -> jax.Array:
    """A typed random key, the same in every test."""
    return jax.random.key(0)


@pytest.fixture
def no_key_reuse():
    """Raise where a random key is consumed twice (slow, so only for the tests that ask for it)."""
    with jax.debug_key_reuse(True):
        yield
