"""Experiments: results over data sets, and what is made of them."""
