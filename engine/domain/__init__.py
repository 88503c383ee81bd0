"""What the market's nouns are: frozen structs and exact arithmetic, no arrays."""
