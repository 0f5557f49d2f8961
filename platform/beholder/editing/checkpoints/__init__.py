"""Checkpoints: generators in the formats they are published in, read without running anything that the files hold.

checkpoint (any file -> a generator), unpickling (a pickle's instructions, interpreted one by one), doubles (every name a
pickle may say, and what answers to it), stored (numbers that are read when they are asked for), archives (torch's two
layouts of a file), assembly (named tensors -> a generator, all checked), and one file for each format: native, rosinality,
nvidia, tensorflow.
"""
