"""Training of models: from the features of many pictures to the numbers that a reduction stage needs.

A method is one module with an entry in :data:`METHODS`; ``vcm_train`` and this package's functions do the rest: inputs,
workers, resumption, and the record in the model.
"""
