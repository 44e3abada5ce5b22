"""The Python door: ``vcm_ref.encode`` and ``vcm_ref.decode``, on arrays in memory.

``encoding`` and ``decoding`` are apart, because a decoder imports no encoder (docs/architecture.md, "Rooms").
"""
