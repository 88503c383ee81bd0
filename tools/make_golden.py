"""The golden venue of this release's generation: `python -m tools.make_golden` writes tests/golden/generation-N/.

Run once per generation, by the release that opens it, and never again: what it wrote is what every later release must
still be able to read, and what every release of the same generation must come to. The flow may grow for generations to
come; a folder that is there is not written over.

    venue.tar.xz  a data directory: log of small segments (the first archived), two snapshots, configuration
    expect.json   what it comes to: state hashes, event digest after every record

The venue has something of everything that a state can hold. See `told` for the scenes.
"""

from __future__ import annotations

import json
import lzma
import random
import sys
import tarfile
import tempfile
from importlib import metadata
from io import BytesIO
from pathlib import Path

import numpy as np

from engine.codes import (
    CommandKind,
    OrderFlag,
    OrderType,
    Phase,
    Reason,
    RefForm,
    Side,
    StpMode,
    TimeInForce,
)
from engine.generations import migrated
from engine.limits import CLIENT_ID_MEMORY_NS, STREAMS_PER_ACCOUNT_MAX
from engine.log.archive import archive_before
from engine.log.files import RealFiles
from engine.log.local import LocalLog
from engine.log.record import GENERATION
from engine.log.snapshot import prune_snapshots, read_snapshot, snapshot_name, write_snapshot
from engine.machine import Machine
from engine.messages import bodies
from engine.messages.batch import Batch, cold, join
from engine.messages.refs import stream_ref, text_ref
from engine.messages.rows import COMMAND
from engine.oracle.books import Books as OracleBooks
from engine.state.books import Books
from gateway.config import genesis, load
from gateway.config_store import keep
from gateway.replaying import LOG_FOLDER, SNAPSHOT_FOLDER, Folding, Standing
from gateway.sequencer import Stamp
from tests.golden.venues import FOLDER, GENERATIONS, expected, unpacked
from tests.recorder import SECOND_NS, T0_NS, auction_sale, bid_of, coffee, order_row
from tools import golden_core as core
from tools import golden_sales as sales

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / "tests" / "gateway" / "venue.toml"
SEGMENT_BYTES = 64 * 1024
ROWS_PER_RECORD = 900  # at most; it fits a segment
BOOK, CALL_BOOK, CLOSED_BOOK, FAR_BOOK = 1, 2, 3, 4
BOOKS = (BOOK, CALL_BOOK, FAR_BOOK, core.STOCK_BOOK)
TRADERS = range(10, 16)
MIDDLE = {BOOK: 6_305, CALL_BOOK: 6_000, FAR_BOOK: 0, core.STOCK_BOOK: 6_705}
PRICED = (OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.ICEBERG)


class Writer:
    """A venue without sockets: stamps batches, makes them durable and applies them on both kinds of books."""

    def __init__(self, data: Path) -> None:
        self.data, self.files = data, RealFiles()
        self.kernel, self.oracle = Standing(Machine(Books())), Machine(OracleBooks())
        self.folding = Folding(self.kernel)
        self.ts_ns = T0_NS
        self.digests: list[str] = []
        self.snapshots: dict[int, dict[str, object]] = {}
        self.open()

    def open(self) -> None:
        """A start: a new epoch."""
        self.log = LocalLog.open(self.files, self.data / LOG_FOLDER, segment_bytes=SEGMENT_BYTES)
        self.stamp = Stamp(self.log.claim(), 0)

    def do(self, *batches: Batch | bodies.Body, after_s: float = 0.5) -> np.ndarray:
        self.ts_ns += int(after_s * SECOND_NS)
        made = [cold(one) if isinstance(one, bodies.Body) else one for one in batches]
        return self._write(join(made))

    def empty(self) -> None:
        self._write(Batch(np.zeros(0, COMMAND)))

    def _write(self, batch: Batch) -> np.ndarray:
        machine = self.kernel.machine
        record = self.stamp.record(batch, self.ts_ns, machine.seq, machine.event_digest)
        self.log.write(record)
        events = self.folding.apply(record)
        assert events.tobytes() == self.oracle.apply(record).tobytes(), "kernel and oracle agree"
        assert machine.state_hash() == self.oracle.state_hash()
        self.digests.append(machine.event_digest.hex())
        return events

    def snapshot(self) -> int:
        machine, tail = self.kernel.machine, self.folding.tail
        taken = machine.snapshot(tail, self.kernel.trades.sections())
        taken.made_by = {"qhatu": metadata.version("qhatu")}
        write_snapshot(self.files, self.data / SNAPSHOT_FOLDER, taken)
        prune_snapshots(self.files, self.data / SNAPSHOT_FOLDER)
        self.snapshots[taken.number] = {"seq": taken.seq, "state_hash": taken.state_hash.hex()}
        return taken.number


