"""Editing: images as points in a latent space, moved along named directions.

generator      StyleGAN2: latents -> styles -> images; easel draws one again and again, and only what changed
checkpoints    other programs' files of generators; generators is the registry, fingerprint a network's short name
latent         where pictures lie; inverted keeps a photo's as a file
directions     named moves (smile, glasses, older, ...), from wherever they come
inversion      images -> latents: an encoder's pass, then steps within a budget
landmarks      faces in photos; alignment cuts the square around one, blending puts it back, photo does it all
editor         the contract; stylegan and double sign it
pixels         uint8 <-> RGB in -1..1
"""
