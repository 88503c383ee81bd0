"""Practice sales: a venue of one's own on the lots of a past season, with programs as rivals."""
