"""Any body that decodes: values within the bounds of each field's type, the extremes among them."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec
from msgspec import inspect as kinds

from engine.messages import bodies

TEXTS = {"tick_size": ("0.05", "1", "0.000000000001", "999999999999"), "symbol": ("A", "PE-WASHED-1", "ZZZ"),
         "currency": ("USD", "PEN", "XXX"), "rules": ("harvest", "nse", "harvest_pro_rata", "iex", "nobodys"),
         "registration": ("open", "agreement", "admission"), "style": ("helmsman", "timed"),
         "scope": ("all", "group", "lot"),
         "absent": ("nothing", "keeps"), "show_demand": ("nothing", "excess", "total"),
         "ration": ("pro_rata", "arrival"), "payment": ("as_bid", "vcg"), "fallback": ("best", "void"),
         "form": ("", "escc"), "sample_term": ("", "stock_lot"),
         "incoterm": ("", "FOB"), "shipment_from": ("", "2027-05-01"), "shipment_to": ("", "2027-06-01"),
         "country": ("", "PE", "DE"), "destination": ("", "DE", "US"), "hs_code": ("09011190", "1801"),
         "sha256": ("", "ab" * 32), "product": ("coffee_green", "bananas", "gold"), "package": ("bag", "", "crate"),
         "products": ("coffee_green", "bananas", "gold"), "claims": ("specialty", "organic_eu"),
         "operator": ("large", "small", "x"),
         **dict.fromkeys(("graded", "valid_from", "valid_to", "ready", "harvest_from", "harvest_to", "first", "last"),
                         ("", "2026-01-01", "2023-12-31", "2024-02-30")),
         "after_extensions": ("print", "halt"), "kind": ("coop", "other")}  # fmt: skip
NEAR = (0, 1, 2, 3, 5, 6_700, 6_705, 60 * 10**9)


def any_body(random: Random, kind: type[bodies.Body], now_ns: int) -> bodies.Body:
    """One of this kind. Times are near `now_ns`, or anywhere."""
    info = kinds.type_info(kind)
    assert isinstance(info, kinds.StructType)
    body = kind(**{one.name: _value(random, one.name, one.type, now_ns) for one in info.fields})
    return bodies.decode_body(bodies.kind_of(body), bodies.encode_body(body))


def _value(random: Random, name: str, of: Any, now_ns: int) -> Any:
    match of:
        case kinds.Metadata():
            return _value(random, name, of.type, now_ns)
        case kinds.UnionType():
            return _value(random, name, random.choice(of.types), now_ns)
        case kinds.NoneType():
            return None
        case kinds.BoolType():
            return bool(random.randrange(2))
        case kinds.IntType():
            low, high = of.ge if of.ge is not None else -(2**63), of.le if of.le is not None else 2**63 - 1
            near = [value for value in (*NEAR, now_ns + random.randrange(-3, 60) * 10**9) if low <= value <= high]
            return random.choice([low, high, random.randint(low, high), *near, *near, *near])
        case kinds.StrType():
            return random.choice(TEXTS.get(name, ("", "x"))) if name in TEXTS or not of.min_length else "x" * 8
        case kinds.LiteralType():
            return random.choice(of.values)
        case kinds.EnumType():
            return random.choice(list(of.cls))
        case kinds.BytesType():
            most = of.max_length or 8
            return random.randbytes(random.choice((of.min_length or 0, most, most)))
        case kinds.VarTupleType() | kinds.ListType():
            return tuple(_value(random, name, of.item_type, now_ns) for _ in range(random.randrange(1, 4)))
        case kinds.DictType():
            return {"origin": "Jaén"}
        case kinds.StructType():
            return of.cls(**{one.name: _value(random, one.name, one.type, now_ns) for one in of.fields})
    raise msgspec.ValidationError(f"{name}: {of}")
