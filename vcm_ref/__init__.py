"""Reference software for coding neural-network features: encoder, decoder, bitstream, conformance."""

__version__ = "0.1.0"
