"""What the levels of agreement mean, in sentences, for who reads a record without having read the design."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..store import Record
from .findings import Level, Section

_SAME = ("identical", "within tolerance")


def meaning(
    inputs: Section, uncompressed: Section, depths: Mapping[str, Section], kind: str, versions: Mapping[str, Record]
) -> list[str]:
    """Sentences, the most important first. ``versions`` has those of the anchor and those here."""
    tensors = "decoded pictures" if kind == "pictures" else "integer tensors"
    floats = _level(uncompressed, "results")
    sentences = list(_of_inputs(inputs))
    if "decode" in depths:
        sentences += _of_decoding(depths["decode"], tensors)
    if floats in ("within tolerance", "different"):
        extent = "within the anchor's tolerance" if floats == "within tolerance" else "and not within the tolerance"
        sentences.append(
            f"Without any coding the network's results differ, {extent}: its floats are others here "
            f"({_unlike(versions)}). What is coded again comes from these floats, so bitstreams made again may differ "
            "with nothing wrong in encoder or decoder; what was decoded of the anchor's own bitstreams must not."
        )
    if "encode" in depths:
        sentences += _of_encoding(depths["encode"], tensors, floats, versions)
    return sentences


def _of_inputs(inputs: Section) -> Iterator[str]:
    if _level(inputs, "network") == "different":
        yield "The network is not the anchor's, so nothing that it has a part in was compared."
    if _level(inputs, "pictures") == "different":
        yield "Pictures that are not the anchor's were left out, and with them the metrics."
    if _level(inputs, "data") == "different":
        yield "The annotations or the list of pictures are not the anchor's, so metrics were not compared."
    if _level(inputs, "sums") == "different":
        yield "The anchor's file contradicts itself: its rates are not those of its own pictures."


def _of_decoding(found: Section, tensors: str) -> Iterator[str]:
    bitstreams, t1, results = (_level(found, name) for name in ("bitstreams", "t1", "results"))
    of_same = [one for one in found.differences if "t1" in one.aspects and "bitstreams" not in one.aspects]
    if bitstreams == "different":
        count = found.aspects["bitstreams"].different
        yield f"Bitstreams that the anchor was not measured on, or that are missing: {count}."
    if t1 == "identical":
        yield f"The decoder here gives exactly the anchor's {tensors}."
    elif t1 == "different" and not of_same and found.aspects["bitstreams"].different < found.aspects["t1"].compared:
        yield f"From the bitstreams that are the anchor's the decoder here gives exactly the anchor's {tensors}."
    if of_same:
        yield (
            f"From the anchor's own bitstreams the decoder here does not give the anchor's {tensors}: one of the two "
            "decoders is wrong, or the anchor's digests are."
        )
    if t1 == "identical" and results in ("within tolerance", "different"):
        extent = (
            "the metrics are within the tolerance" if results == "within tolerance" else "by more than is tolerated"
        )
        yield f"From the same {tensors} the network's floats lead to other results, {extent}."


def _of_encoding(found: Section, tensors: str, floats: Level, versions: Mapping[str, Record]) -> Iterator[str]:
    bitstreams, t1 = _level(found, "bitstreams"), _level(found, "t1")
    if bitstreams == "identical":
        yield "The encoder here makes the anchor's bitstreams again, byte for byte."
    if bitstreams != "different":
        return
    if t1 == "identical":
        yield (
            f"The bitstreams made again differ and their {tensors} do not: the same is coded in another way, by "
            f"another encoder or another inner codec ({_unlike(versions)})."
        )
    elif floats == "identical":
        yield (
            "The bitstreams made again differ although the network gives the same results without coding: the encoder "
            f"is another, its configuration, its QP or its inner codec ({_unlike(versions)})."
        )


def _level(section: Section, name: str) -> Level:
    aspect = section.aspects.get(name)
    return aspect.level if aspect is not None else "not checked"


def _unlike(versions: Mapping[str, Record]) -> str:
    theirs, ours = versions["anchor"], versions["here"]
    keys = [key for key in dict.fromkeys([*theirs, *ours]) if theirs.get(key) != ours.get(key)]
    told = [f"{key} {ours.get(key, 'none')} here, {theirs.get(key, 'none')} there" for key in keys]
    return "; ".join(told) or "versions and kind of machine are the same on both sides"
