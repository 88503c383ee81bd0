"""The packed path: rows in, rows out, nothing that bytes can do."""

from __future__ import annotations

import asyncio

import msgspec
import numpy as np
import pytest

from engine.codes import CommandKind, EventFlag, EventKind, Phase, Reason, RefForm, Side
from engine.limits import WS_PACKED_ROWS_MAX
from engine.messages.audience import AUDIENCE
from engine.messages.rows import COMMAND, EVENT, ROW_VERSION
from gateway.access import own_rows
from gateway.ws.packed import PREFIX, Ordinals, rows_of_frame
from tests.gateway.running import TRADER_A, TRADER_B, House, Socket
from tests.gateway.ws.test_arrivals import masked

in_venue = pytest.mark.asyncio(loop_scope="module")


def new(number: int, *, side: int = Side.BUY, price: int = 6_000, qty: int = 5, stream: int = 7) -> np.ndarray:
    row = np.zeros(1, COMMAND)
    row["kind"], row["version"], row["ref_form"] = CommandKind.NEW, ROW_VERSION, RefForm.STREAM
    row["instrument"], row["side"], row["price"], row["qty"] = 1, side, price, qty
    row["ref_hi"], row["ref_lo"] = stream, number
    return row


async def answered(socket: Socket, rows: int) -> tuple[np.ndarray, list[int]]:
    """Events of `rows` rows, and the sequence of each."""
    parts, seqs, done = [], [], 0
    while done < rows:
        message = await socket.hear()
        assert message["op"] == "rows", message
        parts.append(np.frombuffer(message["events"], EVENT))
        seqs += np.frombuffer(message["seq"], "<u8").tolist()
        done += int(((parts[-1]["flags"] & EventFlag.LAST) != 0).sum())
    return np.concatenate(parts), seqs


@in_venue
async def test_rows_are_decided_and_answered_by_ordinal(house: House) -> None:
    socket = await house.socket(TRADER_A, packed=True)
    await socket.rows(np.concatenate([new(1), new(2, price=6_001)]))
    events, seqs = await answered(socket, 2)
    assert events["kind"].tolist() == [EventKind.ACCEPTED] * 2
    assert events["command"].tolist() == [0, 1] and seqs[1] == seqs[0] + 1
    await socket.rows(new(2))
    stale, _ = await answered(socket, 1)
    assert stale["reason"].tolist() == [Reason.STALE_REF] and stale["counter_order"].tolist() == [2]
    assert stale["command"].tolist() == [2]
    await socket.close()


@in_venue
async def test_a_fill_does_not_name_the_other_side(house: House) -> None:
    maker, taker = await house.socket(TRADER_A, packed=True), await house.socket(TRADER_B, packed=True)
    await maker.rows(new(1, side=Side.SELL, price=6_100, stream=8))
    await answered(maker, 1)
    await taker.rows(new(1, price=6_100, qty=2, stream=8))
    events, _ = await answered(taker, 1)
    fill = events[events["kind"] == EventKind.FILL][0]
    assert (fill["qty"], fill["price"], fill["account"]) == (2, 6_100, 3)
    assert (fill["counter_account"], fill["counter_order"], fill["leaves"]) == (0, 0, 0)
    for socket in (maker, taker):
        await socket.close()


@in_venue
async def test_the_account_and_the_connection_are_the_keys(house: House) -> None:
    socket = await house.socket(TRADER_B, packed=True)
    row = new(1, price=5_900, stream=9)
    row["account"], row["connection"] = 2, 99
    await socket.rows(row)
    events, _ = await answered(socket, 1)
    assert events["account"].tolist() == [3]
    mine = house.machine.hot.order(int(events["order"][0]))
    assert mine["account"] == 3
    await socket.close()


