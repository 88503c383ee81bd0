"""Packed answers of one record, compiled: which connections have rows in it, and one frame for each.

    rows -> `senders_of` -> connections and their row counts -> (Python: who still listens, and at which ordinals)
    events -> `write_frames` -> whole WebSocket frames, one after another in one buffer

A record of a busy venue answers many connections a few rows each: what NumPy would do in two dozen steps, each of a
microsecond, is two passes here.
"""

from __future__ import annotations

import numpy as np

from engine.codes import EventFlag
from engine.kernels.compiled import kernel, step
from engine.limits import RECORD_COMMANDS_MAX
from engine.messages.rows import EVENT

# One connection with rows in the record.
SENDER = np.dtype(
    [
        ("number", "<i8"),  # of the connection
        ("account", "<i8"),  # that it trades for
        ("rows", "<i8"),
        ("place", "<i8"),  # in the hash table
        ("run", "<i8"),  # of ordinals in hand
        ("used", "<i8"),  # of that run
        ("first", "<i8"),  # ordinal of its first row, NOBODY when it is not answered
        ("events", "<i8"),
        ("seq_at", "<i8"),  # where its next sequence goes in the buffer
        ("event_at", "<i8"),
    ]
)
NOBODY = -1  # as the first ordinal of a run: the connection is gone
TABLE_PLACES = 1 << (2 * RECORD_COMMANDS_MAX - 1).bit_length()
TABLE_SHIFT = 64 - (TABLE_PLACES.bit_length() - 1)
HASH_FACTOR = 0x9E3779B97F4A7C15
FRAME_OVERHEAD_MAX = 64  # bytes of a frame beside its sequences and events: heads, names, the first ordinal
EVENT_WORDS = 8
ACCOUNTS_WORD = 3  # account in its low half, counter account in its high one
LOW_WORD = np.uint64(0xFFFFFFFF)
FLAGS_AT = EVENT.fields["flags"][1]  # type: ignore[index]
LAST = int(EventFlag.LAST)
BY_TIMER = int(EventFlag.BY_TIMER) << 8 * FLAGS_AT  # in an event's first word

# {"op":"rows","first": | "seq": | "events":
OPENING = np.frombuffer(b"\x84\xa2op\xa4rows\xa5first", np.uint8)
SEQ = np.frombuffer(b"\xa3seq", np.uint8)
EVENTS = np.frombuffer(b"\xa6events", np.uint8)

assert [EVENT.fields[name][1] for name in ("account", "counter_account")] == [8 * ACCOUNTS_WORD, 8 * ACCOUNTS_WORD + 4]  # type: ignore[index]


class Scratch:
    """Arrays that both kernels work on, of one record after another."""

    def __init__(self) -> None:
        self.table = np.zeros(TABLE_PLACES, np.int32)
        self.sender_of = np.zeros(RECORD_COMMANDS_MAX, np.int32)
        self.ordinals = np.zeros(RECORD_COMMANDS_MAX, np.int64)
        self.senders = np.zeros(RECORD_COMMANDS_MAX, SENDER)
        self.numbers, self.rows, self.ends = (self.senders[name] for name in ("number", "rows", "event_at"))


@kernel
def senders_of(rows, table, sender_of, senders):
    """Connections with rows in a record, in the order of their first rows; 0 (no packed row) is none.

    rows       in   COMMAND[n]
    table           int32[TABLE_PLACES], zero before and after
    sender_of  out  int32[n], place in `senders` of each row's connection, NOBODY for 0
    senders    out  SENDER[k]: number, account, rows
    returns         int64 k
    """
    count = 0
    for row in range(len(rows)):
        number = np.int64(rows[row].connection)
        if number == 0:
            sender_of[row] = NOBODY
            continue
        at = np.int64((np.uint64(number) * np.uint64(HASH_FACTOR)) >> np.uint64(TABLE_SHIFT))
        while table[at] != 0 and senders[table[at] - 1].number != number:
            at = (at + 1) & (TABLE_PLACES - 1)
        if table[at] == 0:
            senders[count].number, senders[count].rows, senders[count].place = number, 0, at
            senders[count].account = rows[row].account
            count += 1
            table[at] = count
        sender = table[at] - 1
        senders[sender].rows += 1
        sender_of[row] = sender
    for sender in range(count):
        table[senders[sender].place] = 0
    return np.int64(count)


