"""The data directory of a practice venue: marked as one, with its keys, so that no live venue is ever taken for it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import NamedTuple

from gateway.replaying import LOG_FOLDER
from gateway.tokens import new_token, token_hash

MARK = "practice.toml"
KEYS = "practice.keys"
OPERATOR, PERSON, SELLER, FIRST_RIVAL = 1, 2, 3, 100


class NotPractice(ValueError):
    """The directory holds a venue, or something else, that is none for practice."""


class Practice(NamedTuple):
    config: Path
    tokens: dict[int, str]  # by account
    rivals: list[int]


def opened(data: Path, rivals: int) -> Practice:
    """The practice venue of a directory, made when the directory is new or empty. Raises NotPractice, OSError."""
    mark, keys = data / MARK, data / KEYS
    if not mark.exists():
        if data.exists() and any(data.iterdir()):
            what = "a venue that is not for practice" if (data / LOG_FOLDER).exists() else "other files"
            raise NotPractice(f"{data} holds {what}: practice has a directory of its own")
        data.mkdir(parents=True, exist_ok=True)
        accounts = [OPERATOR, PERSON, SELLER, *range(FIRST_RIVAL, FIRST_RIVAL + rivals)]
        tokens = {account: new_token() for account in accounts}
        with os.fdopen(os.open(keys, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(tokens, file)
        beside = data / f".{MARK}.new"
        beside.write_text(_toml(tokens), "utf-8")
        beside.replace(mark)  # last: a directory with the mark is whole
    tokens = {int(account): token for account, token in json.loads(keys.read_text("utf-8")).items()}
    return Practice(mark, tokens, sorted(account for account in tokens if account >= FIRST_RIVAL))


def _toml(tokens: dict[int, str]) -> str:
    named = {OPERATOR: ("Operator", "operator"), PERSON: ("You", "importer"), SELLER: ("Co-ops of the past", "coop")}
    lines = ["# A practice venue: nothing here is sold.", 'venue = "practice"', ""]
    for account, token in tokens.items():
        label, kind = named.get(account, (f"Rival {account - FIRST_RIVAL + 1}", "importer"))
        roles = '["read", "operate", "admin"]' if account == OPERATOR else '["read", "trade"]'
        lines += ["[[accounts]]", f"account = {account}", f'label = "{label}"', f'kind = "{kind}"', ""]
        lines += ["[[keys]]", f"account = {account}", f"roles = {roles}", f'sha256 = "{token_hash(token).hex()}"', ""]
    return "\n".join(lines)