class Traders:
    """Orders, cancels and replaces by chance, with references of every form, some of them wrong."""

    def __init__(self, writer: Writer, seed: int) -> None:
        self.writer, self.chance, self.number = writer, random.Random(seed), 0

    def trade(self, rows: int, *books: int, call: bool = False) -> None:
        batches = [self._row(self.chance.choice(books), call) for _ in range(rows)]
        self.writer.do(join(batches))

    def _row(self, book: int, call: bool) -> Batch:
        chance = self.chance
        account, side = chance.choice(TRADERS), Side(chance.randrange(2))
        own = self.writer.kernel.machine.hot.orders_of(account)
        if len(own) and chance.random() < 0.4:
            return self._change(account, own[chance.randrange(len(own))])
        away = chance.randint(-12, 12) if chance.random() < 0.9 else chance.randint(-3_000, 3_000)
        away += -6 if side == Side.BUY else 6
        type_ = OrderType(chance.choice([0] * 10 + [1, 1, 2, 3, 4, 5, 5]))
        if call:
            tif = TimeInForce(chance.choice([0, 0, 0, 3, 4, 5] if type_ <= OrderType.MARKET_TO_LIMIT else [0, 3, 4]))
        else:
            tif = TimeInForce(chance.choice([0, 0, 0, 0, 1, 2, 3, 4] if type_ <= 2 else [0, 3, 4]))
        return self._named(self._entered(account, book, side, MIDDLE[book] + away, type_, tif))

    def _change(self, account: int, own: np.void) -> Batch:
        chance = self.chance
        terms = {"order": int(own["order"]), "instrument": int(own["instrument"])}
        form = chance.random()
        if form < 0.4:
            return order_row(account, Side.BUY, 0, 0, kind=CommandKind.CANCEL, **terms)
        if form < 0.7:
            qty = max(0, int(own["entered_qty"]) + chance.randint(-20, 10))
            return self._named(order_row(account, Side.BUY, 0, qty, kind=CommandKind.AMEND, **terms))
        price = int(own["price"]) + chance.randint(-3, 3)
        return self._named(
            self._entered(account, terms["instrument"], Side(int(own["side"])), price, OrderType(int(own["type"])),
                          TimeInForce.GTC, kind=CommandKind.REPLACE, order=terms["order"])
        )  # fmt: skip

    def _entered(
        self, account: int, book: int, side: Side, price: int, type_: OrderType, tif: TimeInForce, **more: int
    ) -> Batch:
        """A new order or a replace, with what its type asks for."""
        chance, qty, flags = self.chance, self.chance.randint(1, 40), 0
        stp = StpMode(chance.choice([0, 0, 0, 1, 2, 3, 4]))
        if stp and chance.random() < 0.5:
            flags |= OrderFlag.STP_GROUP
        if type_ in (OrderType.STOP, OrderType.STOP_LIMIT):
            more["stop_price"] = price + (9 if side == Side.BUY else -9)
        if type_ == OrderType.ICEBERG:
            more["display_qty"] = chance.randint(1, qty)
        if tif == TimeInForce.GTD:
            more["expire_at"] = self.writer.ts_ns + chance.randint(1, 7_200) * SECOND_NS
        if type_ == OrderType.LIMIT and tif == TimeInForce.GTC and chance.random() < 0.15:
            flags |= chance.choice([OrderFlag.POST_ONLY, OrderFlag.POST_ONLY | OrderFlag.SLIDE, OrderFlag.ALL_OR_NONE])
        elif type_ <= OrderType.MARKET_TO_LIMIT and tif != TimeInForce.AT_AUCTION and chance.random() < 0.05:
            more["min_qty"] = chance.randint(1, qty)
        return order_row(account, side, price if type_ in PRICED else 0, qty, instrument=book, type=type_, tif=tif,
                         flags=flags, stp=stp, **more)  # fmt: skip

    def _named(self, batch: Batch) -> Batch:
        self.number += 1
        text, form = "", self.chance.randrange(4)
        if form == 0:
            ref = stream_ref(self.chance.randrange(3), self.number)
        elif form in (1, 2):
            text = f"o-{self.number}" if form == 1 else f"order-of-the-season-{self.number}"
            ref = text_ref(text)
        else:
            return batch
        row = batch.rows[0]
        row["ref_form"], row["ref_hi"], row["ref_lo"] = ref
        body = text.encode() if len(text) > 15 else b""
        row["body_length"] = len(body)
        return Batch(batch.rows, batch.extensions, body)


