"""The gateway waits: sockets, clock, files and databases. It translates, and holds no market rules."""
