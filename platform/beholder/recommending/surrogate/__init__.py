"""Surrogate: a network that predicts the embedding of an edited image from its latent and the edit, without drawing it.

surrogate_model     the network, and where it is stored
surrogate_dataset   latents under random edits, drawn and encoded, in blocks that are kept
surrogate_training  the network fitted to them, with checkpoints
"""
