"""How sure the figures of a report are: intervals of each method's comparison, and what is said of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..bootstrap import FEWEST_BLOCKS, MOST_WITHOUT, Bootstrap, Interval
from ..uncertainty import paired_interval
from .blocks import Block, Paragraph
from .method import Method
from .numbers import counted

FEW_PICTURES = 500
"""With fewer, the 95 % interval of an AP is some four points wide or wider, so the heading of a report says so."""


@dataclass(frozen=True)
class Certainty:
    """The intervals of one comparison by PCHIP, over resamples that both curves share.

    ``rate`` and ``accuracy`` count every byte, ``rhee2022`` is the BD-rate in Rhee et al.'s accounting. None where the
    two cannot be resampled alike.
    """

    bootstrap: Bootstrap
    rate: Interval | None
    accuracy: Interval | None
    rhee2022: Interval | None

    @property
    def verdict(self) -> str:
        """What the interval of BD-rate says; empty where there is none."""
        if self.rate is None or not self.rate.known:
            return ""
        if self.rate.low <= 0 <= self.rate.high:
            return "no difference"
        return "fewer bits" if self.rate.high < 0 else "more bits"


def certainty(method: Method, anchor: Method) -> Certainty | None:
    """How sure the comparison of a method with the anchor is; None where one has no tallies or pictures differ."""
    test, other = method.samples, anchor.samples
    if method is anchor or test is None or other is None or _data(method) != _data(anchor):
        return None
    metrics = anchor.curve.metric, method.curve.metric
    return Certainty(
        other.bootstrap,
        paired_interval(other, test, metrics, "rate"),
        paired_interval(other, test, metrics, "accuracy"),
        paired_interval(other, test, metrics, "rate", "rhee2022_bpp"),
    )


def _data(method: Method) -> tuple[Any, ...]:
    """What two methods must share to be compared in pairs: the annotations and the pictures, by digest."""
    pictures = {picture["id"]: picture["sha256"] for picture in method.anchor_file["pictures"]}
    return method.anchor_file["data"]["sha256"], pictures


def bootstrap_of(methods: Sequence[Method]) -> Bootstrap | None:
    """How the intervals of a report were made; None where it has none."""
    return next((method.samples.bootstrap for method in methods if method.samples), None)


def heading(title: str, methods: Sequence[Method]) -> str:
    """The report's title, which says so where there are few pictures."""
    number = fewest_pictures(methods)
    return title if number is None or number >= FEW_PICTURES else f"{title} (only {counted(number, 'picture')})"


def fewest_pictures(methods: Sequence[Method]) -> int | None:
    """The least number of pictures that any measured method is over."""
    return min((len(m.anchor_file["pictures"]) for m in methods if m.anchor_file.get("pictures")), default=None)


def few_pictures(methods: Sequence[Method]) -> list[Block]:
    """A warning where there are few pictures."""
    number = fewest_pictures(methods)
    if number is None or number >= FEW_PICTURES:
        return []
    return [Paragraph(few_sentence(number, bootstrap_of(methods) is not None), warning=True)]


def few_sentence(number: int, intervals: bool) -> str:
    """The warning over few pictures."""
    told = f"These figures cover only {counted(number, 'picture')}; other pictures may give other figures."
    return f"{told} The intervals show how much they may differ." if intervals else told


def explained(methods: Sequence[Method]) -> list[Block]:
    """How the intervals were made, and which methods have none."""
    bootstrap = bootstrap_of(methods)
    if bootstrap is None:
        sequences = [method for method in methods if method.anchor_file.get("tallies") and _is_sequence(method)]
        told = f"An interval over a sequence needs {FEWEST_BLOCKS} blocks of whole groups that last a second or more."
        return [Paragraph(told)] if sequences else []
    blocks: list[Block] = [Paragraph(" ".join(_made(bootstrap)))]
    without = [method.name for method in methods if method.anchor_file and method.samples is None]
    if without:
        blocks.append(Paragraph(f"There are no intervals for {', '.join(without)}: the file of tallies is missing."))
    return blocks


def _is_sequence(method: Method) -> bool:
    return "frame_rate" in method.anchor_file["data"]


def _made(bootstrap: Bootstrap) -> Iterator[str]:
    yield f"Brackets hold {100 * bootstrap.level:g} % confidence intervals."
    drawn = "the pictures" if bootstrap.block == 1 else f"blocks of {bootstrap.block} pictures that follow each other"
    yield f"They are percentile intervals over {bootstrap.resamples} resamples of {drawn}; the seed of the draw is"
    yield f"{bootstrap.seed}. Both curves of a comparison use the same resampled pictures. If the interval of BD-rate"
    yield "contains 0, the pictures show no difference between the two methods. BD-rate and BD-accuracy have intervals"
    yield "for PCHIP only. Intervals hold for other pictures of the same kind, not for another network or another data"
    yield "set. BD figures cannot be computed for a resample in which the curves do not overlap. If this happens in"
    yield f"more than {100 * MOST_WITHOUT:.0f} % of the resamples, the report gives no interval."


def missing(interval: Interval | None) -> str:
    """Say which part of the resamples has no figure; empty where all have one."""
    if interval is None or not interval.without:
        return ""
    share = f"{100 * interval.without:.1f} % of the resamples do not give a figure"
    return share if interval.known else f"no interval, because {share}"


def described(bootstrap: Bootstrap | None) -> Mapping[str, Any] | None:
    """As JSON."""
    return None if bootstrap is None else bootstrap.describe()
