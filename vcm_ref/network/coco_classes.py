"""The 80 object classes of COCO (Lin et al., "Microsoft COCO", 2014) under the category ids of its annotations.

The ids leave gaps between 1 and 90. Networks that number the classes 0 to 79 mean them in this order.
"""

from __future__ import annotations

_IDS = (
    *range(1, 12), *range(13, 26), 27, 28, *range(31, 45), *range(46, 66), 67, 70, *range(72, 83), *range(84, 91)
)  # fmt: skip

_NAMES = """
person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant,
stop sign, parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe,
backpack, umbrella, handbag, tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat,
baseball glove, skateboard, surfboard, tennis racket, bottle, wine glass, cup, fork, knife, spoon, bowl,
banana, apple, sandwich, orange, broccoli, carrot, hot dog, pizza, donut, cake, chair, couch,
potted plant, bed, dining table, toilet, tv, laptop, mouse, remote, keyboard, cell phone, microwave,
oven, toaster, sink, refrigerator, book, clock, vase, scissors, teddy bear, hair drier, toothbrush
"""

COCO_CLASSES: dict[int, str] = dict(
    zip(_IDS, (name.strip() for name in _NAMES.replace("\n", " ").split(",")), strict=True)
)
"""Category id to name, in ascending order of ids."""

COCO_LABELS: dict[int, str] = {label: COCO_CLASSES.get(label, "N/A") for label in range(1, 91)}
"""COCO's category ids with the gaps among them, for which torchvision's detectors have outputs all the same."""
