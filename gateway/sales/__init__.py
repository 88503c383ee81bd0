"""Sales between the wire and the engine, for every mechanism alike."""
