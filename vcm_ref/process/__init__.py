"""Every child process that vcm_ref starts: its limits, and its end with all that it started.

:mod:`.child` runs an inner codec, fed and read through pipes; :mod:`.watched` a decoder under test, which may do
anything; :mod:`.together` runs several at the same time. :mod:`.scratch` has the folders that they work in.
"""
