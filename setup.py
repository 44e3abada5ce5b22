"""The packages of a wheel: ``vcm_ref``, the folder ``cfg`` as ``vcm_ref.cfg``, the suite as ``vcm_ref.suite``."""

from setuptools import find_packages, setup

FOLDERS = {"vcm_ref.cfg": "cfg", "vcm_ref.suite": "conformance"}
setup(packages=[*find_packages(include=["vcm_ref*"]), *FOLDERS], package_dir=FOLDERS)
