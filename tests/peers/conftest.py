"""What peers need to run beside us: their own warnings, JAX's defaults for them, and one thread."""

import pytest


def pytest_collection_modifyitems(items):
    """A peer's warnings are its own affair."""
    for item in items:
        if "tests/peers/" in item.path.as_posix():
            item.add_marker(pytest.mark.filterwarnings("default"))


@pytest.fixture
def one_thread():
    """Torch with one thread: on few cores two wait for each other."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
