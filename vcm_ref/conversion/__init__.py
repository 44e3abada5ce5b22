"""Conversion between feature tensors and frames: every stage a pair, forward and inverse side by side."""
