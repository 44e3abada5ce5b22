"""Networks for reduction, in torch: one part of a published figure is one file."""
