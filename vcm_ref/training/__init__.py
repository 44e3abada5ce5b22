"""Training of the numbers that reduction stages need: one module a method. Needs torch; no decoder imports it."""
