"""Losses: how far restored layers, or what part 2 makes of them, are from the original."""
