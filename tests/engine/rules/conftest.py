from __future__ import annotations

import pytest

from engine.oracle.books import Books as Oracle
from engine.state.books import Books
from tests.engine.book_flows import furnished
from tests.engine.rules.desk import Desk


@pytest.fixture(params=[Oracle, lambda: Books(window_ticks=64, event_rows=2)], ids=["oracle", "kernel"])
def hot(request):
    return furnished(request.param())


@pytest.fixture
def desk(hot) -> Desk:
    return Desk(hot)
