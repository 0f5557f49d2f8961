"""Directions: named moves in a generator's latent space, and everything that makes, reads, keeps and applies them.

direction           a move with its strength: alpha 0 is the identity, alpha 1 one step
edit_text           which directions by how much, as text: "smile=1.4,glasses=2"
vocabulary          what people are told of directions and edits
caption_agreement   on how many pictures an encoder sees what the vocabulary says
apply               latents moved along an edit's directions, to the styles that a picture is drawn from
direction_file      directions as safetensors
direction_registry  the directions of each generator in a workspace
scaling             the length of alpha 1
learning            directions from labels, or from two texts
text_difference     two texts as a way in CLIP space
formats/            other programs' files
published           the directions that were published for known generators
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from beholder.editing.directions.apply import edited_styles as edited_styles
    from beholder.editing.directions.apply import edited_ws as edited_ws
    from beholder.editing.directions.direction import Direction as Direction


def __getattr__(name: str) -> Any:
    """Import what the package offers when it is asked for: texts and words of edits need no torch."""
    if name == "Direction":
        from beholder.editing.directions.direction import Direction

        return Direction
    if name in ("edited_styles", "edited_ws"):
        from beholder.editing.directions import apply

        return getattr(apply, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
