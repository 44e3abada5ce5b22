"""Errors of the harness's own, with the exit codes of docs/conformance.md."""

from __future__ import annotations

from ..errors import VcmError


class NotPassedError(VcmError):
    """Something has not passed, a vector differs, or two outputs do."""

    exit_code = 1


class HarnessError(VcmError):
    """The harness could not do its work: a file could not be written, a decoder's processes could not be ended."""

    exit_code = 3


class SuiteError(HarnessError):
    """The suite is damaged: its manifest, or a file that the manifest describes."""


class NothingRunError(VcmError):
    """No vector was selected, or the decoder claims none of those that were."""

    exit_code = 5
