"""Every rule's test runs twice: with the engine kept, and with one rebuilt from its rows after each frame (I9)."""

from functools import partial

import pytest

from tests.unit.rules.story import Story, Tell


@pytest.fixture(params=["kept", "rebuilt"])
def tell(request: pytest.FixtureRequest) -> Tell:
    """Begins a story."""
    return partial(Story, rebuilt=request.param == "rebuilt")
