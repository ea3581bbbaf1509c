"""The toy learners train for many updates."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def compiled_well(optimised: None):
    """All of them are compiled as users' programs are."""
