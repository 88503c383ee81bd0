"""Books as serve and follow make them."""

from __future__ import annotations

from gateway.replaying import compiled_books


def test_nobody_knows_where_the_hash_tables_put_an_id() -> None:
    """Chosen ids that fall on each other would make every look-up a long walk. That the seed is never seen in events
    or hash is what tests/engine/test_agreement.py and kernels/test_book.py show."""
    seeds = {int(compiled_books().state.meta["hash_seed"][0]) for _ in range(4)}
    assert len(seeds) == 4
