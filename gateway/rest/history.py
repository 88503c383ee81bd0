"""Pages of history from the SQLite sink's store, asked in a thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from engine.limits import MIN_SEQ_WAIT_SECONDS_MAX
from gateway.front import not_ready
from gateway.problems import Problem
from gateway.queries import BadCursor, History, Page
from gateway.rest.routes import Call

T = TypeVar("T")
POLL_SECONDS = 0.02


async def page(call: Call, question: str, *args: Any, **more: Any) -> Page:
    """One page of a question of `History`, as far as `min_seq` asks. Raises Problem as `ask`."""
    query = call.query
    found: Page = await ask(
        call,
        lambda history: getattr(history, question)(*args, query.cursor or None, query.limit, form=call.form, **more),
    )
    return found


async def ask(call: Call, question: Callable[[History], T]) -> T:
    """Raises Problem: not_ready, behind, busy, invalid_field (a cursor)."""
    front = call.front
    history = front.history
    if history is None:
        raise not_ready()
    try:
        await _reach(call, history)
        return await front.in_thread(partial(question, history))
    except BadCursor as error:
        raise Problem("invalid_field", f"{error}.", pointer="/cursor") from None
    except sqlite3.Error as error:
        front.fault("history")
        raise Problem("not_ready", "History cannot be read now.", retry_after_ms=1000) from error


async def _reach(call: Call, history: History) -> None:
    """Wait until the store has what the caller must see. Raises Problem("behind")."""
    wanted, waited = call.query.min_seq, 0.0
    while wanted and await call.front.in_thread(history.as_of) < wanted:
        if waited >= MIN_SEQ_WAIT_SECONDS_MAX:
            raise Problem("behind", f"History has not reached {wanted} yet.", retry_after_ms=1000)
        waited += POLL_SECONDS
        await call.front.env.sleep(POLL_SECONDS)
