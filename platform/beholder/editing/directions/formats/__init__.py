"""Formats: the files in which other programs keep directions, and the plain ones, each turned into ours."""
