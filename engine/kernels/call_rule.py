"""Everything a kernel has to know about a rule set of the call auction."""

from __future__ import annotations

from typing import NamedTuple

from engine.domain.sharing_rule import SharingRule
from engine.kernels.price_rule import PriceRule


class CallRule(NamedTuple):
    price: PriceRule
    sharing: SharingRule
    unpriced: int  # Unpriced
