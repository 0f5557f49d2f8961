"""Directions: named moves in a generator's latent space, and everything that makes, reads, keeps and applies them.

direction  a move with its strength: alpha 0 is the identity, alpha 1 one step
edit       which directions by how much, as text: "smile=1.4,glasses=2"
moving     latents moved along an edit's directions, to the styles that a picture is drawn from
file       directions as safetensors
registry   the directions of each generator in a workspace
scaling    how long a step is
finding    moves from thousands of labels
learning   directions from a few labels, or from two texts
formats    other programs' files
catalogue  the directions that were published for known generators
"""

from beholder.editing.directions.direction import Direction as Direction

from beholder.editing.directions.apply import edited_styles as edited_styles, edited_ws as edited_ws  # isort: skip
