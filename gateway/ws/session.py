"""One WebSocket connection: who it is, what it reads, what it may still be owed.

Messages are handled as they come, without a task each; whatever is written goes out as whole frames. A reader that does
not read is left out of conflated feeds, later closed (4008). Nothing that happens to one connection reaches another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
from aiohttp import WSMsgType, web

from engine.codes import Role
from engine.limits import (
    ROW_BYTES,
    WS_PUBLIC_FRAME_BYTES_MAX,
    WS_QUEUE_BYTES_MAX,
    WS_QUEUE_MESSAGES_MAX,
    WS_SUBSCRIPTIONS_MAX,
)
from engine.messages.batch import Batch
from engine.messages.sales.commands import Offer
from gateway.auth import Caller, caller_of, demand, still_valid
from gateway.door import Visitor
from gateway.forms import JSON, PACK, Form
from gateway.front import Front, not_ready
from gateway.market_data.channel import Channel, Name
from gateway.market_data.frames import Frame, close_frame, framed
from gateway.order_answers import Entry, own_events
from gateway.order_entry import batch_of
from gateway.problems import Problem, busy, storage_failed, storage_low
from gateway.rates import Buckets
from gateway.sales.offers import sealed_offer, to_be_sealed
from gateway.sequencer import Busy, Outcome, Stopped
from gateway.ws import messages
from gateway.ws.arrivals import Arrivals
from gateway.ws.packed import Ordinals, all_cancels, check_extensions, owned_rows, parties_of, rows_of_frame

CLOSE_AUTH_REQUIRED, CLOSE_FORBIDDEN, CLOSE_SLOW = 4001, 4003, 4008
CLOSE_TOO_BIG, CLOSE_RESTART = 1009, 1012
CLOSE_SECONDS = 1.0  # for a closing frame to be answered, then the socket is dropped
SLICE_SECONDS = 0.002  # of one connection's messages at a stretch, then the others have their turn
KEY_CHECK_SECONDS = 1.0  # how long a revoked key may still be used on a standing connection


class Session:
    """The gateway's side of one socket, after the handshake."""

    def __init__(self, front: Front, socket: web.WebSocketResponse, transport: asyncio.Transport, form: Form) -> None:
        self.front, self.socket, self.transport, self.form = front, socket, transport, form
        self.loop = asyncio.get_running_loop()
        self.caller: Caller | None = None
        self.subscriptions: dict[Name, Channel] = {}
        self.behind: dict[Channel, None] = {}  # conflated channels that owe this reader a snapshot
        self.behind_since = 0.0
        self.in_flight = 0  # requests that wait for their answer
        self._sealing: set[asyncio.Task[None]] = set()
        self.ordinals = Ordinals()
        self.closing = False
        self._turn = -1
        self.parties = b""  # what packed rows are stamped with; empty while they are not allowed
        self._buckets = Buckets(front.settings, self.loop.time())  # replaced by the key's
        self._key_checked = 0.0
        peer = transport.get_extra_info("peername")
        self._address = str(peer[0]) if isinstance(peer, tuple) else ""  # as `request.remote` has it
        self.number = front.admit(self)
        self._listen_closely()
        self._deadline = self.loop.call_later(front.settings.auth_seconds_max, self._idle)

    # Reading

    async def run(self) -> None:
        """Take messages until either side closes. After our own close frame we only wait for the other's."""
        receive, now = self.socket.receive, self.loop.time
        since = now()
        try:
            while True:
                message = await receive()  # does not wait while whole messages are there
                kind = message.type
                if kind is WSMsgType.BINARY:
                    data = message.data
                    if self.parties and self.form is PACK and (rows := rows_of_frame(data)) is not None:
                        self._take_rows(rows)
                        continue
                    self.take(data, text=False)
                elif kind is WSMsgType.TEXT:
                    self.take(message.data, text=True)
                else:  # closed, closing or broken
                    break
                if now() - since > SLICE_SECONDS:
                    await asyncio.sleep(0)
                    since = now()
        except ConnectionError:
            pass  # it went while a ping of its was answered
        finally:
            self._deadline.cancel()
            self._listen_closely(False)
            for channel in self.subscriptions.values():
                channel.end(self)
            self.front.dismiss(self)

    def take(self, data: Any, *, text: bool) -> None:
        """One whole message. A bad one gets an error frame; nothing raises out of here."""
        if self.closing:
            return
        try:
            if self.caller is None and len(data) > WS_PUBLIC_FRAME_BYTES_MAX:
                self.close(CLOSE_TOO_BIG, "too_large")
                return
            self.front.counts.messages += 1
            if text is not self.form.text:
                raise Problem("malformed", "This protocol has " + ("text" if self.form.text else "binary") + " frames.")
            self._dispatch(messages.decode(data, text=text))
        except Problem as problem:
            self.refuse(problem)
        except Exception:
            self.front.fault("session")
            self.refuse(Problem("internal", "The venue made a mistake; it is logged."))

    def _dispatch(self, message: Any) -> None:
        try:
            if type(message) not in _ENTRY:
                self._take_query()
            _HANDLERS[type(message)](self, message)
        except Problem as problem:
            problem.extra.setdefault("id", message.id)
            raise

    # Writing

    def send(self, frame: bytes) -> None:
        """Write one frame, unless the reader has let too much pile up: then it is closed."""
        if self.closing:
            return
        turn = self.front.turn
        if turn != self._turn:
            self._turn = turn
            if self._backlog() > WS_QUEUE_BYTES_MAX:
                self.close(CLOSE_SLOW, "slow_consumer")
                return
        self._write(frame)

    def say(self, view: dict[str, Any]) -> None:
        self.send(framed(self.form.encode(view), text=self.form.text))

    def refuse(self, problem: Problem, op: str = "error") -> None:
        self.front.metrics.problems.labels(problem.code).inc()
        body = problem.body()
        body.pop("id", None)
        self.say({"op": op, "id": problem.extra.get("id")} | body)

    def feed(self, channel: Channel, frame: Frame) -> None:
        """A message of a channel."""
        if self.closing:
            return
        if channel.conflated and (self.behind or self._backlog() > self.front.settings.conflate_bytes):
            if not self.behind:
                self.behind_since = self.loop.time()
                self.front.behind.add(self)
            self.behind[channel] = None
            return
        self.send(frame.of(self.form))

    def catch_up(self) -> None:
        """Give the snapshots that are owed once the backlog is gone; close a reader that stays behind."""
        if not self.closing and self._backlog() > self.front.settings.conflate_bytes // 4:
            if self.loop.time() - self.behind_since > self.front.settings.slow_consumer_seconds:
                self.close(CLOSE_SLOW, "slow_consumer")
            return
        self.front.behind.discard(self)
        owed, self.behind = list(self.behind), {}
        for channel in owed:
            if self in channel.readers:
                channel.begin(self)

    def close(self, code: int, why: str) -> None:
        """Say why and hang up, without waiting for a reader that may never read."""
        if self.closing:
            return
        if code == CLOSE_SLOW:
            self.front.metrics.slow_consumers.inc()
        self._write(close_frame(code, why))
        self.closing = True
        self.front.behind.discard(self)
        for channel in self.subscriptions.values():
            channel.end(self)
        self.loop.call_later(CLOSE_SECONDS, self._hang_up)

    def _hang_up(self) -> None:
        """The other side has had its time to answer; what it has not read by now it never will."""
        if self._backlog():
            self.transport.abort()
        elif not self.transport.is_closing():
            self.transport.close()

    def _write(self, frame: bytes) -> None:
        try:
            if not self.transport.is_closing():
                self.transport.write(frame)
        except Exception:  # uvloop raises on a transport that closed meanwhile
            self.closing = True

    def _backlog(self) -> int:
        try:
            return self.transport.get_write_buffer_size()
        except Exception:
            return 0

    def _idle(self) -> None:
        """Neither a key nor a subscription after the time for it."""
        if self.caller is None and not self.subscriptions:
            self.close(CLOSE_AUTH_REQUIRED, "auth_required")

    # Who

    def _demand(self, role: Role) -> Caller:
        caller = self._valid_caller()
        if caller is None:
            raise Problem("auth_required", "Send auth first.")
        return demand(caller, role)

    def _valid_caller(self) -> Caller | None:
        """The caller, whose key is looked up again now and then: revocation reaches standing connections."""
        caller, now = self.caller, self.loop.time()
        if caller is not None and now - self._key_checked > KEY_CHECK_SECONDS:
            self._key_checked = now
            if not still_valid(caller, self.front.machine.venue.keys, self.front.env.now_ns()):
                self.close(CLOSE_AUTH_REQUIRED, "unknown_key")
                raise Problem("unknown_key", "The key was revoked or has expired.")
        return caller

    def check_key(self) -> None:
        """Close the connection when its key has gone; readers of private feeds send nothing by which to notice."""
        try:
            self._valid_caller()
        except Problem:
            return

    def _auth(self, message: messages.Auth) -> None:
        caller = caller_of(message.token, self.front.machine.venue.keys, self.front.env.now_ns())
        if self.caller is not None:
            raise Problem("not_permitted", "This connection has a key already.")
        self.front.admit_key(caller)
        self.caller, self._key_checked = caller, self.loop.time()
        if caller.may(Role.TRADE):
            self.parties = parties_of(caller.account, self.number)
        self._buckets = self.front.limiter.of(caller.key_hash)
        self.say({"op": "ok", "id": message.id, "account": caller.account, "roles": caller.role_names})

    def _ping(self, message: messages.Ping) -> None:
        self.say({"op": "pong", "id": message.id, "ts_gateway": self.form.time(self.front.env.now_ns())})

    # Feeds

    def _channel(self, message: Any) -> Channel:
        caller = self._valid_caller()
        account = caller.account if caller is not None and caller.may(Role.READ) else None
        return self.front.hub.channel(message.channel, message.instrument, account, message.depth, message.sale)

    def _subscribe(self, message: messages.Subscribe) -> None:
        channel = self._channel(message)
        if channel.name not in self.subscriptions and len(self.subscriptions) >= WS_SUBSCRIPTIONS_MAX:
            raise Problem("too_many_subscriptions", f"A connection has at most {WS_SUBSCRIPTIONS_MAX} subscriptions.")
        self.subscriptions[channel.name] = channel
        self.say(
            {"op": "ok", "id": message.id, "channel": message.channel, "instrument": channel.label}
            | ({"depth": channel.name.depth} if channel.name.depth else {})
            | ({} if message.sale is None else {"sale": message.sale})
        )
        channel.begin(self)

    def _unsubscribe(self, message: messages.Unsubscribe) -> None:
        name = self._channel(message).name
        channel = self.subscriptions.pop(name, None)
        if channel is not None:
            channel.end(self)
        self.say({"op": "ok", "id": message.id, "channel": message.channel, "instrument": message.instrument or ""})

    def _resync(self, message: messages.Resync) -> None:
        channel = self._channel(message)
        if channel.name not in self.subscriptions:
            raise Problem("channel_unknown", "Subscribe first.", pointer="/channel")
        self.say({"op": "ok", "id": message.id, "channel": message.channel, "instrument": channel.label})
        channel.resync(self, message.from_seq)

    # Orders

    def _take_tokens(self, kind: str, n: int) -> None:
        assert self.caller is not None
        self.front.limiter.take(self.caller.key_hash, kind, n)

    def _take_query(self) -> None:
        """One question, as over REST: of the key, or of the address while there is none."""
        self.front.limiter.take(self._address if self.caller is None else self.caller.key_hash, "queries")

    def _order(self, message: messages.Order) -> None:
        caller = self._demand(Role.TRADE)
        self._take_tokens("orders", 1)
        self._submit(message.id, "order", self.front.desk.new(caller.account, message))

    def _replace(self, message: messages.Replace) -> None:
        caller = self._demand(Role.TRADE)
        self._take_tokens("orders", 1)
        order = self._target(caller.account, message)
        self._submit(message.id, "replace", self.front.desk.replace(caller.account, order, message))

    def _amend(self, message: messages.Amend) -> None:
        caller = self._demand(Role.TRADE)
        self._take_tokens("orders", 1)
        order = self._target(caller.account, message)
        self._submit(message.id, "amend", self.front.desk.amend(caller.account, order, message))

    def _target(self, account: int, message: messages.Amend | messages.Replace) -> int:
        """The venue's id of the order that a message is about."""
        if message.order_id is not None:
            return int(message.order_id)
        if message.target_client_order_id is None:
            detail = "Name the order by order_id or target_client_order_id."
            raise Problem("missing_field", detail, pointer="/order_id")
        return self.front.desk.named(account, message.target_client_order_id, "/target_client_order_id")

    def _cancel(self, message: messages.Cancel) -> None:
        caller, desk = self._demand(Role.TRADE), self.front.desk
        self._take_tokens("cancels", 1)
        if message.order_id is not None:
            entry = desk.cancel(caller.account, int(message.order_id))
        elif message.client_order_id is not None:
            entry = desk.cancel_by_text(caller.account, message.client_order_id, message.instrument)
        else:
            raise Problem("missing_field", "Name the order by order_id or client_order_id.", pointer="/order_id")
        self._submit(message.id, "cancel", entry)

    def _orders(self, message: messages.OrdersMessage) -> None:
        caller, desk = self._demand(Role.TRADE), self.front.desk
        self._take_tokens("orders", len(message.orders))
        entries = []
        for k, request in enumerate(message.orders):
            try:
                entries.append(desk.new(caller.account, request))
            except Problem as problem:
                raise problem.under(f"/orders/{k}") from None

        def reply(outcome: Outcome) -> None:
            self.in_flight -= 1
            if outcome.status != "applied":
                self._refuse_as(storage_failed(), message.id)
                return
            results = [self._result(entry, k, outcome) for k, entry in enumerate(entries)]
            self.say({"op": "orders", "id": message.id, "results": results})

        self._send_batch(entries, reply)

    def _submit(self, request_id: Any, op: str, entry: Entry) -> None:
        def reply(outcome: Outcome) -> None:
            self.in_flight -= 1
            try:
                if outcome.status != "applied":
                    raise storage_failed()
                events, seq = own_events(outcome.events), outcome.first_seq + outcome.row0
                view = self.front.desk.answer(self.form, entry, events, seq, outcome.ts_ns)
                self.say({"op": op, "id": request_id} | view)
            except Problem as problem:
                self._refuse_as(problem, request_id)

        self._send_batch([entry], reply)

    def _send_batch(self, entries: list[Entry], reply: Any) -> None:
        self._room_in_flight()
        self.front.submit(batch_of(entries), reply)
        self.in_flight += 1

    def _room_in_flight(self) -> None:
        if self.in_flight >= WS_QUEUE_MESSAGES_MAX:
            raise Problem("too_many_in_flight", f"At most {WS_QUEUE_MESSAGES_MAX} requests may wait for an answer.")

    def _result(self, entry: Entry, k: int, outcome: Outcome) -> dict[str, Any]:
        events, row = own_events(outcome.events), outcome.row0 + k
        own = events[events["command"] == row]
        try:
            return self.front.desk.answer(self.form, entry, own, outcome.first_seq + row, outcome.ts_ns)
        except Problem as problem:
            return problem.body() | {"status": "rejected", "client_order_id": entry.client_order_id}

    def _refuse_as(self, problem: Problem, request_id: Any) -> None:
        problem.extra["id"] = request_id
        self.refuse(problem)

    def _cancel_all(self, message: messages.MassCancel) -> None:
        caller, desk = self._demand(Role.TRADE), self.front.desk
        self._take_tokens("cancels", 1)
        batch = desk.mass_cancel(caller.account, message)
        self._submit_cold(message.id, "cancel_all", batch, lambda *told: desk.mass_cancel_answer(self.form, *told))

    def _cancel_after(self, message: messages.CancelAfter) -> None:
        caller, desk = self._demand(Role.TRADE), self.front.desk
        self._take_tokens("cancels", 1)
        batch = desk.cancel_after(caller.account, message.timeout_seconds)
        self._submit_cold(message.id, "cancel_after", batch, lambda *told: desk.cancel_after_answer(self.form, *told))

    def _bid(self, message: messages.BidMessage) -> None:
        caller = self._demand(Role.TRADE)
        self._take_tokens("orders", 1)
        if not to_be_sealed(message):
            self._submit_bid(message, caller)
            return
        self._room_in_flight()
        self.in_flight += 1
        task = self.loop.create_task(self._sealed_bid(message, caller))
        self._sealing.add(task)
        task.add_done_callback(self._sealing.discard)

    async def _sealed_bid(self, message: messages.BidMessage, caller: Caller) -> None:
        """A bid that the gateway seals first: its key is durable before the bid is submitted."""
        try:
            try:
                sale = self.front.desk.sale(message.sale)
                sealed = await sealed_offer(self.front.vault, caller.account, sale, message)
            finally:
                self.in_flight -= 1
            self._submit_bid(message, caller, sealed)
        except Problem as problem:
            self._refuse_as(problem, message.id)
        except Exception:
            self.front.fault("session")
            self._refuse_as(Problem("internal", "The venue made a mistake; it is logged."), message.id)

    def _submit_bid(self, message: messages.BidMessage, caller: Caller, sealed: Offer | None = None) -> None:
        desk = self.front.desk
        batch, lot = desk.bid(caller.account, message.sale, message, sealed)
        about = self.form, caller.account, message.sale, lot, message.maximum
        self._submit_cold(message.id, "bid", batch, lambda *told: desk.bid_answer(*about, *told))

    def _submit_cold(
        self, request_id: Any, op: str, batch: Batch, answer: Callable[[np.ndarray, int], dict[str, Any]]
    ) -> None:
        """One cold command; `answer` reads its own events and its sequence."""

        def reply(outcome: Outcome) -> None:
            self.in_flight -= 1
            try:
                if outcome.status != "applied":
                    raise storage_failed()
                view = answer(own_events(outcome.events), outcome.first_seq + outcome.row0)
                self.say({"op": op, "id": request_id} | view | {"ts_engine": self.form.time(outcome.ts_ns)})
            except Problem as problem:
                self._refuse_as(problem, request_id)

        self._room_in_flight()
        self.front.submit(batch, reply)
        self.in_flight += 1

    # Packed rows

    def _rows_message(self, message: messages.Rows) -> None:
        self._rows(message.rows, message.extensions)

    def _take_rows(self, raw: bytes) -> None:
        """As `take`, for a frame that is known to hold rows."""
        if self.closing:
            return
        try:
            self._rows(raw)
        except Problem as problem:
            self.refuse(problem)

    def _listen_closely(self, yes: bool = True) -> None:
        """Let packed rows take the short way, where the connection's protocol has one."""
        visitor = self.transport.get_protocol()
        if isinstance(visitor, Visitor) and visitor.at_frame and self.form is PACK:
            visitor.arrivals = Arrivals(self, visitor.to_aiohttp, self._all_handled) if yes else None

    def rows_arrived(self, rows: memoryview, count: int) -> bool:
        """Take rows that bear this connection's parties, all or none. What stands against it the long way says."""
        front, orders = self.front, self._buckets.orders
        if self.closing or not front.ready or front.storage.low or not orders.take(self.loop.time(), count):
            return False
        try:
            front.submit_rows(rows)
        except Busy:
            orders.tokens += count
            return False
        self.ordinals.taken(count)
        front.counts.packed_rows += count
        return True

    def _all_handled(self) -> bool:
        """Whether every message that aiohttp was given has been handled."""
        queue: Any = self.socket._reader
        return not queue._buffer and queue.exception() is None and not queue.is_eof()

    def _rows(self, raw: bytes, extensions: bytes = b"") -> None:
        count, ordinals, front = len(raw) // ROW_BYTES, self.ordinals, self.front
        first = ordinals.sent
        try:
            if not self.parties:  # set once, with a key that may trade; a key that goes takes the connection with it
                self._demand(Role.TRADE)
            if not self._buckets.orders.take(self.loop.time(), count):
                raise Problem("rate_limited", "Too many orders.", retry_after_ms=100)
            owned = owned_rows(raw, self.parties)
            if extensions:
                check_extensions(owned, extensions)
            if not front.ready:
                raise not_ready()
            if front.storage.low and not all_cancels(raw):
                raise storage_low()
            try:
                front.submit_rows(owned, extensions)
            except Stopped:
                raise not_ready() from None
            except Busy:
                raise busy() from None
            ordinals.taken(count)
            front.counts.packed_rows += count
        except Problem as problem:
            ordinals.refused(count)
            problem.extra |= {"rows": count, "first": first}
            raise

    def rows_unknown(self) -> None:
        """Nothing more will be told of the rows that were taken: each run of them is answered `storage_failed`."""
        for first, count in self.ordinals.runs:
            self.refuse(storage_failed(rows=count, first=first))
        self.ordinals.runs.clear()