@in_venue
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"kind": CommandKind.UNCROSS}, Reason.KIND_UNKNOWN),
        ({"kind": CommandKind.ADD_KEY}, Reason.KIND_UNKNOWN),
        ({"kind": 200}, Reason.KIND_UNKNOWN),
        ({"version": 9}, Reason.VERSION_UNKNOWN),
        ({"side": 5}, Reason.SIDE_INVALID),
        ({"ref_form": RefForm.NONE}, Reason.REF_INVALID),
        ({"ref_form": RefForm.TEXT}, Reason.REF_INVALID),
        ({"ref_form": RefForm.DIGEST}, Reason.REF_INVALID),
        ({"instrument": 4_000_000_000}, Reason.INSTRUMENT_UNKNOWN),
        ({"qty": -1}, Reason.QTY_RANGE),
        ({"price": -(2**31)}, Reason.PRICE_RANGE),
    ],
)
@pytest.mark.parametrize("rows", [1, 3])
async def test_a_row_that_means_nothing_is_rejected(house: House, change: dict, reason: Reason, rows: int) -> None:
    socket = await house.socket(TRADER_A, packed=True)
    before, phase = house.content(), house.machine.hot.phase(1)
    house.numbers += 1
    wrong = np.concatenate([new(k, stream=1_000 + house.numbers) for k in range(1, rows + 1)])
    for name, value in change.items():
        wrong[name] = value
    await socket.rows(wrong)
    events, _ = await answered(socket, rows)
    assert events["kind"].tolist() == [EventKind.REJECTED] * rows
    assert events["reason"].tolist() == [reason] * rows
    assert house.machine.hot.phase(1) == phase == Phase.CONTINUOUS
    orders = [part for part in house.content() if "book" in part[0]]
    assert orders == [part for part in before if "book" in part[0]]
    await socket.close()


@in_venue
async def test_random_bytes_are_rejected_row_by_row(house: House) -> None:
    socket, chance = await house.socket(TRADER_A, packed=True), np.random.Generator(np.random.PCG64(5))
    before = [part for part in house.content() if "book" in part[0]]
    for rows in (1, 1, 7, 100, WS_PACKED_ROWS_MAX):
        raw = chance.bytes(64 * rows)
        await socket.say({"op": "rows", "rows": raw})
        events, _ = await answered(socket, rows)
        assert set(events["kind"].tolist()) == {EventKind.REJECTED}
    assert [part for part in house.content() if "book" in part[0]] == before
    await socket.close()


@in_venue
async def test_frames_that_hold_no_rows_get_an_error_frame(house: House) -> None:
    socket = await house.socket(TRADER_A, packed=True)
    for raw in (b"", b"x", bytes(63), bytes(65)):
        await socket.say({"op": "rows", "rows": raw})
        answer = await socket.hear()
        assert (answer["op"], answer["code"]) == ("error", "malformed")
    await socket.say({"op": "rows", "rows": bytes(64 * (WS_PACKED_ROWS_MAX + 1))})
    answer = await socket.hear()
    assert (answer["op"], answer["code"]) == ("error", "too_large")
    assert (answer["rows"], answer["errors"][0]["pointer"]) == (WS_PACKED_ROWS_MAX + 1, "/rows")
    await socket.rows(new(1, stream=11))
    events, _ = await answered(socket, 1)
    assert events["command"].tolist() == [WS_PACKED_ROWS_MAX + 2], "refused rows are counted"
    await socket.close()


@in_venue
async def test_a_full_inbox_says_busy_and_takes_nothing(house: House) -> None:
    socket = await house.socket(TRADER_A, packed=True)
    inbox, before = house.venue.sequencer.inbox, house.machine.seq
    inbox.waiting += 10**6
    await socket.rows(np.concatenate([new(1, stream=12), new(2, stream=12)]))
    answer = await socket.hear()
    inbox.waiting -= 10**6
    assert (answer["code"], answer["rows"], answer["first"]) == ("busy", 2, 0) and answer["retry_after_ms"] > 0
    assert house.machine.seq == before
    await socket.rows(new(1, stream=12))
    events, _ = await answered(socket, 1)
    assert events["kind"].tolist() == [EventKind.ACCEPTED] and events["command"].tolist() == [2]
    await socket.close()


