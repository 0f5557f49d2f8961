"""Surrogate: what the embedding of an edited image would be, predicted from its latent and the edit without drawing it.

surrogate_model (the network, kept and found), surrogate_dataset (latents under random edits, drawn and encoded),
surrogate_training (the network fitted to them).
"""
