"""A client of the public API, for programs that trade: `async with Client(url, token) as venue: ...`."""

from gateway.client.client import Client, Lost, Refused

__all__ = ["Client", "Lost", "Refused"]