@in_venue
async def test_readers_and_strangers_send_no_rows(house: House) -> None:
    from tests.gateway.running import READER

    for key, code in ((READER, "not_permitted"), (None, "auth_required")):
        socket = await house.socket(key, packed=True)
        await socket.rows(new(1))
        assert (await socket.hear())["code"] == code
        await socket.close()


def test_ordinals_follow_what_was_taken() -> None:
    ordinals = Ordinals()
    ordinals.taken(3)
    ordinals.refused(2)
    ordinals.taken(2)
    ordinals.taken(1)
    for rows, runs in ((2, [0, 2]), (3, [2, 1, 5, 2]), (1, [7, 1])):
        told: list[int] = []
        ordinals.answered(rows, told)
        assert told == runs
    assert not ordinals.runs


def test_only_the_canonical_frame_takes_the_short_way() -> None:
    raw = bytes(range(64))
    assert rows_of_frame(PREFIX + b"\xc4\x40" + raw) == raw
    assert rows_of_frame(PREFIX + b"\xc5\x00\x80" + raw * 2) == raw * 2
    assert rows_of_frame(PREFIX + b"\xc5\x00\x81" + raw * 2) is None
    assert rows_of_frame(PREFIX) is None
    assert rows_of_frame(b"\x81\xa2op\xa4ping") is None


def test_own_rows_show_what_the_audience_table_says() -> None:
    events = np.zeros(len(EventKind), EVENT)
    for name in EVENT.names or ():
        events[name] = 1
    events["kind"], events["counter_account"] = list(EventKind), 2
    for reader in (1, 2):
        for kind, event in zip(EventKind, own_rows(events, reader), strict=True):
            fields = AUDIENCE[kind].account if reader == 1 else AUDIENCE[kind].counter
            visible = fields | {"command", "index"} if fields else set()
            assert {name for name in EVENT.names or () if event[name]} == visible, (reader, kind)


@in_venue
@pytest.mark.parametrize("with_the_handshake", [False, True])
async def test_rows_take_the_short_way_where_frames_can_be_told_apart(house: House, with_the_handshake: bool) -> None:
    """A client that does not wait for the handshake is served the long way: where its frames begin is not known."""
    host, port = house.venue.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    auth = masked(msgspec.msgpack.encode({"op": "auth", "id": 1, "token": TRADER_A}))
    writer.write(
        f"GET /v1/ws HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Protocol: qhatu.msgpack.v1\r\n\r\n".encode()
        + (auth if with_the_handshake else b"")
    )
    assert b"101" in await reader.readuntil(b"\r\n\r\n")
    if not with_the_handshake:
        writer.write(auth)
    assert (await heard(reader))["op"] == "ok"
    session = next(reversed(house.venue.front.sessions.values()))
    assert (session.transport.get_protocol().arrivals is None) is with_the_handshake
    before = house.venue.front.counts.packed_rows
    stream = 2_000 + with_the_handshake
    rows = [new(k, stream=stream).tobytes() for k in (1, 2, 3)]
    writer.write(b"".join(masked(msgspec.msgpack.encode({"op": "rows", "rows": row})) for row in rows))
    done = 0
    while done < 3:
        message = await heard(reader)
        assert message["op"] == "rows", message
        events = np.frombuffer(message["events"], EVENT)
        assert set(events["kind"].tolist()) == {EventKind.ACCEPTED} and events["account"][0] == 2
        done += len(events)
    assert house.venue.front.counts.packed_rows == before + 3
    writer.close()


async def heard(reader: asyncio.StreamReader) -> dict:
    """The next message of the venue."""
    head = await reader.readexactly(2)
    size = head[1] if head[1] < 126 else int.from_bytes(await reader.readexactly(2), "big")
    return msgspec.msgpack.decode(await reader.readexactly(size))
