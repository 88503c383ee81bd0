"""The page of orders over the wire names every field, request and event that there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine.limits import WS_PACKED_ROWS_MAX
from engine.messages.rows import COMMAND, EVENT, EXTENSION
from gateway.rest.openapi import document
from gateway.rest.routes import ROUTES
from gateway.rest.schemas import OrderRequest, ReplaceRequest
from gateway.ws import messages

PAGE = Path("docs/API.md").read_text("utf-8")
WORDS = set(re.findall(r"`([a-z_]+)`", PAGE))


@pytest.mark.parametrize("request_type", [OrderRequest, ReplaceRequest, messages.OneOrderPacked, messages.ReplaceBody])
def test_every_field_of_an_order_is_there_and_the_same_in_both_forms(request_type: type) -> None:
    assert set(request_type.__struct_fields__) <= WORDS
    assert set(messages.OneOrderPacked.__struct_fields__) == set(OrderRequest.__struct_fields__)


def test_every_message_about_orders_is_there() -> None:
    names = ("Order", "Amend", "Replace", "Cancel", "MassCancel", "CancelAfter")
    ops = {getattr(messages, name).__struct_config__.tag for name in names}
    assert ops <= WORDS and f"{WS_PACKED_ROWS_MAX:,}" in PAGE


def test_the_document_gives_every_field_of_a_row_its_place() -> None:
    import gateway.app  # noqa: F401  declares all routes

    rows = document(ROUTES.table)["x-rows"]
    for name, dtype in (("COMMAND", COMMAND), ("EXTENSION", EXTENSION), ("EVENT", EVENT)):
        assert {field: place["offset"] for field, place in rows[name].items()} == {
            field: dtype.fields[field][1] for field in dtype.names
        }
