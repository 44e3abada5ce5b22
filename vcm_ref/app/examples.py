"""The examples that ``--help`` of each executable shows."""

from __future__ import annotations

EXAMPLES: dict[str, tuple[str, ...]] = {
    "vcm_enc": (
        "vcm_enc -c fframe -i photo.jpg --qp 37 -b photo.bin",
        "vcm_enc -c fframe -i photos/*.jpg -b photos.bin",
        "vcm_enc -c feature_anchor -c networks/yolox_nano --set network.weights=yolox_nano.onnx "
        "-i photo.jpg -b photo.bin",
        "vcm_enc -c feature_anchor --set codec.mode=RA --set group=8 -i street.mp4 --frames 80 -b street.bin",
        "vcm_enc -c lossless -i features.npz --picture-size 640x480 -b - | vcm_dec - -o decoded.npz",
    ),
    "vcm_dec": (
        "vcm_dec photo.bin -o photo.npz",
        "vcm_dec photos.bin -o decoded",
        "vcm_dec street.bin --pictures 40:60 -o part",
        "vcm_dec street.bin --keep-going -o whole",
        "vcm_dec photo.bin --tier t1 -o photo.raw",
        "vcm_dec photo.bin --detect --picture photo.jpg",
        "vcm_dec photo.bin --trace",
    ),
    "vcm_render": (
        "vcm_render -c fframe -i photo.jpg -o frames",
        "vcm_render -c feature_anchor -i photo.jpg --qp 42 --stretch -o frames42",
    ),
    "vcm_eval": (
        "vcm_eval --data instances.json",
        "vcm_eval --data instances.json -c fframe --encode --qp 37 -o coded.json",
        "vcm_eval --data instances.json --features decoded -o decoded.json",
    ),
    "vcm_anchor": (
        "vcm_anchor -c feature_anchor --data instances.json --qp 22 27 32 37 42 -o anchor.json",
        "vcm_anchor -c image_anchor --data instances.json --pictures 100 --bitstreams -o image.json",
    ),
    "vcm_sweep": (
        "vcm_sweep sweep.yaml -o results",
        "vcm_sweep sweep.yaml --data instances.json --pictures 50 --qp 32 37 -o quick",
    ),
    "vcm_report": (
        "vcm_report anchor.json mine.json -o report",
        "vcm_report results -o report --metric AP50 --anchor feature_anchor",
    ),
    "vcm_crosscheck": (
        "vcm_crosscheck anchor.json --data instances.json",
        "vcm_crosscheck anchor.json --data instances.json --depth decode --bitstreams theirs --pictures 10",
    ),
    "vcm_sizes": (
        "vcm_sizes 640x480 1024x768 -c networks/detectron2_mask_r50 --set network.weights=random",
        "vcm_sizes 512x384 -c resize --bits 8 -o sizes.csv",
    ),
    "vcm_train": (
        "vcm_train -c klt --data instances.json -o model.safetensors",
        "vcm_train -c klt --data features --set reduction.components=128 --workers 4 -o model.safetensors",
    ),
    "vcm_conformance": (
        "vcm_conformance run",
        "vcm_conformance run theirs.yaml --feature grid -o report.md -o report.xml",
        "vcm_conformance validate photo.bin",
        "vcm_conformance compare mine.raw theirs.raw",
    ),
}
