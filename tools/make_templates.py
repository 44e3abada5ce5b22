"""Make the template parameter sets of docs/bitstream.md, Annex A: ``vcm_ref/bitstream/templates.json``.

A new list is a new version of the bitstream: run this only together with a change of ``VERSION``. Each entry is a
parameter set as the encoder named writes it for frames of 1088x800 at QP 37; of equal ones the first stays. It needs
VTM-12.0, named as the README says.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from vcm_ref.bitstream.nal import nal_unit_type
from vcm_ref.bitstream.substreams import to_substream
from vcm_ref.bitstream.values import InnerCodecId, Mode
from vcm_ref.codec import EncoderName, make_encoder

HEIGHT, WIDTH, QP, FRAMES = 800, 1088, 37, 2
ENCODERS: dict[InnerCodecId, tuple[tuple[EncoderName, tuple[str, ...]], ...]] = {
    InnerCodecId.VVC: (("vvenc", ("faster", "fast", "medium", "slow", "slower")), ("vtm", ("anchor",))),
    InnerCodecId.HEVC: (("hevc", ("medium",)),),
}
TARGET = Path(__file__).parent.parent / "vcm_ref" / "bitstream" / "templates.json"


def templates_of(codec: InnerCodecId) -> list[dict[str, str | int]]:
    """The distinct parameter sets that the encoders of one inner codec write."""
    frames = np.full((FRAMES, HEIGHT, WIDTH), 512, np.uint16)
    found: dict[bytes, dict[str, str | int]] = {}
    for name, presets in ENCODERS[codec]:
        for preset in presets:
            for mode in (Mode.AI, Mode.RA):
                stream = make_encoder(name, preset=None if name == "vtm" else preset).encode(frames, mode, QP)
                for nal_unit in to_substream(codec, stream).parameter_sets:
                    entry = {
                        "nal_unit_type": nal_unit_type(codec, nal_unit),
                        "from": f"{name} {preset} {mode.name}",
                        "nal_unit": nal_unit.hex(),
                    }
                    found.setdefault(nal_unit, entry)
    return list(found.values())


if __name__ == "__main__":
    lists = {codec.name.lower(): templates_of(codec) for codec in ENCODERS}
    TARGET.write_text(json.dumps(lists, indent=1) + "\n")
    print({name: len(entries) for name, entries in lists.items()})
