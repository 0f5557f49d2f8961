"""A cache of layers: a picture drawn again and again, as under a slider, without drawing twice what did not change."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from beholder.editing.generator import Drawing, Synthesis

Still = Literal["const", "none"]  # noise that is the same in every drawing


class LayerCache:
    """Draws S -> RGB as `Synthesis.draw` does, bit for bit, and keeps what every layer drew.

    The next drawing goes on from the first layer whose style is another: a move of w+ from row 8 on, or of one channel of S,
    leaves all layers before it as they are. Keeping them costs the memory of all activations (about 0.5 GB at 1024 px).
    """

    def __init__(self, synthesis: Synthesis, *, noise: Still = "const") -> None:
        self._synthesis, self._noise = synthesis, noise
        self._layers = synthesis.layers()
        self._styles: list[Tensor] = []
        self._drawings: list[Drawing] = []  # before each layer, and after the last
        self.layers_drawn = 0  # by the last call of `draw`

    @torch.no_grad()
    def draw(self, styles: Sequence[Tensor], *, until: int | None = None) -> Tensor:
        """Draw S, a tensor [N, width] for each layer; `until` stops at a smaller resolution.

        Returns RGB [N, 3, R, R], not to be written to: the next drawing may return it again.
        """
        image = self.drawing(styles, until=until).image
        assert image is not None
        return image

    @torch.no_grad()
    def drawing(self, styles: Sequence[Tensor], *, until: int | None = None) -> Drawing:
        """Draw as `draw` does, and return what the next layer would take, too; none of it is to be written to."""
        if len(styles) != len(self._layers):
            raise ValueError(f"expected the styles of {len(self._layers)} layers, got {len(styles)}")
        layers = self._layers if until is None else self._synthesis.layers(until)
        styles, same = styles[: len(layers)], 0
        while same < min(len(self._styles), len(layers)) and _equal(self._styles[same], styles[same]):
            same += 1
        del self._styles[same:], self._drawings[same + 1 :]
        if same == 0:
            self._drawings = [self._synthesis.blank(len(styles[0]))]
        for layer, style in zip(layers[same:], styles[same:], strict=True):
            self._drawings.append(layer.add(self._drawings[-1], style, self._noise))
            self._styles.append(style)
        self.layers_drawn = len(layers) - same
        return self._drawings[-1]


def _equal(one: Tensor, other: Tensor) -> bool:
    return one is other or torch.equal(one, other)
