"""The WebSocket: order entry and feeds."""