_HANDLERS: dict[type, Any] = {
    messages.Auth: Session._auth,
    messages.Ping: Session._ping,
    messages.Subscribe: Session._subscribe,
    messages.Unsubscribe: Session._unsubscribe,
    messages.Resync: Session._resync,
    messages.Order: Session._order,
    messages.OrderPacked: Session._order,
    messages.OrdersMessage: Session._orders,
    messages.OrdersPacked: Session._orders,
    messages.Cancel: Session._cancel,
    messages.CancelPacked: Session._cancel,
    messages.Replace: Session._replace,
    messages.ReplacePacked: Session._replace,
    messages.Amend: Session._amend,
    messages.AmendPacked: Session._amend,
    messages.MassCancel: Session._cancel_all,
    messages.CancelAfter: Session._cancel_after,
    messages.BidMessage: Session._bid,
    messages.Rows: Session._rows_message,
}
_ENTRY = {  # messages that take tokens of their own
    messages.Order,
    messages.OrderPacked,
    messages.OrdersMessage,
    messages.OrdersPacked,
    messages.Cancel,
    messages.CancelPacked,
    messages.Replace,
    messages.ReplacePacked,
    messages.Amend,
    messages.AmendPacked,
    messages.MassCancel,
    messages.CancelAfter,
    messages.BidMessage,
    messages.Rows,
}
FORM_OF_PROTOCOL: dict[str | None, Form] = {None: JSON, "qhatu.json.v1": JSON, "qhatu.msgpack.v1": PACK}
