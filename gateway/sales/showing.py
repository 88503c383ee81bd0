"""Views of the engine as they go over the wire: one rule for all; a new mechanism is shown without a line here."""

from __future__ import annotations

from typing import Any

import msgspec

from engine.markets.sales import views
from engine.markets.sales.english_views import own_lot_view
from engine.markets.sales.texts import price_text
from engine.messages.sales.english import English
from engine.state.sales.english import EnglishState
from engine.state.sales.sale import Sale
from gateway.forms import Form
from gateway.sales.fields import SPANS, wire_name

_STAGES = ("viewing_ns", "registration_ns", "prebids_ns", "live_ns")
_OWN = ("you_", "your_")


def shown(form: Form, value: Any) -> Any:
    """A view as plain data of the wire. Prices are decimal text in every form already."""
    return _renamed(form, msgspec.to_builtins(value, str_keys=True))


def sale_view(form: Form, sale: Sale, account: int | None = None, *, operator: bool = False) -> dict[str, Any]:
    """A sale as everyone sees it, or with one account's own place in it; the operator's part beside it."""
    seen = views.public_view(sale) if account is None else views.account_view(sale, account)
    view = seen_view(form, seen)
    if operator:
        part = shown(form, views.operator_view(sale))
        view["operator"] = part | part.pop("market")
    return view


def seen_view(form: Form, seen: views.SaleView) -> dict[str, Any]:
    head = msgspec.to_builtins(seen, str_keys=True)
    market = head.pop("market")
    stages = {name[:-3]: head.pop(name) for name in _STAGES}
    for name in ("value_numerator", "value_denominator"):
        head[name] = str(head[name])
    told: dict[str, Any] = _renamed(form, head)
    told["stages"] = {name: form.time(at_ns) if at_ns else None for name, at_ns in stages.items()}
    return told | _renamed(form, market)


def own_part(form: Form, sale: Sale, lot: int, account: int) -> dict[str, Any]:
    """The account's own place in one lot, beside its price."""
    if isinstance(sale.terms.mechanism, English):
        part = shown(form, own_lot_view(sale, lot, account))
    else:
        market = shown(form, views.account_view(sale, account).market)
        lots = market.get("lots") or [{}]
        part = lots[lot - 1] if lot else {name: value for name, value in market.items() if name.startswith(_OWN)}
    return {name: value for name, value in part.items() if name.startswith(_OWN) or name in ("price", "state")}


def own_bids(form: Form, sale: Sale, account: int) -> dict[str, Any]:
    """Lots of which the account's own view says something, and its bids in an English sale, those that wait too."""
    lots = shown(form, views.account_view(sale, account).market).get("lots", [])
    own = [{name: value for name, value in lot.items() if name == "lot" or name.startswith(_OWN)} for lot in lots]
    said = [lot for lot in own if any(value for name, value in lot.items() if name not in ("lot", "you_sell"))]
    bids = []
    if isinstance(sale.market, EnglishState):
        taken = [(one, False) for lot in sale.market.lots for one in lot.placed if one.account == account]
        taken += [(one, True) for one in sale.market.waiting if one.account == account]
        bids = [
            {
                "bid": one.seq,
                "lot": one.lot,
                "maximum": price_text(sale, one.maximum),
                "bags": one.bags,
                "normal": one.normal,
                "waits": waits,
            }
            for one, waits in sorted(taken, key=lambda each: each[0].seq)
        ]
    return {"lots": said, "bids": bids}


def mechanism_name(sale: Sale) -> str:
    return str(type(sale.terms.mechanism).__struct_config__.tag)


def _renamed(form: Form, value: Any) -> Any:
    if isinstance(value, dict):
        return {_name(name): _value(form, name, each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_renamed(form, each) for each in value]
    return value


def _name(name: str) -> str:
    return wire_name(name) if name.endswith("_ns") else name


def _value(form: Form, name: str, value: Any) -> Any:
    if name == "attributes":  # the seller's own words, whatever they are called
        return value
    if not name.endswith("_ns") or not isinstance(value, int | type(None)):
        return _renamed(form, value)
    if name in SPANS:
        return None if value is None else value // 10**9 if value % 10**9 == 0 else value / 10**9
    return form.time(value) if value else None
