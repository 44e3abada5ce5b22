"""The stages of an experiment as tasks: the functions that a worker calls, from values to values.

A worker needs this package and the network's weights: pictures, bitstreams and results come and go as bytes. Where a
stage fails, :class:`~vcm_ref.experiment.tasks.TaskError` says so in one line.

Each module is a stage, and its code is what the module imports, directly or not: so none of them imports more than its
functions need (:mod:`~vcm_ref.experiment.naming`).
"""
