"""The two wire forms, and problems."""

from __future__ import annotations

from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.codes import Reason
from gateway.forms import JSON, PACK, scale_of, time_ns, time_text
from gateway.problems import GATEWAY_STATUS, POINTER, of_reason, of_validation, status_of


@given(st.integers(0, 4_000_000_000_000_000))
def test_times_go_out_and_come_back(us: int) -> None:
    assert time_ns(time_text(us * 1_000 + 999)) == us * 1_000


@pytest.mark.parametrize(
    "text", ["", "2026-03-01", "2026-03-01T15:00:00", "2026-03-01T15:00:00+01:00", "2026-13-01T00:00:00Z"]
)
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        time_ns(text)


def test_the_forms_say_the_same_in_their_own_way() -> None:
    scale = scale_of(Fraction(1, 20))
    assert (JSON.price(6_705, scale), PACK.price(6_705, scale)) == ("335.25", 6_705)
    assert (JSON.qty(275), PACK.qty(275)) == ("275", 275)
    assert (JSON.order_id(2**53), PACK.order_id(2**53)) == ("9007199254740992", 2**53)
    assert JSON.time(1_500_000_000) == "1970-01-01T00:00:01.500000Z" and PACK.time(1_500_000_000) == 1_500_000_000
    assert JSON.price(-3, scale) == "-0.15"


def test_every_reason_is_a_problem_with_a_status() -> None:
    for reason in Reason:
        problem = of_reason(reason)
        assert 400 <= problem.status < 600 and problem.code == reason.name.lower()
        assert problem.status == status_of(reason) and problem.body()["status"] == problem.status
    assert of_reason(9_999).code == "unknown_9999"
    assert all(pointer.startswith("/") for pointer in POINTER.values())
    assert all(400 <= status < 600 for status in GATEWAY_STATUS.values())


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    qty: int


class Outer(msgspec.Struct, forbid_unknown_fields=True):
    lots: list[Inner]


@pytest.mark.parametrize(
    ("raw", "code", "pointer"),
    [
        (b'{"lots":[{"qty":1},{"qty":"x"}]}', "invalid_field", "/lots/1/qty"),
        (b'{"lots":[{}]}', "missing_field", "/lots/0/qty"),
        (b'{"lots":[{"qty":1,"price":2}]}', "unknown_field", "/lots/0/price"),
        (b"[]", "invalid_field", ""),
        (b"{", "malformed", None),
    ],
)
def test_a_document_that_does_not_fit_is_pointed_into(raw: bytes, code: str, pointer: str | None) -> None:
    with pytest.raises(msgspec.DecodeError) as caught:
        msgspec.json.decode(raw, type=Outer)
    problem = of_validation(caught.value)
    assert (problem.code, problem.pointer) == (code, pointer)
