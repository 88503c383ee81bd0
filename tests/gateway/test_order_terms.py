"""Rows that the gateway packs by hand, and sentences for every reason that an order can be refused for."""

from __future__ import annotations

import numpy as np
import pytest

from engine.codes import Reason
from engine.messages.rows import COMMAND, EXTENSION
from gateway.order_entry import _ROW
from gateway.order_terms import _EXTENSION
from gateway.problems import of_reason

OF_ORDERS = [
    *range(Reason.PHASE_FORBIDS, Reason.PRICE_COLLAR + 1),
    *range(Reason.ORDER_UNKNOWN, Reason.INSTRUMENT_MISMATCH + 1),
    *range(Reason.LIMIT_ORDERS, Reason.STOCK_SHORT + 1),
    *range(Reason.ORDERS_OPEN, Reason.ALREADY_BUSTED + 1),
    *range(Reason.TERMS_CONFLICT, Reason.SELF_CROSS + 1),
]


def test_rows_packed_by_hand_are_what_numpy_says() -> None:
    assert np.frombuffer(_ROW(*range(1, 19)), COMMAND)[0].tolist() == tuple(range(1, 19))
    (row,) = np.frombuffer(_EXTENSION(*range(1, 11)), EXTENSION)
    names = [name for name in ("display_qty", "min_qty", "stop_price", "target_form", "expire_at", "valid_until",
                               "principal", "group", "target_hi", "target_lo")]  # fmt: skip
    assert [int(row[name]) for name in names] == list(range(1, 11)) and not row["reserved"].any()


@pytest.mark.parametrize("reason", [Reason(code) for code in OF_ORDERS if code in set(Reason)], ids=str)
def test_every_reason_of_an_order_has_a_sentence_of_its_own(reason: Reason) -> None:
    problem = of_reason(reason)
    assert "engine refused" not in problem.detail and problem.detail.endswith("."), problem.detail
    assert 400 <= problem.status < 600


@pytest.mark.parametrize("reason", [one for one in Reason if 112 <= one <= 191], ids=str)
def test_every_reason_of_a_sale_has_a_sentence_of_its_own(reason: Reason) -> None:
    problem = of_reason(reason)
    assert "engine refused" not in problem.detail and problem.detail.endswith("."), problem.detail
    assert 400 <= problem.status < 600
