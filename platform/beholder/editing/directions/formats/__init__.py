"""Formats: the files in which other programs keep directions.

safe_load  any file -> plain values and arrays, nothing in it run, no claim of it believed
named_vectors  one direction of a file with several, by name or number
source     what a format's reader returns: a direction as its authors take it, not yet scaled
detect     the list of formats, and which one a file is of

One file for each format: interfacegan, ganspace, sefa, stylespace, styleclip, plain.
"""
