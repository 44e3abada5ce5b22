"""Making the suite: vectors are declared in families, built from the syntax up, and described by decoding them."""

from .suite import make_suite

__all__ = ["make_suite"]
