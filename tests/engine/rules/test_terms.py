"""Which types, times in force, flags and fields of an extension go together: all of them tried, against the table."""

from __future__ import annotations

from itertools import product

import pytest

from engine.codes import CommandKind, OrderFlag, OrderType, Phase, Reason, TimeInForce
from tests.engine.book_flows import Batch
from tests.engine.rules.desk import AT_AUCTION, DAY, GTC, GTD, ICEBERG, LIMIT, MARKET, MTL, STOP, STOP_LIMIT

POST_ONLY, SLIDE, ALL_OR_NONE, STP_GROUP = OrderFlag
LASTING = {GTC, DAY, GTD}
FLAGS = {  # beside STP_GROUP; of orders that may rest, of others, for one uncross
    LIMIT: ({0, POST_ONLY, POST_ONLY | SLIDE, ALL_OR_NONE}, {0, ALL_OR_NONE}, {0}),
    MARKET: ({0, ALL_OR_NONE}, {0, ALL_OR_NONE}, {0}),
    MTL: ({0, ALL_OR_NONE}, {0, ALL_OR_NONE}, {0}),
    STOP: ({0}, set(), set()),
    STOP_LIMIT: ({0}, set(), set()),
    ICEBERG: ({0, POST_ONLY, POST_ONLY | SLIDE}, set(), set()),
}
FIELDS = {LIMIT: "min_qty", MARKET: "min_qty", MTL: "min_qty", STOP: "stop_price", STOP_LIMIT: "stop_price",
          ICEBERG: "display_qty"}  # fmt: skip
VALUES = {"display_qty": 2, "min_qty": 3, "stop_price": 60, "expire_at": 10**16}


def goes_together(type_: int, tif: int, flags: int, stp: int, fields: tuple[str, ...]) -> bool:
    lasting, at_once, auction = FLAGS[OrderType(type_)]
    allowed = lasting if tif in LASTING else auction if tif == AT_AUCTION else at_once
    own = flags & ~STP_GROUP
    if own not in allowed or (flags & STP_GROUP and not stp):
        return False
    for field in fields:
        if field == "expire_at":
            if tif != GTD:
                return False
        elif field != FIELDS[OrderType(type_)] or (field == "min_qty" and (own or tif == AT_AUCTION)):
            return False
    return True


@pytest.mark.parametrize("phase", [Phase.CONTINUOUS, Phase.CALL])
def test_every_combination(hot, phase):
    hot.set_phase(1, phase)
    fields_of = [tuple(name for name, said in zip(VALUES, on, strict=True) if said) for on in product((0, 1), repeat=4)]
    combinations = list(product(OrderType, TimeInForce, range(16), (0, 2), fields_of))
    batch = Batch()
    for type_, tif, flags, stp, fields in combinations:
        price = 0 if type_ in (MARKET, MTL, STOP) else 50
        given = {name: VALUES[name] for name in fields}
        batch.add(CommandKind.NEW, type=type_, tif=tif, flags=flags, stp=stp, price=price, qty=5, **given)
    _, events = hot.run(*batch.arrays(), 0, first_seq=1, ts_ns=10**15)
    first = events[events["index"] == 0]
    assert len(first) == len(combinations)
    for combination, reason in zip(combinations, first["reason"].tolist(), strict=True):
        assert (reason != Reason.TERMS_CONFLICT) == goes_together(*combination), combination
    assert (first["reason"] == 0).sum() == {Phase.CONTINUOUS: 198, Phase.CALL: 63}[phase]
