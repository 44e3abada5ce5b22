"""Training of models: from the features of many pictures to the numbers that a reduction stage needs.

A method is a module with a function that takes a :class:`~.job.Job` and returns the model's bytes, and an entry in
:mod:`.methods`. The job has the inputs, the workers, and the folder in which an interrupted training goes on.
"""
