"""The portrait world: avatar-like faces whose truth is known.

traits (what a portrait can be) -> shapes, drawing (pixels) -> captions (words) and raters (simulated people with a
known taste). It is the default that needs no download, and the yardstick for everything that claims to learn.
"""