def told(data: Path) -> Writer:
    """The whole story, from the first command to the orderly end."""
    writer = Writer(data)
    config = load(CONFIG)
    keep(config, data)
    for batch in genesis(config):
        writer.do(batch)
    traders = Traders(writer, seed=GENERATION)

    # Registers: more accounts, keys that are open, expiring and revoked, a differential with prices below zero.
    writer.do(
        *(bodies.OpenAccount(account, f"trader {account}", "coop") for account in TRADERS),
        bodies.AddKey(b"k" * 32, 10, 3),
        bodies.AddKey(b"e" * 32, 11, 3, expires_ns=writer.ts_ns + 3600 * SECOND_NS),
        bodies.AddKey(b"r" * 32, 12, 1),
        bodies.RevokeKey(b"r" * 32),
        coffee(FAR_BOOK, symbol="DIFF", tick_size="1", price_min=-5_000, price_max=5_000, reference=0,
               attributes={"origin": "Jaén"}, rules="harvest"),
        bodies.SetReference(CLOSED_BOOK, None),
    )  # fmt: skip
    core.registers(writer)

    # A first day: a call, an uncross, continuous trading; a sale to its end. Its ids are forgotten a day later.
    writer.do(bodies.SetPhase(FAR_BOOK, Phase.CALL))
    for _ in range(4):
        traders.trade(20, CALL_BOOK, FAR_BOOK, call=True)
    writer.do(bodies.Uncross(FAR_BOOK, Phase.CONTINUOUS))
    writer.do(auction_sale(writer.ts_ns, 1, lots=3, open_for_s=60))
    writer.do(bid_of(11, 1, 520, sale=1, client_id="first-bid"), bid_of(12, 2, 450, sale=1, client_id="b2"))
    writer.do(bid_of(11, 1, 520, sale=1, client_id="first-bid"), bid_of(12, 1, 530, sale=1, client_id="first-bid"))
    for _ in range(12):
        traders.trade(45, *BOOKS, call=True)
    writer.do(bodies.Time(), after_s=60)
    writer.do(bodies.Time(), after_s=240)
    writer.empty()

    # The next day: text ids of yesterday are swept, those of open orders stay.
    writer.do(bodies.Time(), after_s=CLIENT_ID_MEMORY_NS / SECOND_NS + 3600)
    for turn in range(20):
        traders.trade(45, *BOOKS, call=turn % 2 == 0)
    moves = [(600, Phase.CALL, False), (1_200, Phase.CONTINUOUS, True), (7_200, Phase.CLOSED, False)]
    entries = tuple(bodies.ScheduleEntry(writer.ts_ns + s * SECOND_NS, phase, cross) for s, phase, cross in moves)
    writer.do(bodies.Schedule(BOOK, 1, entries), bodies.Schedule(CLOSED_BOOK, 3, entries[:1]))
    writer.do(bodies.Schedule(BOOK, 1, entries))
    core.corrections(writer)
    core.volatile(writer)
    core.day_end(writer, BOOK, 1)
    core.many(writer, BOOK)
    core.every_type(writer, core.STOCK_BOOK)
    core.stopped(writer, BOOK)
    writer.empty()
    first = writer.snapshot()

    # It is stopped and started again: another epoch, an outage.
    writer.log.close()
    archive_before(writer.files, data / LOG_FOLDER, first)
    writer.open()
    last_ns = writer.ts_ns
    writer.do(bodies.Resume(last_ns, last_ns + 90 * SECOND_NS), after_s=90)
    writer.do(bodies.KillSwitch(False), after_s=10)
    assert writer.kernel.machine.venue.stop is None
    for turn in range(10):
        traders.trade(45, *BOOKS, call=turn % 2 == 0)
    writer.do(bodies.Time(), after_s=620)  # the calendar's call begins in BOOK
    core.random_end(writer, core.STOCK_BOOK, 1, after_s=30, seed=b"revealed before the venue ends  ")
    writer.do(bodies.SetPhase(core.STOCK_BOOK, Phase.CALL))
    for _ in range(4):
        traders.trade(20, BOOK, CALL_BOOK, call=True)

    # One account uses up its share of streams; another is not touched by it.
    fill_streams(writer, TRADERS[0])
    fill_streams(writer, TRADERS[1], upto=3)

    # An open sale with proxy maxima and a lot nobody wants yet; one whose clock runs.
    writer.do(
        auction_sale(writer.ts_ns, 2, lots=3, open_for_s=86_400), auction_sale(writer.ts_ns, 3, open_for_s=86_400)
    )
    writer.do(*(bid_of(account, lot, 600 + 10 * account, sale=2) for account in (11, 12, 13) for lot in (1, 2)))
    writer.do(
        bid_of(14, 1, 480, sale=3, client_id="a-bid-under-a-long-name"),
        bid_of(15, 2, 390, sale=3, client_id="too-low"),
        bid_of(15, 2, 400, sale=3, client_id="b3"),
    )
    sales.under_way(writer)
    sales.sealed_under_way(writer)
    traders.trade(40, BOOK, CALL_BOOK, core.STOCK_BOOK, call=True)
    writer.do(bodies.Time(), after_s=60)  # the random end of STOCK_BOOK
    traders.trade(40, core.STOCK_BOOK)

    # Under way at the end: a random end to come, an extension, a dead-man switch, orders until a time, busts.
    core.random_end(writer, CALL_BOOK, 1, after_s=900, seed=b"a secret of the venue to the end")
    core.every_type(writer, core.STOCK_BOOK)
    writer.do(cold(bodies.CancelAfter(3_600 * SECOND_NS), 12))
    core.outside(writer)
    writer.empty()
    writer.snapshot()
    writer.log.close()
    return writer


