"""The bitstream: its syntax, declared once, and everything that is derived from the declaration."""
