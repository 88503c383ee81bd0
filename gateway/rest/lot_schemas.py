"""Requests and answers about the catalogue. A lot itself is the struct of `engine/domain/auction_lots.py`."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from engine import limits
from engine.domain.auction_lots import AuctionLot
from gateway.rest.schemas import PageQuery, Query, Request

SellerId = Annotated[int, Meta(ge=0, le=limits.ACCOUNTS_MAX)]


class LotsQuery(PageQuery):
    seller: SellerId = 0  # 0: any
    product: Annotated[str, Meta(max_length=32)] = ""


class DescribeRequest(Request):
    lot: AuctionLot
    version: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 0  # the one that this is to be; 0: the next
    seller: SellerId = 0  # an operator names it; 0: the caller


class ImportQuery(Query):
    preview: bool = False  # nothing is taken, whatever `take` says
    take: Literal["none", "file", "rows"] = "none"  # file: all rows, if none has an error; rows: those without
    seller: SellerId = 0  # of rows that name none; 0: the caller
    add: Annotated[int, Meta(ge=0, le=2**30)] = 0  # to every number in the file
    summary: bool = False  # of the rows only those of which something is to be said


class CatalogueLot(Struct):
    number: int
    version: int
    seller: int
    sale_id: int | None  # the sale that planned it last
    fixed: bool  # a sale that has it has opened
    lot: AuctionLot


class CatalogueAnswer(Struct):
    lots: list[CatalogueLot]
    next_cursor: str | None


class FindingItem(Struct):
    code: str
    column: str
    text: str
    error: bool


class ImportRow(Struct):
    row: int  # line of the file, from 2
    number: int
    status: Literal["ok", "warning", "error"]
    action: Literal["new", "change", "unchanged", "none"]
    findings: list[FindingItem]


class RefusedRow(Struct):
    number: int
    code: str


class ImportAnswer(Struct):
    rows: list[ImportRow]
    ok: int
    warnings: int
    errors: int
    codes: dict[str, int]  # rows that have each code
    columns_passed_over: list[str]
    taken: int
    refused: list[RefusedRow]  # by the engine, after all
