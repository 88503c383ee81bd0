"""Registers of sales: the sale itself, and what each mechanism keeps of it."""
