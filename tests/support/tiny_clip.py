"""A CLIP of four patches with random weights, so small that a fit takes seconds, and pictures whose patches say their latents."""

import numpy as np

from support.taste_suite import World

TINY_CLIP = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 16, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}


def pictures(world: World) -> np.ndarray:
    """Return pictures uint8 [N, 16, 16, 3] whose patches have the latents for colours."""
    colours = np.zeros((len(world.latents), 12))
    colours[:, :8] = world.latents
    patches = np.clip(128 + 40 * colours, 0, 255).astype(np.uint8).reshape(-1, 2, 2, 3)
    return patches.repeat(8, axis=1).repeat(8, axis=2)
