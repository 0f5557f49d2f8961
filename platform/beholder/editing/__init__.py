"""Editing: images as points in a latent space, moved along named directions.

generator (latents -> images), inversion (images -> latents), directions (what moves smile, glasses, age, ...).
"""
