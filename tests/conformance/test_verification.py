"""Whether a suite is whole."""

from __future__ import annotations

from vcm_ref.conformance.manifest import load_suite
from vcm_ref.conformance.verification import described_files, suite_differences

from .suites import SmallSuite


def test_a_whole_suite(small: SmallSuite) -> None:
    suite = load_suite(small.folder)
    told: list[float] = []
    assert suite_differences(small.folder, suite, told.append) == []
    assert len(told) == len(described_files(suite)) == 7


def test_each_difference_is_told(small: SmallSuite) -> None:
    suite = load_suite(small.folder)
    (small.folder / "vectors/BAD_A_1.bin").unlink()
    (small.folder / "vectors/GOOD_A_1.bin").write_text("GOOD_B_1")
    (small.folder / "planes/GOOD_VVC_A_1.raw.xz").write_bytes(b"")
    (small.folder / "vectors/OLD_A_1.bin").write_text("")
    (small.folder / "README.md").write_text("beside the manifest there may be anything")
    found = suite_differences(small.folder, suite, lambda share: None)
    assert [line.removeprefix(f"{small.folder}/").split(": ")[:2] for line in found] == [
        ["vectors/BAD_A_1.bin", "cannot be read"],
        ["vectors/GOOD_A_1.bin", found[1].split(": ")[1]],
        ["planes/GOOD_VVC_A_1.raw.xz", "is not a whole xz file"],
        ["vectors/OLD_A_1.bin", "is not in the manifest"],
    ]
    assert "its SHA-256 is " in found[1]


def test_a_folder_that_is_gone(small: SmallSuite) -> None:
    suite = load_suite(small.folder)
    (small.folder / "planes").rename(small.folder / "elsewhere")
    assert len(suite_differences(small.folder, suite, lambda share: None)) == 2
