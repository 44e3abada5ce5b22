"""The conformance harness: any decoder against the suite in ``conformance/`` (docs/conformance.md)."""
