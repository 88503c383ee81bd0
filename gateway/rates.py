"""Token buckets: orders, cancels and queries are counted apart, so that who is out of orders can still cancel."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from gateway.problems import Problem
from gateway.settings import Rates, Settings

BUCKETS_MAX = 100_000  # holders remembered; the one unused longest is forgotten (its buckets were full again)


class Bucket:
    """Tokens of one holder for one kind of request."""

    __slots__ = ("at", "burst", "per_second", "tokens")

    def __init__(self, rates: Rates, now: float) -> None:
        self.per_second, self.burst = rates.per_second, rates.burst
        self.tokens, self.at = rates.burst, now

    def take(self, now: float, n: int) -> bool:
        """Whether `n` tokens were there, and are now taken."""
        tokens = self.tokens + (now - self.at) * self.per_second
        self.at = now
        if tokens > self.burst:
            tokens = self.burst
        if tokens < n:
            self.tokens = tokens
            return False
        self.tokens = tokens - n
        return True

    def wait_seconds(self, n: int) -> float:
        return max(0.0, (min(n, self.burst) - self.tokens) / self.per_second)


class Buckets:
    """The three buckets of one holder."""

    __slots__ = ("cancels", "orders", "queries")

    def __init__(self, settings: Settings, now: float) -> None:
        self.orders = Bucket(settings.orders, now)
        self.cancels = Bucket(settings.cancels, now)
        self.queries = Bucket(settings.queries, now)


class Limiter:
    """Buckets by holder: a key's hash, or an address for requests without a key."""

    def __init__(self, settings: Settings, clock: Callable[[], float]) -> None:
        self.settings, self.clock = settings, clock
        self.holders: OrderedDict[bytes | str, Buckets] = OrderedDict()

    def of(self, holder: bytes | str) -> Buckets:
        buckets = self.holders.get(holder)
        if buckets is None:
            if len(self.holders) >= BUCKETS_MAX:
                self.holders.popitem(last=False)
            buckets = self.holders[holder] = Buckets(self.settings, self.clock())
        else:
            self.holders.move_to_end(holder)
        return buckets

    def take(self, holder: bytes | str, kind: str, n: int = 1) -> dict[str, str]:
        """Take `n` tokens of `kind` (orders, cancels, queries). Returns the RateLimit headers of the answer.

        Raises Problem("rate_limited") with Retry-After when they are not there.
        """
        bucket: Bucket = getattr(self.of(holder), kind)
        taken = bucket.take(self.clock(), n)
        headers = {
            "RateLimit-Policy": f'"{kind}";q={bucket.burst:.0f};w={max(1, round(bucket.burst / bucket.per_second))}',
            "RateLimit": f'"{kind}";r={bucket.tokens:.0f};t={bucket.wait_seconds(int(bucket.burst)):.0f}',
        }
        if not taken:
            wait = bucket.wait_seconds(n)
            raise Problem(
                "rate_limited",
                f"Too many {kind}; wait {wait:.1f} s.",
                headers=headers | {"Retry-After": str(max(1, round(wait)))},
                retry_after_ms=round(wait * 1000) + 1,
            )
        return headers
