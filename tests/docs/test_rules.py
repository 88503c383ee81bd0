"""The page of rules names every type, time in force, mode of self-trade prevention and end of an order."""

from __future__ import annotations

import re
from enum import IntEnum
from pathlib import Path

import pytest

from engine.codes import OrderType, Reason, StpMode, TimeInForce

PAGE = Path("docs/RULES.md").read_text("utf-8")
WORDS = set(re.findall(r"`([a-z_]+)`", PAGE))
OPTIONS_AND_EVENTS = {"display_qty", "expire_at", "extensions_max", "harvest", "code", "bust", "correct", "repriced",
                      "triggered", "class_first", "open", "agreement", "admission", "all", "group", "lot"}  # fmt: skip

SALES = [Reason(code) for code in range(112, 122)]


@pytest.mark.parametrize("reason", [reason for reason in SALES if reason is not Reason.OFFER_UNFIT])
def test_every_refusal_of_the_frame_and_of_english_sales_is_there(reason: Reason) -> None:
    assert reason.name.lower() in WORDS


@pytest.mark.parametrize("codes", [OrderType, TimeInForce, StpMode])
def test_every_code_is_there(codes: type[IntEnum]) -> None:
    assert {code.name.lower() for code in codes} <= WORDS


def test_what_it_calls_a_reason_is_one() -> None:
    known = {code.name.lower() for codes in (OrderType, TimeInForce, StpMode, Reason) for code in codes}
    assert known | OPTIONS_AND_EVENTS >= WORDS, WORDS - known - OPTIONS_AND_EVENTS
