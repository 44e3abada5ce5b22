"""The packages of a wheel: those in ``vcm_ref``, and the folder ``cfg`` as ``vcm_ref.cfg``."""

from setuptools import find_packages, setup

setup(packages=[*find_packages(include=["vcm_ref*"]), "vcm_ref.cfg"], package_dir={"vcm_ref.cfg": "cfg"})
