"""Order books of all instruments: arrays under kernels.

Logical content and rules are those of `engine.oracle.books.Books`. What is added in the files below is physical and
never seen: `room` (arrays and their growth), `registers`, `running` (commands and calls), `readers`, `loading`.
"""

from __future__ import annotations

from engine.state.loading import Loading
from engine.state.running import Running


class Books(Running, Loading):
    """Fulfils `engine.state.hot.Hot`."""
