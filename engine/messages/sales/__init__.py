"""Bodies of the commands of sales: terms, offers and what operators say."""
