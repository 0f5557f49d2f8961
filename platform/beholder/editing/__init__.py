"""Editing: images as points in a latent space, moved along named directions.

editor           the contract; stylegan, looks/look_editor, diffusion/diffusion_editor and fake sign it
editor_config    how pictures are drawn and photos inverted: settings
generator        StyleGAN2: latents -> styles -> images
layer_cache      draws a picture again and again, and only the layers that changed
generator_store  the generators of a workspace, and a network's fingerprint
checkpoints/     other programs' files of generators
latent           where pictures lie
saved_inversion  the latent of a photo as a file
latent_file      latents from other programs
published_encoder  pSp, e4e and ReStyle: photos -> latents in a pass or a few
directions/      named moves (smile, glasses, older, ...), from wherever they come
features/        detail of photos kept as features of a layer, and carried through edits
image_metrics    L2, MS-SSIM and the Fréchet distance
inversion        images -> latents: an encoder's pass, then steps of optimisation within a budget
faces/           faces in photos: landmarks, the aligned square around one, and blending it back
looks/           any photo developed along photographic directions, without a generator
diffusion/       any photo edited by a published diffusion pipeline, along instructions and slider adapters
pretrained       the networks and directions that ship with the project
"""
