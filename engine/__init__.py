"""The engine decides. It never waits, reads no clock, opens no file outside `log/`, and holds no float in a decision."""
