"""One row per reason of the table in `engine/kernels/validate.py`, for the kernel and for its oracle."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.codes import CommandKind, EventKind, OrderType, Phase, Reason, RefForm, Side, StpMode, TimeInForce
from engine.kernels import constants
from engine.limits import CLIENT_ID_MEMORY_NS, NOTIONAL_MAX, PRICE_TICKS_MAX, SIDE_TOTAL_LOTS_MAX
from engine.messages.refs import stream_ref, text_ref
from engine.messages.rows import ROW_VERSION
from engine.oracle.books import Books as Oracle
from engine.state.audit import audit
from engine.state.books import Books
from engine.state.hot import Hot, Space
from tests.engine.book_flows import Batch, set_up

NEW, CANCEL, REPLACE = CommandKind.NEW, CommandKind.CANCEL, CommandKind.REPLACE
LONG = "a-client-id-of-32-characters-000"
FIRST = 1 << 32  # id of the order that `opened` leaves in the book

# (name, reason, kind, fields). The book holds one order: account 1, instrument 1, buy 10 at 100, text id "first".
TABLE: list[tuple[str, Reason, int, dict[str, Any]]] = [
    ("kind 0", Reason.KIND_UNKNOWN, 0, {}),
    ("kind 9", Reason.KIND_UNKNOWN, 9, {}),
    ("version 0", Reason.VERSION_UNKNOWN, NEW, dict(price=100, version=0)),
    ("version 2", Reason.VERSION_UNKNOWN, CANCEL, dict(order=FIRST, version=2)),
    ("side 2", Reason.SIDE_INVALID, NEW, dict(price=100, side=2)),
    ("type 6", Reason.TYPE_INVALID, NEW, dict(price=100, type=6)),
    ("type 200", Reason.TYPE_INVALID, NEW, dict(price=100, type=200)),
    ("tif 6", Reason.TIF_INVALID, NEW, dict(price=100, tif=6)),
    ("tif 77", Reason.TIF_INVALID, REPLACE, dict(price=100, order=FIRST, tif=77)),
    ("flags", Reason.FLAGS_INVALID, NEW, dict(price=100, flags=16)),
    ("flags of a cancel", Reason.FLAGS_INVALID, CANCEL, dict(order=FIRST, flags=128)),
    ("stp", Reason.STP_INVALID, NEW, dict(price=100, stp=5)),
    ("stp of a cancel", Reason.STP_INVALID, CANCEL, dict(order=FIRST, stp=StpMode.CANCEL_TAKER)),
    ("extension of a new", Reason.EXTENSION_INVALID, NEW, dict(price=100, target="first")),
    ("extension of a cancel", Reason.EXTENSION_INVALID, CANCEL, dict(target="first")),
    ("extension and order", Reason.EXTENSION_INVALID, REPLACE, dict(price=100, order=FIRST, target="first")),
    ("extension out of range", Reason.EXTENSION_INVALID, REPLACE, dict(price=100, extension=2**32 - 1)),
    ("ref form 4", Reason.REF_INVALID, NEW, dict(price=100, ref_form=4)),
    ("no form, but bytes", Reason.REF_INVALID, NEW, dict(price=100, ref=(0, 0, 1))),
    ("stream over u4", Reason.REF_INVALID, NEW, dict(price=100, ref=(RefForm.STREAM, 2**32, 1))),
    ("number over i8", Reason.REF_INVALID, NEW, dict(price=100, ref=(RefForm.STREAM, 1, 2**63))),
    ("empty text", Reason.REF_INVALID, NEW, dict(price=100, ref=(RefForm.TEXT, 0, 0))),
    ("text of 16", Reason.REF_INVALID, NEW, dict(price=100, ref=(RefForm.TEXT, 2**64 // 255 * 65, 2**64 // 255 * 65))),
    ("text with a gap", Reason.REF_INVALID, NEW, dict(price=100, ref=(RefForm.TEXT, 0x410041, 0))),
    ("text with a slash", Reason.REF_INVALID, NEW, dict(price=100, ref=(RefForm.TEXT, 0x2F, 0))),
    ("text above ASCII", Reason.REF_INVALID, NEW, dict(price=100, ref=(RefForm.TEXT, 0xC1, 0))),
    ("digest without text", Reason.REF_INVALID, NEW, dict(price=100, ref=text_ref(LONG))),
    ("digest of another", Reason.REF_INVALID, NEW, dict(price=100, ref=text_ref(LONG), body=b"another-text-of-32-ch")),
    ("body of a short text", Reason.REF_INVALID, NEW, dict(price=100, ref=text_ref("short"), body=b"short")),
    ("account 9", Reason.ACCOUNT_UNKNOWN, NEW, dict(price=100, account=9)),
    ("account 2^32-1", Reason.ACCOUNT_UNKNOWN, CANCEL, dict(order=FIRST, account=2**32 - 1)),
    ("account 0", Reason.ACCOUNT_UNKNOWN, NEW, dict(price=100, account=0)),
    ("instrument 9", Reason.INSTRUMENT_UNKNOWN, NEW, dict(price=100, instrument=9)),
    ("instrument 2^32-1", Reason.INSTRUMENT_UNKNOWN, NEW, dict(price=100, instrument=2**32 - 1)),
    ("number not above the last", Reason.STALE_REF, NEW, dict(price=100, ref=stream_ref(5, 7))),
    ("number 0", Reason.STALE_REF, CANCEL, dict(order=FIRST, ref=stream_ref(6, 0))),
    ("id reused", Reason.CLIENT_ID_REUSED, NEW, dict(price=101, ref="first")),
    ("id of a new reused by a replace", Reason.CLIENT_ID_REUSED, REPLACE, dict(price=100, order=FIRST, ref="first")),
    ("qty 0", Reason.QTY_RANGE, NEW, dict(price=100, qty=0)),
    ("qty -1", Reason.QTY_RANGE, REPLACE, dict(price=100, order=FIRST, qty=-1)),
    ("qty over the instrument's", Reason.QTY_RANGE, NEW, dict(price=1, qty=10**9 + 1)),
    ("qty 2^63-1", Reason.QTY_RANGE, NEW, dict(price=1, qty=2**63 - 1)),
    ("market with a price", Reason.PRICE_NOT_ALLOWED, NEW, dict(price=1, type=OrderType.MARKET)),
    ("price over the limit", Reason.PRICE_RANGE, NEW, dict(price=PRICE_TICKS_MAX + 1)),
    ("price -2^31", Reason.PRICE_RANGE, NEW, dict(price=-(2**31))),
    ("price 0", Reason.PRICE_BAND, NEW, dict(price=0)),
    ("price over the band", Reason.PRICE_BAND, NEW, dict(price=5_001, instrument=2)),
    ("notional", Reason.NOTIONAL_RANGE, NEW, dict(price=5, instrument=70, qty=NOTIONAL_MAX // (5 * 10**9) + 1)),
    ("notional of a market order", Reason.NOTIONAL_RANGE, NEW, dict(type=OrderType.MARKET, instrument=70, qty=5)),
    ("order 0", Reason.ORDER_UNKNOWN, CANCEL, {}),
    ("order that never was", Reason.ORDER_UNKNOWN, CANCEL, dict(order=FIRST + 1)),
    ("order of another life", Reason.ORDER_UNKNOWN, CANCEL, dict(order=2 * FIRST)),
    ("order -1", Reason.ORDER_UNKNOWN, CANCEL, dict(order=-1)),
    ("order 2^63-1", Reason.ORDER_UNKNOWN, CANCEL, dict(order=2**63 - 1)),
    ("text that names nothing", Reason.ORDER_UNKNOWN, CANCEL, dict(ref="nobody")),
    ("text of another account", Reason.ORDER_UNKNOWN, CANCEL, dict(ref="first", account=2)),
    ("target that names nothing", Reason.ORDER_UNKNOWN, REPLACE, dict(price=100, target="nobody")),
    ("cancel of another's order", Reason.NOT_OWNER, CANCEL, dict(order=FIRST, account=2)),
    ("replace of another's order", Reason.NOT_OWNER, REPLACE, dict(order=FIRST, account=2, price=100)),
    ("another instrument", Reason.INSTRUMENT_MISMATCH, CANCEL, dict(order=FIRST, instrument=2)),
    ("replace changes the side", Reason.SIDE_INVALID, REPLACE, dict(order=FIRST, price=100, side=1)),
    ("replace changes the type", Reason.TYPE_INVALID, REPLACE, dict(order=FIRST, type=OrderType.MARKET)),
]  # fmt: skip


def opened(hot: Hot) -> Hot:
    set_up(hot)
    batch = Batch().add(NEW, price=100, ref="first").add(CANCEL, ref=stream_ref(5, 7))
    hot.run(*batch.arrays(), 0, first_seq=1, ts_ns=1)
    return hot


@pytest.fixture(params=[Oracle, Books], ids=["oracle", "kernel"])
def hot(request) -> Hot:
    return opened(request.param())


def reasons(hot: Hot, batch: Batch, ts_ns: int = 2) -> list[Reason]:
    _, events = hot.run(*batch.arrays(), 0, first_seq=10, ts_ns=ts_ns)
    return [Reason(event["reason"]) for event in events if event["flags"] & 1]


@pytest.mark.parametrize("name, reason, kind, fields", TABLE, ids=[row[0] for row in TABLE])
def test_a_row_is_refused_for_one_reason_and_changes_nothing(hot, name, reason, kind, fields):
    before = dict(hot.canonical())
    _, events = hot.run(*Batch().add(kind, **fields).arrays(), 0, first_seq=10, ts_ns=2)
    assert [(int(e["kind"]), Reason(e["reason"])) for e in events] == [(EventKind.REJECTED, reason)]
    event, row = events[0], Batch().add(kind, **fields).rows[0][0]
    assert event["account"] == row["account"] and event["instrument"] == row["instrument"] and event["flags"] == 1
    assert event["qty"] in (0, row["qty"]) and event["price"] in (0, row["price"]) and event["side"] in (0, 1)
    assert event["counter_order"] == (7 if name == "number not above the last" else 0)
    assert dict(hot.canonical()) == before
    if isinstance(hot, Books):
        audit(hot)


ALLOWED = {  # phase -> (new gtc, new ioc, cancel, replace)
    Phase.CLOSED: (Reason.PHASE_FORBIDS, Reason.PHASE_FORBIDS, 0, Reason.PHASE_FORBIDS),
    Phase.PRE_OPEN: (0, Reason.TIF_IN_CALL, 0, 0),
    Phase.CALL: (0, Reason.TIF_IN_CALL, 0, 0),
    Phase.NO_CANCEL: (0, Reason.TIF_IN_CALL, Reason.PHASE_FORBIDS, Reason.PHASE_FORBIDS),
    Phase.FROZEN: (Reason.PHASE_FORBIDS, Reason.PHASE_FORBIDS, Reason.PHASE_FORBIDS, Reason.PHASE_FORBIDS),
    Phase.CONTINUOUS: (0, 0, 0, 0),
    Phase.HALTED: (Reason.PHASE_FORBIDS, Reason.PHASE_FORBIDS, 0, Reason.PHASE_FORBIDS),
}


@pytest.mark.parametrize("phase", list(Phase))
def test_what_an_owner_may_do_in_each_phase(hot, phase):
    hot.set_phase(1, phase)
    new, ioc, cancel, replace = ALLOWED[phase]
    assert reasons(hot, Batch().add(NEW, price=90)) == [new]
    assert reasons(hot, Batch().add(NEW, price=100, side=Side.SELL, qty=1, tif=TimeInForce.IOC)) == [ioc]
    assert reasons(hot, Batch().add(REPLACE, price=99, order=FIRST)) == [replace]
    assert reasons(hot, Batch().add(CANCEL, order=FIRST)) == [cancel or Reason.BY_OWNER]


@pytest.mark.parametrize("make", [Oracle, Books], ids=["oracle", "kernel"])
def test_space_runs_out_with_a_reason_and_comes_back(make):
    hot = set_up(make(Space(orders=3, slots_initial=1, streams=1, client_ids=2)))
    batch = Batch().add(NEW, price=1, ref="a").add(NEW, price=2, ref="b").add(NEW, price=3, ref="c")
    assert reasons(hot, batch) == [0, 0, Reason.CLIENT_IDS_FULL]
    batch = Batch().add(NEW, price=3, ref=stream_ref(1, 1)).add(NEW, price=3, ref=stream_ref(2, 1)).add(NEW, price=4)
    assert reasons(hot, batch) == [0, Reason.STREAMS_FULL, Reason.ORDERS_FULL]
    assert reasons(hot, Batch().add(CANCEL, ref="a").add(NEW, price=3), ts_ns=5) == [Reason.BY_OWNER, 0]
    hot.sweep_client_ids(5 + CLIENT_ID_MEMORY_NS - 1)
    assert reasons(hot, Batch().add(NEW, price=3, ref="c")) == [Reason.CLIENT_IDS_FULL]
    hot.sweep_client_ids(5 + CLIENT_ID_MEMORY_NS)
    assert reasons(hot, Batch().add(NEW, price=3, ref="c")) == [Reason.ORDERS_FULL]


@pytest.mark.parametrize("make", [Oracle, Books], ids=["oracle", "kernel"])
def test_an_account_fills_its_own_share_and_nobody_elses(make):
    space = Space(streams=4, client_ids=5, streams_share=2, client_ids_share=3)
    hot = set_up(make(space))
    streams = [Batch().add(CANCEL, order=FIRST, account=account, ref=stream_ref(stream, 1))
               for account, stream in ((1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (3, 1))]  # fmt: skip
    unknown, share, full = Reason.ORDER_UNKNOWN, Reason.STREAMS_SHARE_FULL, Reason.STREAMS_FULL
    assert [reasons(hot, one)[0] for one in streams] == [unknown, unknown, share, unknown, unknown, full]
    assert reasons(hot, Batch().add(CANCEL, order=FIRST, ref=stream_ref(2, 2))) == [unknown], "those it has go on"

    share, full = Reason.CLIENT_IDS_SHARE_FULL, Reason.CLIENT_IDS_FULL
    own = Batch().add(NEW, price=1, ref="a").add(NEW, price=0, ref="b").add(NEW, price=1, ref="c")
    assert reasons(hot, own) == [0, Reason.PRICE_BAND, 0]
    assert reasons(hot, Batch().add(NEW, price=1, ref="d").add(NEW, price=1, ref="a")) == [share, 0], "or a repeat"
    assert reasons(hot, Batch().add(NEW, price=1, account=2, ref="d").add(NEW, price=1, account=2, ref="e")) == [0, 0]
    assert reasons(hot, Batch().add(NEW, price=1, account=3, ref="d")) == [full]
    assert reasons(hot, Batch().add(CANCEL, ref="a"), ts_ns=5) == [Reason.BY_OWNER]
    hot.sweep_client_ids(2 + CLIENT_ID_MEMORY_NS)  # "b" alone
    assert reasons(hot, Batch().add(NEW, price=1, ref="d").add(NEW, price=1, ref="e")) == [0, share]
    again = make(space)
    again.load(hot.sections())
    assert reasons(again, Batch().add(NEW, price=1, ref="e")) == [share], "counted anew from a snapshot"
    if isinstance(hot, Books):
        audit(hot)
        audit(again)


@pytest.mark.parametrize("make", [Oracle, Books], ids=["oracle", "kernel"])
def test_an_account_over_its_share_keeps_what_it_has_and_gets_no_more(make):
    """As one that comes from generation 1."""
    before = set_up(make(Space()))
    rows = Batch().add(NEW, price=1, ref="a").add(NEW, price=1, ref="b").add(NEW, price=1, ref="c")
    assert reasons(before, rows.add(CANCEL, order=FIRST, ref=stream_ref(1, 1)).add(CANCEL, order=FIRST + 1,
                                                                                 ref=stream_ref(2, 1)))  # fmt: skip
    hot = make(Space(streams_share=1, client_ids_share=1))
    hot.load(before.sections())
    assert len(hot.sections()["client_ids"]) == 3 and len(hot.sections()["streams"]) == 2
    assert reasons(hot, Batch().add(CANCEL, order=FIRST, ref=stream_ref(2, 2))) == [Reason.ORDER_UNKNOWN]
    assert reasons(hot, Batch().add(CANCEL, order=FIRST, ref=stream_ref(3, 1))) == [Reason.STREAMS_SHARE_FULL]
    assert reasons(hot, Batch().add(NEW, price=1, ref="d")) == [Reason.CLIENT_IDS_SHARE_FULL]
    hot.sweep_client_ids(2 + CLIENT_ID_MEMORY_NS)
    assert reasons(hot, Batch().add(NEW, price=1, ref="d")) == [Reason.CLIENT_IDS_SHARE_FULL], "one is open still"
    assert reasons(hot, Batch().add(CANCEL, ref="c"), ts_ns=5) == [Reason.BY_OWNER]
    hot.sweep_client_ids(5 + CLIENT_ID_MEMORY_NS)
    assert reasons(hot, Batch().add(NEW, price=1, ref="d")) == [0]


def test_the_open_quantity_of_a_side_is_bounded(hot):
    """It takes millions of the largest orders to come near the bound, so the total is set beside it."""
    hot.set_phase(70, Phase.CALL)
    if isinstance(hot, Books):
        hot.state.sides[4 * 70]["total"] = SIDE_TOTAL_LOTS_MAX - 5
    else:
        hot.books[70].sides[Side.BUY].total_lots = SIDE_TOTAL_LOTS_MAX - 5
    assert reasons(hot, Batch().add(NEW, price=0, instrument=70, qty=6)) == [Reason.SIDE_TOTAL_RANGE]
    assert reasons(hot, Batch().add(NEW, price=0, instrument=70, qty=5)) == [0]
    assert reasons(hot, Batch().add(NEW, price=0, instrument=70, qty=1)) == [Reason.SIDE_TOTAL_RANGE]
    assert reasons(hot, Batch().add(NEW, price=0, instrument=70, qty=1, side=1)) == [0]
    own = int(hot.orders_of(1)["order"][1])
    assert reasons(hot, Batch().add(REPLACE, price=0, instrument=70, qty=6, order=own)) == [Reason.SIDE_TOTAL_RANGE]
    assert reasons(hot, Batch().add(REPLACE, price=0, instrument=70, qty=4, order=own)) == [0]


def test_a_refusal_before_the_identity_step_consumes_nothing(hot):
    assert reasons(hot, Batch().add(NEW, price=1, flags=16, ref=stream_ref(5, 8))) == [Reason.FLAGS_INVALID]
    assert reasons(hot, Batch().add(NEW, price=1, ref=stream_ref(5, 8))) == [0]
    assert reasons(hot, Batch().add(NEW, price=1, account=9, ref="x")) == [Reason.ACCOUNT_UNKNOWN]
    hot.open_account(9)
    assert reasons(hot, Batch().add(NEW, price=1, account=9, ref="x")) == [0]


def test_a_refusal_after_it_is_the_answer_for_ever(hot):
    wrong = Batch().add(NEW, price=0, ref="x").add(NEW, price=0, ref=stream_ref(5, 8))
    assert reasons(hot, wrong) == [Reason.PRICE_BAND] * 2
    _, events = hot.run(*wrong.arrays(), 0, first_seq=50, ts_ns=3)
    assert [int(e["kind"]) for e in events] == [EventKind.DUPLICATE, EventKind.REJECTED]
    assert (events[0]["reason"], events[0]["order"], events[0]["counter_order"]) == (Reason.PRICE_BAND, 0, 10)
    assert (events[1]["reason"], events[1]["counter_order"]) == (Reason.STALE_REF, 8)


def test_the_row_version_of_the_kernels_is_that_of_the_rows():
    assert constants.ROW_VERSION == ROW_VERSION and np.int64(constants.RANK_NONE) == 2**31 - 1