@kernel
def write_frames(first_seq, sender_of, count, senders, runs, ordinals, words, masks, counter_masks, out):
    """One frame for each connection that is answered, in the order of `senders`; its length goes to `event_at`.

    first_seq  in       int64, of the record
    sender_of  in       int32[n], as `senders_of` left it; `count` senders
    senders    in, out  SENDER[k]
    runs       in       int64[2r]: (first ordinal or NOBODY, rows) of runs, sender after sender
    ordinals            int64[n], of each row
    words      in       uint64[8m], the record's EVENT rows
    masks      in       uint64[256, 8], what the account of an event may see of each kind of event
    counter_masks       uint64[256, 8], what its counter account may see
    out        out      uint8[8n + 64m + FRAME_OVERHEAD_MAX * k] at least
    returns             int64, bytes written

    Left out: events that a timer caused, which come before the first command's own and stand under its sequence, and
    those in which the account that sent the command has no part. LAST is set on the last of a row that is not left out.
    """
    run = 0
    for sender in range(count):
        s = senders[sender]
        s.run, s.used, s.events, s.first = run, 0, 0, runs[2 * run]
        left = s.rows
        while left > 0:
            left -= runs[2 * run + 1]
            run += 1
    for row in range(len(sender_of)):
        if sender_of[row] != NOBODY:
            s = senders[sender_of[row]]
            ordinals[row] = runs[2 * s.run] + s.used
            s.used += 1
            if s.used == runs[2 * s.run + 1]:
                s.run, s.used = s.run + 1, 0
    for at in range(0, len(words), EVENT_WORDS):
        sender = sender_of[np.int64(words[at + 1] & LOW_WORD)]
        if sender != NOBODY and words[at] & np.uint64(BY_TIMER) == 0:
            is_account, is_counter = _parts(words, at, senders[sender].account)
            if is_account or is_counter:
                senders[sender].events += 1
    end = 0
    for sender in range(count):
        if senders[sender].first != NOBODY:
            end = _open_frame(senders[sender], out, end)
    for row in range(len(sender_of)):
        if sender_of[row] != NOBODY and senders[sender_of[row]].first != NOBODY:
            s = senders[sender_of[row]]
            _put_word(out, s.seq_at, np.uint64(first_seq + row))
            s.seq_at += 8
    last_command, last_at = np.int64(NOBODY), np.int64(0)  # of the event written last
    for at in range(0, len(words), EVENT_WORDS):
        command = np.int64(words[at + 1] & LOW_WORD)
        sender = sender_of[command]
        if sender == NOBODY or words[at] & np.uint64(BY_TIMER) != 0 or senders[sender].first == NOBODY:
            continue
        s = senders[sender]
        is_account, is_counter = _parts(words, at, s.account)
        if not (is_account or is_counter):
            continue
        kind = np.int64(words[at] & np.uint64(0xFF))
        for k in range(EVENT_WORDS):
            mask = masks[kind, k] if is_account else np.uint64(0)
            if is_counter:
                mask |= counter_masks[kind, k]
            word = words[at + k] & mask
            if k == 1:  # index, command
                word = (word & np.uint64(0xFFFFFFFF00000000)) | np.uint64(ordinals[command] & 0xFFFFFFFF)
            _put_word(out, s.event_at + 8 * k, word)
        if last_command != NOBODY and last_command != command:
            out[last_at + FLAGS_AT] |= LAST
        last_command, last_at = command, np.int64(s.event_at)
        s.event_at += 8 * EVENT_WORDS
    if last_command != NOBODY:
        out[last_at + FLAGS_AT] |= LAST
    return np.int64(end)


@step
def _parts(words, at, account):
    """Whether an account is the account, and the counter account, of an event."""
    both = words[at + ACCOUNTS_WORD]
    return np.int64(both & LOW_WORD) == account, np.int64(both >> np.uint64(32)) == account


@step
def _open_frame(s, out, at):
    """Write everything of a frame but its sequences and events, whose places are left in `s`. Returns its end."""
    seq_bytes, event_bytes = 8 * s.rows, 8 * EVENT_WORDS * s.events
    payload = len(OPENING) + _uint_bytes(s.first) + len(SEQ) + _bin_head_bytes(seq_bytes) + seq_bytes
    payload += len(EVENTS) + _bin_head_bytes(event_bytes) + event_bytes
    out[at] = 0x82  # a whole binary message
    if payload < 126:
        out[at + 1] = payload
        at += 2
    elif payload < 65_536:
        out[at + 1] = 126
        at = _put_uint(out, at + 2, payload, 2)
    else:
        out[at + 1] = 127
        at = _put_uint(out, at + 2, payload, 8)
    at = _put_text(out, at, OPENING)
    size = _uint_bytes(s.first)
    if size > 1:
        out[at] = 0xCC if size == 2 else 0xCD if size == 3 else 0xCE
        at = _put_uint(out, at + 1, s.first, size - 1)
    else:
        at = _put_uint(out, at, s.first, 1)
    at = _put_bin_head(out, _put_text(out, at, SEQ), seq_bytes)
    s.seq_at = at
    at = _put_bin_head(out, _put_text(out, at + seq_bytes, EVENTS), event_bytes)
    s.event_at = at
    return at + event_bytes


@step
def _uint_bytes(value):
    """Of a msgpack integer of at most 32 bits."""
    return 1 if value < 128 else 2 if value < 256 else 3 if value < 65_536 else 5


@step
def _bin_head_bytes(length):
    return 2 if length < 256 else 3 if length < 65_536 else 5


@step
def _put_bin_head(out, at, length):
    size = _bin_head_bytes(length) - 1
    out[at] = 0xC4 if size == 1 else 0xC5 if size == 2 else 0xC6
    return _put_uint(out, at + 1, length, size)


@step
def _put_uint(out, at, value, size):
    """Big-endian in `size` bytes. Returns the place after it."""
    for k in range(size):
        out[at + k] = (value >> (8 * (size - 1 - k))) & 0xFF
    return at + size


@step
def _put_text(out, at, text):
    for k in range(len(text)):
        out[at + k] = text[k]
    return at + len(text)


@step
def _put_word(out, at, word):
    """Eight bytes, little-endian."""
    for k in range(8):
        out[at + k] = np.uint8((word >> np.uint64(8 * k)) & np.uint64(0xFF))
