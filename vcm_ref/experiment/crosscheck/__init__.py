"""Cross-checks: an anchor made again on another machine, and compared.

``check.py`` is the process. A level of agreement stands for each aspect, so that a record tells a decoder that differs
from an encoder that does, and both from a network whose floats are others on another machine.
"""

from .check import DEPTHS, Findings, Plan, crosscheck
from .rebuilt import machine_of, rebuilt_labels, rebuilt_method, rebuilt_network
from .record import aspect_rows, crosscheck_document, summary, write_record

__all__ = [
    "DEPTHS",
    "Findings",
    "Plan",
    "aspect_rows",
    "crosscheck",
    "crosscheck_document",
    "machine_of",
    "rebuilt_labels",
    "rebuilt_method",
    "rebuilt_network",
    "summary",
    "write_record",
]
