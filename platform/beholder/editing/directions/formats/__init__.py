"""Formats: the files in which other programs keep directions, each turned into steps of ours.

opening      any file -> plain values and arrays, nothing in it run, no claim of it believed
step         what a format's reader finds: a step as its authors take it, not yet scaled
reading      the one place that knows every format, and tells which one a file is of
interfacegan, ganspace, sefa, stylespace, styleclip, plain    one format each
"""
