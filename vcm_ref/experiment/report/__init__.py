"""Reports over results: Markdown, HTML, CSV in long form, and plots as PNG and SVG.

The same results give the same bytes. ``content.py`` and ``combinations_report.py`` say what a report says; a module for
each format says how.
"""

from .combinations_report import write_combinations
from .result_report import write_report

__all__ = ["write_combinations", "write_report"]
