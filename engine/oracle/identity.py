"""Stream numbers and text ids: what makes a repeated command harmless."""

from __future__ import annotations

from collections import Counter

from engine.codes import CommandKind, EventKind, Reason, RefForm
from engine.limits import CLIENT_ID_MEMORY_NS
from engine.messages.refs import is_digest_of, is_exact_text
from engine.oracle.orders import ClientId
from engine.oracle.rows import Extension, Row
from engine.oracle.venue import Venue

TEXT_FORMS = (RefForm.TEXT, RefForm.DIGEST)


def ref_is_well_formed(row: Row, body: bytes) -> bool:
    if row.body_length != len(body) or (body and row.ref_form != RefForm.DIGEST):
        return False
    match row.ref_form:
        case RefForm.NONE:
            return row.ref_hi == 0 and row.ref_lo == 0
        case RefForm.STREAM:
            return row.ref_hi < 2**32 and row.ref_lo < 2**63
        case RefForm.TEXT:
            return is_exact_text(row.ref_hi, row.ref_lo)
        case RefForm.DIGEST:
            if row.kind == CommandKind.CANCEL and not body:
                return True
            return is_digest_of(body, row.ref_hi, row.ref_lo)
    return False


def body_hash(row: Row, extension: Extension) -> int:
    """64 bits over what the command says: connection, account, reference and version left out."""
    terms = row.kind | row.side << 8 | row.type << 16 | row.tif << 24 | row.flags << 32 | row.stp << 40
    words = [terms, row.instrument | (row.price % 2**32) << 32, row.qty, row.order, *extension.target]
    if row.extension:
        words += (extension.display_qty, extension.min_qty, extension.stop_price % 2**32, extension.expire_at,
                  extension.valid_until)  # fmt: skip
    value = 0xCBF29CE484222325
    for word in words:
        value = (value ^ word % 2**64) * 0x9E3779B97F4A7C15 % 2**64
        value ^= value >> 32
    return value


class Identity(Venue):
    def _identify(self, row: Row, extension: Extension) -> tuple[bool, ClientId | None]:
        """Whether the command is new, with the entry that remembers its text id; otherwise it has been answered."""
        if row.ref_form == RefForm.STREAM:
            return self._take_number(row), None
        if row.ref_form in TEXT_FORMS and row.kind != CommandKind.CANCEL:
            remembered = self._take_text(row, body_hash(row, extension))
            return remembered is not None, remembered
        return True, None

    def _take_number(self, row: Row) -> bool:
        stream = row.account, row.ref_hi
        last = self.streams.get(stream, 0)
        if row.ref_lo <= last:
            self._reject(row, Reason.STALE_REF, counter_order=last)
            return False
        if stream not in self.streams:
            if self.streams_of[row.account] >= self.space.streams_share:
                self._reject(row, Reason.STREAMS_SHARE_FULL)
                return False
            if len(self.streams) == self.space.streams:
                self._reject(row, Reason.STREAMS_FULL)
                return False
            self.streams_of[row.account] += 1
        self.streams[stream] = row.ref_lo
        return True

    def _take_text(self, row: Row, said: int) -> ClientId | None:
        key = row.account, row.ref_form, row.ref_hi, row.ref_lo
        first = self.client_ids.get(key)
        if first is not None:
            if first.body_hash != said:
                self._reject(row, Reason.CLIENT_ID_REUSED)
            else:
                self._events.emit(EventKind.DUPLICATE, reason=first.reason, instrument=row.instrument,
                                  account=row.account, order=first.order, counter_order=first.seq)  # fmt: skip
            return None
        if self.client_ids_of[row.account] >= self.space.client_ids_share:
            self._reject(row, Reason.CLIENT_IDS_SHARE_FULL)
            return None
        if len(self.client_ids) == self.space.client_ids:
            self._reject(row, Reason.CLIENT_IDS_FULL)
            return None
        self.client_ids_of[row.account] += 1
        remembered = self.client_ids[key] = ClientId(said, self._seq)
        return remembered

    def order_of_text(self, account: int, form: int, hi: int, lo: int) -> int | None:
        known = self.client_ids.get((account, form, hi, lo))
        return known.order if known and known.order in self.orders else None

    def sweep_client_ids(self, now_ns: int) -> None:
        self.client_ids = {
            key: known
            for key, known in self.client_ids.items()
            if known.closed_ns < 0 or known.closed_ns > now_ns - CLIENT_ID_MEMORY_NS
        }
        self.client_ids_of = Counter(account for account, *_ in self.client_ids)

    def _reject(self, row: Row, reason: int, counter_order: int = 0) -> None:
        raise NotImplementedError
