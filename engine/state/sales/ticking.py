"""The clock of one lot whose price moves by itself: Dutch and Japanese sales."""

from __future__ import annotations

from msgspec import Struct


class TickingLot(Struct):
    price: int  # ticks of the sale: that the clock shows
    round: int = 0  # prices shown so far; 0: its clock has not begun
    wait_ns: int = 0  # how long this price stands, from when it was shown or the pause began
    due_ns: int = 0  # 0: the clock does not run
    timer: int = 0
    closed: bool = False
