"""The engine decides: it never waits, reads no clock, opens no file outside `log/`, holds no float in a decision."""