def fill_streams(writer: Writer, account: int, upto: int = STREAMS_PER_ACCOUNT_MAX + 1) -> None:
    """Cancels of no order, each the first message of a new stream."""
    for first in range(0, upto, ROWS_PER_RECORD):
        count = min(ROWS_PER_RECORD, upto - first)
        rows = order_row(account, Side.BUY, 0, 0, kind=CommandKind.CANCEL).rows.repeat(count)
        rows["ref_form"], rows["ref_lo"] = RefForm.STREAM, 1
        rows["ref_hi"] = 1_000 + first + np.arange(count)
        events = writer.do(Batch(rows))
    full = upto > STREAMS_PER_ACCOUNT_MAX
    assert events["reason"][-1] == (Reason.STREAMS_SHARE_FULL if full else Reason.ORDER_UNKNOWN)


def packed(data: Path) -> bytes:
    """The directory as one archive: the same files, the same bytes."""
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path in sorted(data.rglob("*")):
            if path.is_file() and path.name != "lock":
                entry = tarfile.TarInfo(str(path.relative_to(data)))
                entry.size = path.stat().st_size
                tar.addfile(entry, BytesIO(path.read_bytes()))
    return lzma.compress(buffer.getvalue(), preset=9)


def note_migrations(scratch: Path) -> None:
    """What the states of the older generations become in this one, beside what they are."""
    for older in GENERATIONS:
        if older == GENERATION:
            continue
        want, data = expected(older), unpacked(older, scratch / f"generation-{older}")
        last = read_snapshot(RealFiles(), data / SNAPSHOT_FOLDER / snapshot_name(want["records"]))
        want.setdefault("migrated", {})[str(GENERATION)] = migrated(last).state_hash.hex()
        (FOLDER / f"generation-{older}" / "expect.json").write_text(json.dumps(want, indent=1) + "\n")


def main() -> int:
    folder = FOLDER / f"generation-{GENERATION}"
    if folder.exists():
        print(f"{folder} is there: a golden venue is written once", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as scratch:
        writer = told(Path(scratch) / "venue")
        machine = writer.kernel.machine
        expect = {
            "generation": GENERATION,
            "release": metadata.version("qhatu"),
            "records": len(writer.digests),
            "seq": machine.seq,
            "state_hash": machine.state_hash().hex(),
            "event_digest": machine.event_digest.hex(),
            "snapshots": writer.snapshots,
            "digests": writer.digests,
        }
        folder.mkdir(parents=True)
        (folder / "venue.tar.xz").write_bytes(packed(Path(scratch) / "venue"))
        (folder / "expect.json").write_text(json.dumps(expect, indent=1) + "\n")
        note_migrations(Path(scratch))
    print(f"{folder}: {len(writer.digests)} records, {machine.seq} commands")
    return 0


if __name__ == "__main__":
    sys.exit(main())
