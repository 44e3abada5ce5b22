"""From a configuration to the method that it describes."""

from __future__ import annotations

from collections.abc import Iterable

from ..codec.picture import PictureCoder
from ..configuration import Configuration
from ..decoder import Backend
from ..encoding.model_choice import check_trained_for, with_model
from ..encoding.settings import check_group
from .group_method import FeatureGroupMethod, PictureGroupMethod
from .method import FeatureMethod, Method, PictureMethod


def method_of(
    name: str, configuration: Configuration, qps: Iterable[int], backend: Backend = "auto", threads: int = 1
) -> Method:
    """The method that a configuration describes. Raises :class:`~vcm_ref.errors.ConfigError`."""
    check_group(configuration)
    group = configuration.get("group") or 1
    tree = with_model(configuration).tree
    check_trained_for(configuration)
    if "picture" not in tree:
        kind = FeatureMethod if group == 1 else FeatureGroupMethod
        return kind(name, tree, tuple(qps), backend, threads)
    codec = tree["codec"]
    options = {key: codec[key] for key in ("preset",) if key in codec}
    limit = codec.get("time_limit", 600)
    if not isinstance(codec["name"], str):
        raise configuration.error("codec.name", "is by layer, and the picture itself is coded with one codec")
    coder = PictureCoder(codec["name"], scale=tree["picture"]["scale"], time_limit_s=float(limit), **options)
    if group == 1:
        return PictureMethod(name, coder, tuple(qps))
    if codec.get("mode") != "RA":
        raise configuration.error("codec.mode", "pictures in a group are coded over time: set it to RA")
    return PictureGroupMethod(name, coder, tuple(qps), group)
