"""Diffusion: photos edited by a published diffusion pipeline, along directions that are instructions or slider adapters.

diffusion_config      which pipeline, how many steps, both guidance scales, and what it may take
diffusion_directions  the directions: an instruction in words, or an adapter file; the file that lists them
diffusion_pipeline    the only door to diffusers: a pipeline of three kinds, and its network under several instructions
diffusion_editor      the editor; signs the contract
"""
