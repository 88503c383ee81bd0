"""The operators' page names every code, reason, exit code and state of the venue, and no other; its commands exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine.codes import Reason
from gateway import child, env
from gateway.cli import COMMANDS
from gateway.doctor.processes import STATES
from gateway.problems import GATEWAY_STATUS, status_of

PAGE = Path("docs/OPERATIONS.md").read_text("utf-8")
CODES = set(re.findall(r"`([a-z_]+)`", PAGE))


@pytest.mark.parametrize("code", sorted(GATEWAY_STATUS))
def test_every_code_of_the_gateway_is_there_with_its_status(code: str) -> None:
    rows = re.findall(r"^\| ((?:`[a-z_]+`(?:, )?)+) \| ([\d, ]+) \|", PAGE, re.MULTILINE)
    (found,) = [(names, numbers) for names, numbers in rows if f"`{code}`" in names]
    listed, statuses = re.findall(r"[a-z_]+", found[0]), re.findall(r"\d{3}", found[1])
    assert len(statuses) in (1, len(listed))
    assert int(statuses[listed.index(code) if len(statuses) > 1 else 0]) == GATEWAY_STATUS[code]


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason is not Reason.NONE])
def test_every_reason_of_the_engine_is_there(reason: Reason) -> None:
    assert reason.name.lower() in CODES


def test_a_full_venue_is_503_as_it_says() -> None:
    assert status_of(Reason.ORDERS_FULL) == 503 and "`orders_full` and its like with 503" in PAGE


@pytest.mark.parametrize("module", [env, child])
def test_every_exit_code_is_there(module: object) -> None:
    codes = {value for name, value in vars(module).items() if name.startswith("EXIT_")}
    rows = {int(found) for found in re.findall(r"^\| [^|]*\| (\d) \|", PAGE, re.MULTILINE)}
    assert codes and codes <= rows


@pytest.mark.parametrize("state", sorted(STATES))
def test_every_state_of_a_process_is_there(state: str) -> None:
    assert state in CODES


def test_every_command_in_it_is_one() -> None:
    named = set(re.findall(r"qhatu ([a-z][a-z-]+)", PAGE))
    assert {"serve", "backup", "restore", "doctor", "skip", "snapshot"} <= named <= set(COMMANDS)


def test_no_code_in_it_is_unknown() -> None:
    known = set(GATEWAY_STATUS) | {reason.name.lower() for reason in Reason} | set(STATES)
    fields = {"code", "client_order_id", "min_seq", "storage_low_mib", "valid_until"}
    others = fields | set(COMMANDS) | {"orders", "fills", "trades", "candles", "auctions", "sales", "bids", "awards",
                                        "df", "dmesg"}  # fmt: skip
    assert known | others >= CODES, CODES - known - others
