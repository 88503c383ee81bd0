"""What a reader rebuilds from one channel, message by message, and what it must equal at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.codes import Phase, name_of
from engine.markets.sales.english import market_of
from gateway.forms import JSON, scale_of
from gateway.market_data.channel import Name
from gateway.market_data.sales import shown_sales
from gateway.market_data.views import COLLECTING
from gateway.sales.showing import sale_view
from gateway.trade_fold import RECENT_TRADES
from tests.simulation.server import Server, Sides

if TYPE_CHECKING:
    from tests.simulation.world import World

Message = dict[str, Any]


class Picture:
    """One channel as a reader has it. `resumes`: its readers come back with their last `seq` and miss nothing."""

    resumes = False

    def __init__(self, world: World, name: Name) -> None:
        self.world, self.name = world, name
        self.seq = 0  # of the last message taken
        self.pass_over_snapshot = False

    def message(self, message: Message) -> bool:
        """Take one message; False when one before it is missing."""
        if message["type"] == "snapshot":
            if self.pass_over_snapshot:
                self.pass_over_snapshot = False
                return True
            self.seq = message["seq"]
            self.begin(message)
            return True
        if message["prev_seq"] != self.seq:
            return message["seq"] <= self.seq
        self.seq = message["seq"]
        self.update(message)
        return True

    def begin(self, message: Message) -> None:
        self.update(message)

    def update(self, message: Message) -> None:
        raise NotImplementedError

    def check(self, server: Server, name: Name) -> None:
        raise NotImplementedError

    def wrong(self, what: str) -> Exception:
        return self.world.violated(f"a reader of {self.name} has {what}")


class Book(Picture):
    """Levels by price; each message must leave exactly what the engine had when the venue gave it its number."""

    def __init__(self, world: World, name: Name) -> None:
        super().__init__(world, name)
        self.levels: tuple[dict[str, list], dict[str, list]] = ({}, {})

    def begin(self, message: Message) -> None:
        self.levels = ({}, {})
        self._merge(message)
        if self.sides() not in self.world.books.begun(self.name.instrument, self.seq, self.name.depth):
            raise self.wrong("a snapshot that never was the book")

    def update(self, message: Message) -> None:
        self._merge(message)
        if self.sides() != self.world.books.at(self.name.instrument, self.seq, self.name.depth):
            raise self.wrong("another book than the engine had")

    def _merge(self, message: Message) -> None:
        for levels, changed in zip(self.levels, (message["bids"], message["asks"]), strict=True):
            for price, qty, orders in changed:
                if qty == "0":
                    levels.pop(price, None)
                else:
                    levels[price] = [qty, orders]

    def sides(self) -> Sides:
        """As the engine gives them: ticks, lots, orders; best first."""
        tick = self.world.tick_of(self.name.instrument)
        bids, asks = (
            sorted((round(float(price) / tick), int(qty), orders) for price, (qty, orders) in levels.items())
            for levels in self.levels
        )
        return bids[::-1], asks

    def check(self, server: Server, name: Name) -> None:
        sides = server.sides(name.instrument)
        if self.sides() != (sides[0][: name.depth], sides[1][: name.depth]):
            raise self.wrong("another book than the engine has at the end")


class Tape(Picture):
    """Trades by number: each one once, none left out after the first that was seen."""

    resumes = True

    def __init__(self, world: World, name: Name) -> None:
        super().__init__(world, name)
        self.last = 0

    def begin(self, message: Message) -> None:
        trades = message["trades"][::-1]
        self._tell(message["instrument"], trades)
        last = trades[-1]["trade_id"] if trades else 0
        if last < self.last:
            raise self.wrong(f"trade {self.last}, and a later snapshot ends at {last}")
        if self.last and len(trades) < RECENT_TRADES and trades[0]["trade_id"] > self.last + 1:
            raise self.wrong(f"trade {self.last}, and a snapshot that begins with {trades[0]['trade_id']}")
        self.last = last

    def update(self, message: Message) -> None:
        self._tell(message["instrument"], message["trades"])
        for trade in message["trades"]:
            if trade["trade_id"] != self.last + 1:
                raise self.wrong(f"trade {trade['trade_id']} after {self.last}")
            self.last = trade["trade_id"]

    def _tell(self, symbol: str, trades: list[Message]) -> None:
        for trade in trades:
            fields = ("price", "quantity", "side", "kind", "ts_engine")
            self.world.trades.tell(symbol, trade["trade_id"], tuple(trade[name] for name in fields))

    def check(self, server: Server, name: Name) -> None:
        assert server.hub is not None
        if self.last != server.hub.trades.fold.counts.get(name.instrument, 0):
            raise self.wrong(f"{self.last} trades at the end, not {server.hub.trades.fold.counts}")


class Latest(Picture):
    """Phase of every instrument."""

    def __init__(self, world: World, name: Name) -> None:
        super().__init__(world, name)
        self.phases: dict[str, str] = {}

    def update(self, message: Message) -> None:
        self.phases |= {status["instrument"]: status["phase"] for status in message["instruments"]}

    def check(self, server: Server, name: Name) -> None:
        hot, venue = server.machine.hot, server.machine.venue
        phases = {listing.symbol: name_of(Phase, hot.phase(number)) for number, listing in venue.instruments.items()}
        if self.phases != phases:
            raise self.wrong(f"phases {self.phases}, not {phases}")


class Auction(Picture):
    """The indication; every message stands alone."""

    def __init__(self, world: World, name: Name) -> None:
        super().__init__(world, name)
        self.last: Message = {}

    def update(self, message: Message) -> None:
        self.last = message

    def check(self, server: Server, name: Name) -> None:
        machine = server.machine
        if machine.hot.phase(name.instrument) not in COLLECTING:
            return
        price, volume, _ = machine.indication(name.instrument)
        scale = scale_of(machine.venue.instruments[name.instrument].tick_size)
        wanted = (None if price is None else JSON.price(price, scale), JSON.qty(volume))
        if (self.last["price"], self.last["volume"]) != wanted:
            raise self.wrong(f"indication {self.last['price']} {self.last['volume']}, not {wanted}")


class Sales(Picture):
    """Public view of each sale."""

    def __init__(self, world: World, name: Name) -> None:
        super().__init__(world, name)
        self.sales: dict[int, Message] = {}

    def begin(self, message: Message) -> None:
        self.sales = {sale["sale_id"]: sale for sale in message["sales"]}

    def update(self, message: Message) -> None:
        self.sales[message["sale_id"]] = {name: message[name] for name in message.keys() - HEAD}

    def check(self, server: Server, name: Name) -> None:
        wanted = {sale.sale: sale_view(JSON, sale) for sale in shown_sales(server.machine.venue)}
        if self.sales != wanted:
            raise self.wrong(f"sales {self.sales}, not {wanted}")


HEAD = frozenset({"channel", "instrument", "type", "seq", "prev_seq", "ts_engine", "sale"})


class Executions(Picture):
    """Open orders of the account: (price, open quantity) by id."""

    resumes = True

    def __init__(self, world: World, name: Name) -> None:
        super().__init__(world, name)
        self.orders: dict[str, tuple] = {}

    def begin(self, message: Message) -> None:
        self.orders = {order["order_id"]: _shown(order) for order in message["orders"]}

    def update(self, message: Message) -> None:
        if message["event"] == "rejected":
            return
        if message["open_quantity"] == "0":
            self.orders.pop(message["order_id"], None)
        else:
            self.orders[message["order_id"]] = _shown(message)

    def check(self, server: Server, name: Name) -> None:
        machine = server.machine
        rows = machine.hot.orders_of(name.account)
        scales = {number: scale_of(listing.tick_size) for number, listing in machine.venue.instruments.items()}
        wanted = {
            str(row["order"]): (JSON.price(int(row["price"]), scales[int(row["instrument"])]), str(row["qty"]))
            for row in rows
        }
        found = {  # an order without a limit is shown without a price
            order: (wanted.get(order, shown)[0] if shown[0] is None else shown[0], shown[1])
            for order, shown in self.orders.items()
        }
        if found != wanted:
            raise self.wrong(f"orders {self.orders}, not {wanted}")


def _shown(order: Message) -> tuple:
    return order["price"], order["open_quantity"]


class OwnBids(Picture):
    """The account's own place in each lot."""

    resumes = True

    def __init__(self, world: World, name: Name) -> None:
        super().__init__(world, name)
        self.bids: dict[tuple[int, int], str] = {}

    def begin(self, message: Message) -> None:
        self.bids = {(bid["sale"], bid["lot"]): bid["maximum"] for bid in message["bids"]}

    def update(self, message: Message) -> None:
        if "maximum" in message:
            self.bids[(message["sale"], message["lot"])] = message["maximum"]

    def check(self, server: Server, name: Name) -> None:
        wanted = {
            (number, lot): JSON.price(state.standing[name.account].maximum, scale_of(sale.tick_size))
            for number, sale in server.machine.venue.sales.items()
            for lot, state in enumerate(market_of(sale).lots, 1)
            if name.account in state.standing
        }
        if self.bids != wanted:
            raise self.wrong(f"maxima {self.bids}, not {wanted}")
