"""Checkpoints: generators in the formats they are published in, read without running anything that the files hold.

checkpoint        any file -> a generator
generator_search  where in a file the generator is
state_dict        named tensors -> a generator, all checked
encoder_state     the encoder beside a generator

One file for each format or way of naming: native, rosinality, nvidia, tensorflow.
"""
