"""Checkpoints: generators in the formats they are published in, read without running anything that the files hold.

checkpoint  any file -> a generator
state_dict  named tensors -> a generator, all checked

One file for each format: native, rosinality, nvidia, tensorflow.
"""
