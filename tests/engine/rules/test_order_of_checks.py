"""The checks of a command in their order: each alone, and every two together, of which the first answers."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any, NamedTuple

import pytest

from engine.codes import CommandKind, OrderFlag, Phase, Reason
from engine.messages.refs import stream_ref
from engine.oracle.books import Books as Oracle
from engine.state.books import Books
from engine.state.hot import Hot, Space
from tests.engine.book_flows import Batch, furnished
from tests.engine.rules.desk import AT_AUCTION, FOK, GTD, ICEBERG, MARKET, SELL, STOP_LIMIT

NEW, CANCEL, REPLACE, AMEND = CommandKind.NEW, CommandKind.CANCEL, CommandKind.REPLACE, CommandKind.AMEND
BOOK = 9  # every reason can be met in it
TARGET = 1 << 32
TS_NS = 10**15


class Broken(NamedTuple):
    """One rule broken by a row, or by what was done before it."""

    reason: Reason
    kinds: str  # N, C, R, A
    fields: dict[str, Any] = {}
    before: Callable[[Hot], object] | None = None
    about: str = ""  # p phase, s side, d display and qty, l limits: two that are about the same cannot both be broken


def in_phase(phase: Phase) -> Callable[[Hot], object]:
    return lambda hot: hot.set_phase(BOOK, phase)


def frozen(hot: Hot) -> None:
    for account, group, coop in ((3, 0, False), (6, 8, False)):
        hot.set_account(account, frozen=True, group=group, coop=coop)


def limited(**terms: int) -> Callable[[Hot], object]:
    def before(hot: Hot) -> None:
        for account in (3, 6):
            for currency in (0, 1):
                hot.set_limits(account, currency, **dict(buy_max=0, sell_max=0, orders_max=0) | terms)

    return before


def full(hot: Hot) -> None:
    batch = Batch()
    for _ in range(2):
        batch.add(NEW, account=2, instrument=70, price=1, qty=1)
    hot.run(*batch.arrays(), 0, first_seq=90, ts_ns=TS_NS)


FORM = [
    Broken(Reason.VERSION_UNKNOWN, "NCRA", dict(version=9)),
    Broken(Reason.SIDE_INVALID, "NR", dict(side=2)),
    Broken(Reason.TYPE_INVALID, "NR", dict(type=6)),
    Broken(Reason.TIF_INVALID, "NR", dict(tif=6)),
    Broken(Reason.FLAGS_INVALID, "NR", dict(flags=16)),
    Broken(Reason.FLAGS_INVALID, "CA", dict(flags=1)),
    Broken(Reason.STP_INVALID, "NR", dict(stp=5)),
    Broken(Reason.STP_INVALID, "CA", dict(stp=1)),
    Broken(Reason.EXTENSION_INVALID, "NCRA", dict(principal=1)),
    Broken(Reason.EXTENSION_INVALID, "NCRA", dict(group=1)),
    Broken(Reason.EXTENSION_INVALID, "N", dict(target_lo=1)),
    Broken(Reason.EXTENSION_INVALID, "RA", dict(target_form=2)),
    Broken(Reason.EXTENSION_INVALID, "A", dict(display_qty=1)),
    Broken(Reason.EXTENSION_INVALID, "A", dict(stop_price=1)),
    Broken(Reason.EXTENSION_INVALID, "A", dict(expire_at=1)),
    Broken(Reason.EXTENSION_INVALID, "NCRA", dict(extension=2**32 - 1)),
    Broken(Reason.REF_INVALID, "NCRA", dict(ref=(0, 1, 0))),
    Broken(Reason.ACCOUNT_UNKNOWN, "NCRA", dict(account=99)),
    Broken(Reason.INSTRUMENT_UNKNOWN, "NCRA", dict(instrument=999)),
    Broken(Reason.STALE_REF, "NCRA", dict(ref=stream_ref(1, 0))),
]
STATE = [
    Broken(Reason.PHASE_FORBIDS, "NCRA", before=in_phase(Phase.FROZEN), about="p"),
    Broken(Reason.PHASE_FORBIDS, "NRA", before=in_phase(Phase.HALTED), about="p"),
    Broken(Reason.VENUE_STOPPED, "NRA", before=lambda hot: hot.set_stopped(True)),
    Broken(Reason.ACCOUNT_FROZEN, "NRA", before=frozen),
    Broken(Reason.VALIDITY_PAST, "NRA", dict(valid_until=TS_NS - 1)),
]
TERMS = [
    Broken(Reason.TERMS_CONFLICT, "NR", dict(flags=OrderFlag.SLIDE)),
    Broken(Reason.TIF_IN_CALL, "NR", dict(tif=FOK), in_phase(Phase.CALL), about="p"),
    Broken(Reason.TERMS_IN_CALL, "NR", dict(min_qty=1), in_phase(Phase.CALL), about="p"),
    Broken(Reason.TIF_NEEDS_CALL, "NR", dict(tif=AT_AUCTION), about="p"),
    Broken(Reason.QTY_RANGE, "NR", dict(qty=0)),
    Broken(Reason.PRICE_NOT_ALLOWED, "N", dict(type=MARKET)),
    Broken(Reason.PRICE_RANGE, "NR", dict(price=-(2**31))),
    Broken(Reason.PRICE_BAND, "NR", dict(price=5_001)),
    Broken(Reason.PRICE_RANGE, "N", dict(type=STOP_LIMIT, stop_price=10**9 + 1)),
    Broken(Reason.PRICE_BAND, "N", dict(type=STOP_LIMIT, stop_price=-501)),
    Broken(Reason.PRICE_COLLAR, "NR", dict(price=111), about="ps"),
    Broken(Reason.DISPLAY_RANGE, "N", dict(type=ICEBERG)),
    Broken(Reason.MIN_QTY_RANGE, "NR", dict(min_qty=-1)),
    Broken(Reason.EXPIRY_PAST, "NR", dict(tif=GTD, expire_at=TS_NS)),
    Broken(Reason.NOTIONAL_RANGE, "NR", dict(qty=10**11), about="d"),
]
OTHERS_QTY = [Broken(Reason.QTY_RANGE, "A", dict(qty=-1)), Broken(Reason.QTY_RANGE, "A", dict(qty=10**12 + 1))]
TARGETS = [
    Broken(Reason.ORDER_UNKNOWN, "CRA", dict(order=TARGET + 7)),
    Broken(Reason.NOT_OWNER, "CRA", dict(account=6)),
    Broken(Reason.INSTRUMENT_MISMATCH, "CRA", dict(order=TARGET + 2)),
    Broken(Reason.SIDE_INVALID, "R", dict(side=SELL), about="s"),
    Broken(Reason.TYPE_INVALID, "R", dict(type=ICEBERG, display_qty=1), about="d"),
    Broken(Reason.NOTIONAL_RANGE, "A", dict(qty=10**11)),
]
ROOM = [
    Broken(Reason.ORDERS_FULL, "N", before=full),
    Broken(Reason.POST_ONLY_CROSSES, "NR", dict(flags=OrderFlag.POST_ONLY), about="ps"),
    Broken(Reason.SELF_CROSS, "NR", dict(stp=1), in_phase(Phase.CALL), about="ps"),
    Broken(Reason.LIMIT_ORDERS, "N", before=limited(orders_max=1, buy_max=1, sell_max=1), about="l"),
    Broken(Reason.LIMIT_NOTIONAL, "NRA", before=limited(buy_max=1, sell_max=1), about="l"),
    Broken(Reason.STOCK_SHORT, "N", dict(side=SELL, price=105), about="s"),
]
CHECKS = [*FORM, *STATE, *TERMS, *OTHERS_QTY, *TARGETS, *ROOM]
KINDS = {"N": NEW, "C": CANCEL, "R": REPLACE, "A": AMEND}


def prepared(make: Callable[[Space], Hot]) -> Hot:
    """A book with a buy of account 3 (the target) and a sell of it that a buy at 100 crosses, a collar, and no stock
    left; an order of another book."""
    hot = furnished(make(Space(orders=5, slots_initial=2)))
    terms = dict(multiplier=10**9, price_min=-500, price_max=5_000, qty_max=10**12, deposit=True, classes=True)
    hot.list_instrument(BOOK, **terms)
    hot.set_collar(BOOK, 90, 110)
    hot.set_phase(BOOK, Phase.CONTINUOUS)
    assert hot.add_stock(3, BOOK, 1)
    batch = Batch().add(NEW, account=3, instrument=BOOK, price=95, qty=10)
    batch.add(NEW, account=3, instrument=BOOK, side=SELL, price=100, qty=1)
    batch.add(NEW, account=3, instrument=2, price=7, qty=1)
    _, events = hot.run(*batch.arrays(), 0, first_seq=1, ts_ns=TS_NS)
    assert events["order"].tolist() == [TARGET, TARGET + 1, TARGET + 2]
    return hot


def row_of(kind: str, *broken: Broken) -> Batch:
    fields = dict(account=3, instrument=BOOK, price=100, qty=20)
    if kind != "N":
        fields["order"] = TARGET
    for one in broken:
        fields |= one.fields
    return Batch().add(KINDS[kind], **fields)


def compatible(one: Broken, other: Broken) -> bool:
    """Whether both can be broken by one row."""
    same = one.fields.keys() & other.fields.keys()
    if any(one.fields[name] != other.fields[name] for name in same):
        return False
    return not set(one.about) & set(other.about)


def answer(hot: Hot, batch: Batch) -> Reason:
    _, events = hot.run(*batch.arrays(), 0, first_seq=50, ts_ns=TS_NS)
    return Reason(events[0]["reason"])


def cases() -> list[tuple[str, Broken, Broken | None]]:
    found: list[tuple[str, Broken, Broken | None]] = []
    for kind in KINDS:
        checks = [broken for broken in CHECKS if kind in broken.kinds]
        found += [(kind, broken, None) for broken in checks]
        found += [(kind, one, other) for one, other in combinations(checks, 2) if compatible(one, other)]
    return found


@pytest.mark.parametrize("make", [Oracle, lambda space: Books(space, event_rows=2)], ids=["oracle", "kernel"])
def test_the_first_check_that_fails_answers(make):
    wrong = []
    for kind, first, second in cases():
        hot = prepared(make)
        broken = (first,) if second is None else (first, second)
        for one in broken:
            if one.before is not None:
                one.before(hot)
        before, batch = dict(hot.canonical()), row_of(kind, *broken)
        found = answer(hot, batch)
        # Two together may be what breaks a third rule, that of which terms go together.
        if found != first.reason and (second is None or found not in (Reason.TERMS_CONFLICT, Reason.TERMS_IN_CALL)):
            wrong.append((kind, [(one.reason.name, one.fields) for one in broken], found.name))
        elif dict(hot.canonical()) != before:
            wrong.append((kind, [(one.reason.name, one.fields) for one in broken], "state changed"))
    assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_with_nothing_broken_is_taken(kind):
    hot = prepared(Oracle)
    assert answer(hot, row_of(kind)) in (0, Reason.BY_OWNER)


def test_every_reason_of_a_row_is_looked_at():
    seen = {broken.reason for broken in CHECKS}
    identity = {Reason.CLIENT_ID_REUSED, Reason.STREAMS_FULL, Reason.CLIENT_IDS_FULL, Reason.STREAMS_SHARE_FULL,
                Reason.CLIENT_IDS_SHARE_FULL}  # fmt: skip
    former = {Reason.KIND_UNSUPPORTED, Reason.TYPE_UNSUPPORTED, Reason.TIF_UNSUPPORTED}
    elsewhere = {Reason.NOT_PERMITTED, Reason.SIDE_TOTAL_RANGE, Reason.KIND_UNKNOWN}
    of_rows = {reason for reason in Reason if 0 < reason < Reason.BY_OWNER or 96 <= reason < Reason.SALE_NOT_OPEN}
    assert of_rows == seen | identity | former | elsewhere
