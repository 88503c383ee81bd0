"""A whole file of orders run through the books in one kernel call, its ids mapped on the way. No log, no machine.

`Replay` is what `qhatu match` and `bench book` stand on: continuous matching with every check of the hot path.
"""

from __future__ import annotations

import numpy as np

from engine.codes import Phase, Reason, name_of
from engine.kernels.constants import DONE, NEED_SLOTS, SIDES, STOPS
from engine.kernels.flow import NEED_TRADES, replay
from engine.limits import PRICE_TICKS_MAX, QTY_LOTS_MAX, WINDOW_TICKS_MAX, WINDOW_TICKS_MIN
from engine.messages.rows import COMMAND, EXTENSION
from engine.state.books import Books

# One message of a file. All but new orders name the order by the file's id; account or instrument 0: the order's own.
MESSAGE = np.dtype(
    [
        ("kind", "u1"),
        ("side", "u1"),
        ("type", "u1"),
        ("tif", "u1"),
        ("id", "<u4"),
        ("price", "<i4"),
        ("account", "<u4"),
        ("qty", "<i8"),
        ("instrument", "<u2"),
        ("flags", "u1"),  # OrderFlag bits; STP_GROUP is added for accounts that have a group
        ("stp", "u1"),  # of account NO_NAME: none, whatever stands here
        ("extension", "<u4"),  # 1-based row of the extensions; 0: none
    ]
)
TALLY = np.dtype(
    [
        ("message", "<i8"),  # next one
        ("begun", "<i8"),  # 1: it is partly applied
        ("fills", "<i8"),
        ("volume", "<i8"),
        ("trades", "<i8"),
        ("fnv", "<u8"),
    ]
)
TRADE = np.dtype([("taker", "<i8"), ("maker", "<i8"), ("price", "<i8"), ("qty", "<i8"), ("instrument", "<i8")])
FNV_START = 14695981039346656037
TRADE_ROWS = 65_536
EVENT_ROWS = 256  # events are folded at once, so that a small buffer stays in the nearest cache
WINDOW_BUDGET_LEVELS = 2**23  # of all windows together, when a file's price range is known beforehand


def window_ticks_of(instruments: int, price_min: int, price_max: int) -> int:
    """Levels of each side's window, when the prices of all orders are known beforehand."""
    wanted = 1 << (2 * (price_max - price_min) + 1).bit_length()
    affordable = 1 << (WINDOW_BUDGET_LEVELS // (2 * instruments)).bit_length() - 1
    return max(WINDOW_TICKS_MIN, min(wanted, affordable, WINDOW_TICKS_MAX // 4))


class Replay:
    """Books in continuous phase, ready for the messages of one file.

    instruments  1 .. n;  accounts  1 .. n, of which NO_NAME has no self-trade check;  ids  file ids are below it
    price_min, price_max  of all messages, in ticks: the declared range, which bounds market orders too
    values  int64[ids]: what the hash of the fills sees of a file id; None: the file id itself
    groups  uint32[accounts + 1]: group by account, 0: none; None: nobody has one
    times  int64[messages]: venue time of each, never falling; None: none has one, and nothing expires
    extensions  EXTENSION[x], which messages point to
    """

    def __init__(
        self,
        *,
        instruments: int = 1,
        accounts: int = 1,
        ids: int,
        price_min: int = -PRICE_TICKS_MAX,
        price_max: int = PRICE_TICKS_MAX,
        values: np.ndarray | None = None,
        groups: np.ndarray | None = None,
        times: np.ndarray | None = None,
        extensions: np.ndarray | None = None,
        keep_trades: bool = False,
    ) -> None:
        self.books = Books(window_ticks=window_ticks_of(instruments, price_min, price_max), event_rows=EVENT_ROWS)
        for instrument in range(1, instruments + 1):
            self.books.list_instrument(
                instrument, multiplier=1, price_min=price_min, price_max=price_max, qty_max=QTY_LOTS_MAX
            )
            self.books.set_phase(instrument, Phase.CONTINUOUS)
        for account in range(1, accounts + 1):
            self.books.open_account(account)
        self._groups = np.zeros(0, np.uint32) if groups is None else groups
        for account in np.flatnonzero(self._groups).tolist():
            self.books.set_account(account, frozen=False, group=int(self._groups[account]), coop=False)
        self._times = np.zeros(0, np.int64) if times is None else times
        self._extensions = np.zeros(0, EXTENSION) if extensions is None else extensions
        self._expiries = np.unique(self._extensions["expire_at"]).tolist() if len(self._times) else []
        self._order_of = np.zeros(ids, np.int64)
        self._id_of = np.zeros(len(self.books.state.orders), np.uint32)
        self._values = np.zeros(0, np.int64) if values is None else values
        self._rejects = np.zeros(1 << 16, np.int64)
        self._tally = np.zeros(1, TALLY)
        self._tally["fnv"] = FNV_START
        self._command = np.zeros(1, COMMAND)
        self._trades = np.zeros(TRADE_ROWS if keep_trades else 0, TRADE)
        self._kept: list[np.ndarray] = []

    def run(self, messages: np.ndarray, stop: int | None = None) -> None:
        """Apply messages up to `stop` (default: all), from where the last call stopped; gtd orders expire between."""
        messages = messages[:stop]
        for due_ns in self._expiries:
            at = int(np.searchsorted(self._times, due_ns))
            if at < len(messages) and at >= int(self._tally[0]["message"]):
                self._run(messages[:at])
                self._expire(due_ns)
        self._run(messages)

    def _expire(self, due_ns: int) -> None:
        if self.books.next_expiry() == due_ns:
            self.books.expire(due_ns, command=0, first_index=0, ts_ns=due_ns)

    def _run(self, messages: np.ndarray) -> None:
        while True:
            status = replay(
                self.books.state, messages, self._times, self._order_of, self._id_of, self._values, self._groups,
                self._command, self._extensions, self.books.events, self._tally, self._rejects, self._trades,
            )  # fmt: skip
            if kept := int(self._tally[0]["trades"]):
                self._kept.append(self._trades[:kept].copy())
            if status == DONE:
                return
            if status != NEED_TRADES:
                if status != NEED_SLOTS or len(self._id_of) == len(self.books.state.orders):
                    self.books.make_room(status)
                id_of = np.zeros(len(self.books.state.orders), np.uint32)
                id_of[: len(self._id_of)] = self._id_of
                self._id_of = id_of

    @property
    def fills(self) -> int:
        return int(self._tally[0]["fills"])

    @property
    def volume_lots(self) -> int:
        return int(self._tally[0]["volume"])

    @property
    def fnv(self) -> str:
        """FNV-1a over (taker, maker, price, qty) of every fill, 16 hex digits."""
        return f"{int(self._tally[0]['fnv']):016x}"

    @property
    def rejects(self) -> dict[str, int]:
        return {name_of(Reason, int(code)): int(self._rejects[code]) for code in np.flatnonzero(self._rejects)}

    def trades(self) -> np.ndarray:
        """TRADE[fills], in order; kept only when asked for."""
        return np.concatenate(self._kept) if self._kept else np.zeros(0, TRADE)

    def resting(self) -> tuple[int, int, int, int]:
        """(orders, lots, levels, stops that wait) in all books; waiting stops count in none of the first three."""
        sides = self.books.state.sides.reshape(-1, SIDES)
        books, stops = sides[:, :STOPS], sides[:, STOPS:]
        return (
            int(books["orders"].sum()),
            int(books["total"].sum()),
            self.books.level_count(),
            int(stops["orders"].sum()),
        )
