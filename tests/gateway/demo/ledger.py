"""What the co-ops of a season sold of each part of each lot, read from the log alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from engine.codes import CommandKind, EventKind, RefForm
from engine.log.record import Record
from engine.machine import Machine
from engine.messages.refs import exact_text
from engine.oracle.books import Books

Part = tuple[int, str, int]  # account, symbol, number of the offer


class Ledger:
    """`sold` by part and `names` by account, after applying every record to a machine on the oracle's books."""

    def __init__(self, records: Iterable[Record], coops: Iterable[int]) -> None:
        self.machine = Machine(Books())
        self.sold: Counter[Part] = Counter()
        self.names: list[tuple[int, str]] = []  # account and client id of every order that was accepted
        part_of: dict[int, Part] = {}
        sellers = set(coops)
        for record in records:
            texts = client_ids(record)
            for event in self.machine.apply(record):
                order, account = int(event["order"]), int(event["account"])
                if event["kind"] == EventKind.ACCEPTED:
                    text = texts[int(event["command"])]
                    self.names.append((account, text))
                    if account in sellers:
                        symbol = self.machine.venue.instruments[int(event["instrument"])].symbol
                        part_of[order] = (account, symbol, int(text.split("r")[0].rsplit("-", 1)[1]))
                elif event["kind"] == EventKind.FILL:
                    for number in (order, int(event["counter_order"])):
                        if number in part_of:
                            self.sold[part_of[number]] += int(event["qty"])

    def oversold(self, offers: Mapping[int, Mapping[str, tuple]]) -> list[Part]:
        """Parts of which more was sold than there is. An offer's number counts on from season to season."""
        found = []
        for (account, symbol, number), bags in self.sold.items():
            made = offers[account][symbol]
            if bags > made[number % len(made)].bags:
                found.append((account, symbol, number))
        return found


def client_ids(record: Record) -> dict[int, str]:
    """Row -> client id of the record's new orders."""
    found, at = {}, 0
    for row, command in enumerate(record.batch.rows):
        length = int(command["body_length"])
        if command["kind"] == CommandKind.NEW:
            exact = command["ref_form"] == RefForm.TEXT
            text = record.batch.blob[at : at + length].decode()
            found[row] = exact_text(int(command["ref_hi"]), int(command["ref_lo"])) if exact else text
        at += length
    return found
