"""Drawing: traits become a portrait, composed back to front from anti-aliased shapes."""

import numpy as np
import torch
from torch import Tensor

from beholder.portraits.shapes import Canvas, box, ellipse, glow, join, lumps, palette, stroke
from beholder.portraits.traits import NAMES

_CHUNK = 4  # portraits painted at once: their planes fit in a core's cache

_SKINS = [(1.0, 0.87, 0.77), (0.95, 0.76, 0.61), (0.80, 0.58, 0.42), (0.58, 0.38, 0.26), (0.36, 0.23, 0.17)]
_BACKGROUNDS = [
    (0.96, 0.70, 0.72), (0.98, 0.82, 0.62), (0.93, 0.90, 0.62), (0.68, 0.87, 0.70), (0.60, 0.85, 0.86), (0.65, 0.75, 0.95)
]  # fmt: skip
_CLOTHES = [
    (0.22, 0.42, 0.50), (0.26, 0.34, 0.60), (0.45, 0.32, 0.55), (0.70, 0.32, 0.34), (0.83, 0.45, 0.28), (0.86, 0.62, 0.30)
]  # fmt: skip
_HAIR_DARK = [(0.24, 0.06, 0.08), (0.20, 0.10, 0.06), (0.17, 0.13, 0.07)]
_HAIR_MIDDLE = [(0.66, 0.16, 0.15), (0.58, 0.29, 0.12), (0.56, 0.42, 0.16)]
_HAIR_LIGHT = [(0.97, 0.60, 0.48), (0.95, 0.72, 0.46), (0.99, 0.91, 0.56)]
_IRISES = [(0.30, 0.50, 0.70), (0.28, 0.52, 0.42), (0.42, 0.28, 0.14), (0.25, 0.15, 0.09)]
_HATS = [
    (0.30, 0.55, 0.68), (0.24, 0.38, 0.66), (0.52, 0.36, 0.64), (0.80, 0.36, 0.42), (0.92, 0.52, 0.32), (0.94, 0.72, 0.32)
]  # fmt: skip
_LIPSTICKS = [(0.80, 0.10, 0.22), (0.66, 0.05, 0.25)]

_WHITE = torch.ones(1, 3, 1, 1)
_INK = torch.tensor([0.13, 0.10, 0.12])[None, :, None, None]
_GOLD = torch.tensor([0.98, 0.80, 0.30])[None, :, None, None]


def draw(traits: Tensor, size: int = 128) -> np.ndarray:
    """Draw portraits.

    traits: float [N, T] in 0..1, columns as in `traits.TRAITS`.
    Returns uint8 RGB [N, size, size, 3]; the same traits always give the same pixels.
    """
    if not len(traits):
        return np.zeros((0, size, size, 3), np.uint8)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the planes are small: threads would spend their time waiting for each other
    try:
        pixels = [_paint(part, size) for part in traits.float().split(_CHUNK)]
    finally:
        torch.set_num_threads(threads)
    levels = (torch.cat(pixels).clamp_(0, 1) * 255).round_().to(torch.uint8)
    return levels.permute(0, 2, 3, 1).contiguous().numpy()


class _Sitter:
    """Everything about N people that more than one layer needs: places, sizes and colours."""

    def __init__(self, traits: Tensor) -> None:
        self.trait = {name: traits[:, i].view(-1, 1, 1) for i, name in enumerate(NAMES)}
        t = self.trait
        self.turn = (t["head_turn"] - 0.5) * 2
        self.width = 0.43 + 0.16 * (t["face_width"] - 0.5) * 1.3
        self.x = 0.03 * self.turn  # of the head
        self.face_x = 0.03 * self.turn + 0.13 * self.turn  # of what is in the face
        self.old = ((t["age"] - 0.25) / 0.65).clamp(0, 1)
        self.skin = palette(_SKINS, traits[:, NAMES.index("skin")])
        self.blood = self.skin * torch.tensor([0.92, 0.62, 0.60])[None, :, None, None]
        self.hair = self._hair_colour(traits)
        self.iris = palette(_IRISES, 0.15 + 0.5 * t["skin"].flatten() + 0.5 * (1 - t["hair_lightness"].flatten()) - 0.1)
        self.background = palette(_BACKGROUNDS, traits[:, NAMES.index("background")])
        self.hat = palette(_HATS, 1 - traits[:, NAMES.index("background")])
        self.clothes = palette(_CLOTHES, traits[:, NAMES.index("background")])

    def _hair_colour(self, traits: Tensor) -> Tensor:
        hue, light = traits[:, NAMES.index("hair_hue")], traits[:, NAMES.index("hair_lightness")]
        dark, middle, bright = (palette(stops, hue) for stops in (_HAIR_DARK, _HAIR_MIDDLE, _HAIR_LIGHT))
        place = ((light - 0.12) / 0.76).clamp(0, 1)[:, None, None, None] * 2
        colour = torch.where(place < 1, dark + (middle - dark) * place, middle + (bright - middle) * (place - 1))
        grey = (0.35 + 0.45 * light)[:, None, None, None] * torch.tensor([1.0, 1.0, 1.03])[None, :, None, None]
        greying = (((traits[:, NAMES.index("age")] - 0.62) / 0.3).clamp(0, 1) * 0.6)[:, None, None, None]
        return colour + (grey - colour) * greying

    def eye_x(self, side: int) -> Tensor:
        """Where an eye is: the eye on the side the head turns to comes closer to the nose."""
        return self.face_x + side * (0.195 + 0.12 * (self.width - 0.43)) * (1 - 0.10 * side * self.turn)


def _paint(traits: Tensor, size: int) -> Tensor:
    """Paint a few portraits, float [N, 3, size, size], about 0..1."""
    canvas, sitter = Canvas(len(traits), size), _Sitter(traits)
    for layer in (
        _background, _shoulders, _hair_behind, _neck, _ears, _head, _beard, _wrinkles, _nose, _mouth, _eyes,
        _hair_in_front, _brows, _earrings, _glasses, _hat,
    ):  # fmt: skip
        layer(canvas, sitter)
    return canvas.pixels


def _background(canvas: Canvas, s: _Sitter) -> None:
    x, y = canvas.x, canvas.y
    canvas.pixels += s.background * (1.02 - 0.10 * (y * 0.5 + 0.5)).unsqueeze(1)
    canvas.paint(canvas.cover(ellipse(x, y, 0.0, 0.0, 0.88, 0.88)), _WHITE, 0.28)


def _shoulders(canvas: Canvas, s: _Sitter) -> None:
    with canvas.window(-1, 0.5, 1, 1):
        x, y = canvas.x, canvas.y
        cloth = canvas.cover(join(ellipse(x, y, 0.0, 1.18, 0.74, 0.46), box(x, y, 0.0, 1.2, 0.72, 0.40, 0.2), 0.1))
        folds = 1 - 0.22 * x.abs() - 0.05 * torch.sin(9 * x + 3 * y)
        canvas.paint(cloth, s.clothes * folds.unsqueeze(1))


def _behind(canvas: Canvas, s: _Sitter) -> tuple[Tensor, Tensor]:
    """The outline of the hair behind the head, and how far down it falls."""
    x, y, t = canvas.x - s.x * 0.6, canvas.y, s.trait
    curls, length = t["curls"], ((t["hair_length"] - 0.1) / 0.8).clamp(0, 1)
    fall = 0.02 + 0.92 * length
    reach = s.width + 0.035 + 0.05 * length + 0.05 * curls
    crown = ellipse(x, y, 0.0, -0.16, reach + 0.01, 0.60 + 0.05 * curls)
    wide = reach + 0.05 * length * (y + 0.2).clamp(0, 1)
    curtain = box(x, y, 0.0, (fall - 0.2) / 2, wide, (fall + 0.2) / 2, 0.14)
    return join(crown, curtain, 0.10) - 0.050 * curls * (lumps(x, y, 0.15) - 0.2), fall


def _strands(canvas: Canvas, s: _Sitter) -> Tensor:
    """Light and dark in the hair, [N, 3, h, w]: strands where it is straight, round curls where it is not."""
    x, y, curls = canvas.x - s.x, canvas.y, s.trait["curls"]
    bow = x / (1.15 - 0.35 * (y + 0.75).clamp(0, 1.2))
    straight = 0.055 * torch.sin(46 * bow) + 0.035 * torch.sin(23 * bow + 1.0)
    round_ = 0.17 * lumps(x + 0.012, y + 0.015, 0.15) - 0.05
    shine = 0.20 * torch.exp(-(((y + 0.52 - 0.45 * x * x) / 0.075) ** 2))
    light = 1 + straight + (round_ - straight) * curls + shine * (1 - 0.6 * curls) - 0.10 * (y + 0.3).clamp(0, 1)
    return s.hair * light.unsqueeze(1)


def _hair_behind(canvas: Canvas, s: _Sitter) -> None:
    with canvas.window(-0.85, -0.95, 0.85, 1):
        outline, _ = _behind(canvas, s)
        canvas.paint(canvas.cover(outline), _strands(canvas, s) * 0.74)


def _neck(canvas: Canvas, s: _Sitter) -> None:
    with canvas.window(-0.4, 0.3, 0.4, 1):
        x, y = canvas.x - 0.3 * s.x, canvas.y
        neck = canvas.cover(join(box(x, y, 0.0, 0.55, 0.185, 0.35, 0.1), ellipse(x, y, 0.0, 0.80, 0.25, 0.10), 0.1))
        canvas.paint(neck, s.skin * (0.93 - 0.10 * (x / 0.2) ** 2).unsqueeze(1))
        canvas.shade(neck * glow(x, y, 0.5 * s.x, 0.50, 0.30, 0.17), 0.68)


def _ears(canvas: Canvas, s: _Sitter) -> None:
    for side in (-1, 1):
        with canvas.window(*((-0.8, -0.2, -0.2, 0.3) if side < 0 else (0.2, -0.2, 0.8, 0.3))):
            x, y = canvas.x, canvas.y
            centre = s.x + side * (s.width + 0.015) - 0.05 * s.turn
            ear = canvas.cover(ellipse(x, y, centre, 0.03, 0.085, 0.135))
            canvas.paint(ear, s.skin * 0.95)
            inner = canvas.cover(ellipse(x, y, centre + side * 0.012, 0.03, 0.045, 0.085), soft=0.02)
            canvas.paint(inner, s.blood, 0.40)


def _outline(canvas: Canvas, s: _Sitter) -> Tensor:
    """The head: a cranium and a jaw, grown together."""
    x, y = canvas.x - s.x, canvas.y
    cranium = ellipse(x, y, 0.0, -0.12, s.width, 0.50)
    jaw = ellipse(x, y, 0.02 * s.turn, 0.16, s.width * 0.86, 0.44)
    return join(cranium, jaw, 0.12)


def _head(canvas: Canvas, s: _Sitter) -> None:
    with canvas.window(-0.65, -0.7, 0.65, 0.7):
        x, y = canvas.x - s.x, canvas.y
        head = canvas.cover(_outline(canvas, s))
        round_ = 1.03 - 0.16 * (x / s.width + 0.25).abs() ** 3 * 0.6 - 0.07 * (y - 0.1).clamp_min(0)
        canvas.paint(head, s.skin * round_.unsqueeze(1))
        canvas.paint(head * glow(x, y, 0.0, -0.36, 0.24, 0.14), _WHITE, 0.14)
        rosy = 0.62 - 0.62 * s.trait["age"]
        for side in (-1, 1):
            cheek = s.eye_x(side) * 1.06 - s.x
            canvas.paint(head * glow(x, y, cheek + 0.03 * side, 0.20, 0.13, 0.10), s.blood, rosy)


def _beard(canvas: Canvas, s: _Sitter) -> None:
    with canvas.window(-0.65, 0.0, 0.65, 0.75):
        x, y, fx = canvas.x - s.x, canvas.y, s.face_x - s.x
        outer = ellipse(x, y, 0.02 * s.turn, 0.20, s.width * 0.87, 0.455)
        bare = join(ellipse(x, y, fx, -0.02, s.width * 0.80, 0.30), ellipse(x, y, fx, 0.16, 0.20, 0.08), 0.06)
        edge = torch.maximum(outer, -bare) + 0.010 * torch.sin(44 * x)
        cover = canvas.cover(edge, soft=0.03)
        moustache = canvas.cover(stroke(x, y, fx, 0.245, 0.235, -0.05, 0.045), soft=0.02)
        texture = 0.70 + 0.06 * torch.sin(58 * x + 5 * torch.sin(9 * y)) - 0.10 * (y - 0.35)
        canvas.paint(torch.maximum(cover, moustache), s.hair * texture.unsqueeze(1), 0.94 * s.trait["beard"])


def _wrinkles(canvas: Canvas, s: _Sitter) -> None:
    with canvas.window(-0.55, -0.5, 0.55, 0.45):
        x, y, fx = canvas.x, canvas.y, s.face_x
        line = s.skin * 0.62
        for level, wide in ((-0.36, 0.20), (-0.29, 0.24)):
            forehead = canvas.cover(stroke(x, y, fx, level, wide, 0.015, 0.009), soft=0.006)
            canvas.paint(forehead, line, 0.60 * s.old)
        bare = 1 - s.trait["beard"]
        for side in (-1, 1):
            eye = s.eye_x(side)
            bag = canvas.cover(stroke(x, y, eye, 0.105, 0.10, -0.035, 0.011), soft=0.012)
            canvas.paint(bag, line, 0.75 * s.old)
            out = (x - eye) * side - 0.135
            crow = canvas.cover(torch.maximum((y + 0.005 - 0.5 * out).abs(), (out - 0.03).abs() - 0.035) - 0.007)
            upper = canvas.cover(torch.maximum((y + 0.02 + 0.3 * out).abs(), (out - 0.03).abs() - 0.035) - 0.007)
            crow = torch.maximum(crow, upper)
            canvas.paint(crow, line, 0.55 * s.old)
            fold = (x - fx) * side - 0.135 - 0.34 * (y - 0.16)
            crease = canvas.cover(torch.maximum(fold.abs() - 0.010, (y - 0.23).abs() - 0.10), soft=0.012)
            canvas.paint(crease, line, 0.65 * s.old * (1 - 0.6 * (1 - bare)))


def _nose(canvas: Canvas, s: _Sitter) -> None:
    with canvas.window(-0.35, -0.15, 0.35, 0.3):
        x, y = canvas.x, canvas.y
        tip_x = s.face_x + 0.055 * s.turn
        ridge = s.face_x + 0.055 * s.turn * ((y + 0.1) / 0.25).clamp(0, 1)
        canvas.shade(glow(x, y, ridge + 0.045, 0.06, 0.028, 0.10), 0.90)
        canvas.paint(glow(x, y, ridge - 0.005, 0.03, 0.022, 0.11), _WHITE, 0.16)
        ball = canvas.cover(ellipse(x, y, tip_x, 0.135, 0.078, 0.056), soft=0.015)
        canvas.paint(ball, s.blood * 0.4 + s.skin * 0.58)
        canvas.paint(canvas.cover(ellipse(x, y, tip_x, 0.120, 0.066, 0.050), soft=0.02), s.skin * 1.02)
        for side in (-1, 1):
            canvas.paint(canvas.cover(ellipse(x, y, tip_x + side * 0.036, 0.168, 0.017, 0.010)), s.skin * 0.42, 0.8)


def _mouth(canvas: Canvas, s: _Sitter) -> None:
    with canvas.window(-0.45, 0.15, 0.45, 0.52):
        x, y, t = canvas.x - s.face_x - 0.02 * s.turn, canvas.y, s.trait
        smile = (t["smile"] - 0.41) * 2
        happy = ((t["smile"] - 0.55) / 0.3).clamp(0, 1)
        half = 0.150 + 0.050 * smile
        bend = 0.080 * smile
        level = 0.335 + 0.25 * bend
        natural = s.skin * torch.tensor([0.86, 0.56, 0.55])[None, :, None, None]
        red = palette(_LIPSTICKS, t["skin"].flatten())
        lips = natural + (red - natural) * t["lipstick"].unsqueeze(1)
        full = 0.026 + 0.016 * t["lipstick"]
        open_ = 0.075 * happy
        u = (x / half).clamp(-2, 2)
        top = level - bend * u * u - full * (1 - u * u) * (1 - 0.35 * torch.exp(-((x / 0.035) ** 2)))
        bottom = level - bend * u * u + (open_ + 1.15 * full) * (1 - u * u)
        inside = (u.abs() - 1) * half
        slant = torch.sqrt(1 + (2 * bend * u / half) ** 2)
        outline = torch.maximum(torch.maximum(top - y, y - bottom) / slant, inside) - 0.008
        canvas.paint(canvas.cover(outline), lips)
        inner_top, inner_bottom = top + full * (1 - u * u) * 0.95, bottom - 1.1 * full * (1 - u * u)
        mouth = torch.maximum(torch.maximum(inner_top - y, y - inner_bottom) / slant, inside)
        hole = canvas.cover(mouth) * (happy > 0)
        canvas.paint(hole, lips * 0.35)
        teeth = canvas.cover(torch.maximum(mouth + 0.004, y - inner_top - 0.62 * (open_ + 0.01)))
        canvas.paint(teeth * hole, _WHITE, 0.97)
        seam = (y - (level - bend * u * u)).abs() / slant - 0.009
        canvas.paint(canvas.cover(torch.maximum(seam, inside + 0.004)), lips * 0.45, 0.85 * (1 - happy))
        canvas.paint(glow(x, y, 0.0, level + open_ + 0.6 * full, 0.07, 0.012), _WHITE, 0.10 + 0.25 * t["lipstick"])
        for side in (-1, 1):
            corner = glow(x * side, y, half + 0.02, level - bend, 0.025, 0.025)
            canvas.shade(corner, 0.86)


def _eyes(canvas: Canvas, s: _Sitter) -> None:
    big = 0.097 + 0.105 * (s.trait["eye_size"] - 0.5)
    wide = 0.9 * big + 0.028
    tall = big * (0.80 - 0.16 * s.old)
    level = -0.02
    for side in (-1, 1):
        with canvas.window(*((-0.6, -0.28, 0.25, 0.2) if side < 0 else (-0.25, -0.28, 0.6, 0.2))):
            x, y = canvas.x - s.eye_x(side), canvas.y - level
            u = (x / wide).clamp(-3, 3)
            lid, under = -tall * (1 - u * u), 0.72 * tall * (1 - u * u)
            canvas.shade(glow(x, y, 0.0, -0.03, 1.5 * wide, 1.5 * tall), 0.88)
            slant = torch.sqrt(1 + (2 * tall * u / wide) ** 2)
            almond = torch.maximum(torch.maximum(lid - y, y - under) / slant, (u.abs() - 1) * wide)
            white = canvas.cover(almond)
            canvas.paint(white, _WHITE * (0.97 - 0.9 * (0.06 - (y - lid)).clamp_min(0)).unsqueeze(1))
            look = x - 0.022 * s.turn
            disc = 0.80 * big
            radius = torch.sqrt(look * look + y * y + 1e-6)
            iris = white * canvas.cover(radius - disc)
            depth = 0.75 + 0.9 * (y / disc).clamp(-0.6, 1) * 0.5
            canvas.paint(iris, s.iris * depth.unsqueeze(1) * 1.15)
            canvas.paint(iris * canvas.cover((radius - disc * 0.93).abs() - 0.008), s.iris * 0.45, 0.8)
            canvas.paint(white * canvas.cover(radius - 0.47 * disc), _INK * 0.5)
            canvas.paint(white * canvas.cover(ellipse(look, y, -0.33 * disc, -0.36 * disc, 0.28 * disc, 0.28 * disc)), _WHITE)
            canvas.paint(white * glow(look, y, 0.35 * disc, 0.4 * disc, 0.2 * disc, 0.2 * disc), _WHITE, 0.5)
            edge = torch.maximum((y - lid + 0.006).abs() / slant, (u.abs() - 1.0) * wide) - (0.016 + 0.004 * side * u)
            canvas.paint(canvas.cover(edge), _INK, 0.95)
            lash = stroke(x - side * (wide + 0.012), y + 0.020, 0.0, 0.0, 0.035, 0.0, 0.012)
            canvas.paint(canvas.cover(lash), _INK, 0.8)
            crease = (y - lid + 0.042 + 0.25 * (tall - 0.05)).abs() / slant - 0.006
            canvas.paint(canvas.cover(torch.maximum(crease, (u.abs() - 0.92) * wide), soft=0.005), s.skin * 0.55, 0.55)
            rim = torch.maximum((y - under).abs() / slant, (u.abs() - 0.95) * wide) - 0.005
            canvas.paint(canvas.cover(rim), s.skin * 0.5, 0.55)


def _brows(canvas: Canvas, s: _Sitter) -> None:
    t = s.trait
    thick = 0.012 + 0.042 * t["brow_thickness"]
    lift = -0.225 - 0.09 * (t["eye_size"] - 0.5) - 0.02 * (t["smile"] - 0.5)
    colour = s.hair * 0.62
    with canvas.window(-0.6, -0.4, 0.6, -0.05):
        for side in (-1, 1):
            x, y = canvas.x - s.eye_x(side) - 0.012 * side, canvas.y
            tilt = 0.14 * side * x * (2 * t["smile"] - 0.8)
            hairs = 0.004 * torch.sin(90 * x + 30 * y)
            brow = canvas.cover(stroke(x, y + hairs, 0.0, lift + tilt, 0.145, -0.035, thick), soft=0.004)
            canvas.paint(brow, colour, 0.95)


def _hair_in_front(canvas: Canvas, s: _Sitter) -> None:
    t = s.trait
    with canvas.window(-0.75, -0.9, 0.75, 0.25):
        x, y, fx = canvas.x - s.x, canvas.y, s.face_x - s.x
        curls, bangs, receding = t["curls"], _shown(t["bangs"]), t["receding"]
        bumps = lumps(x, y, 0.15) - 0.2
        outer = ellipse(x, y, 0.0, -0.16, s.width + 0.04 + 0.05 * curls, 0.585 + 0.06 * curls) - 0.05 * curls * bumps
        peak = 0.16 * receding * torch.exp(-(((x - fx) / 0.12) ** 2))
        high = -0.32 - 0.36 * receding
        temple = s.width - 0.045 - 0.03 * receding
        face = ellipse(x, y, 0.6 * fx, 0.14, temple, (0.14 - high).clamp_min(0.05)) + peak
        scallop = 0.014 * torch.sin(24 * (x - fx)).abs() + 0.03 * curls * bumps
        fringe_low = -0.225 - 0.06 * ((x - fx) / 0.35) ** 2 + scallop - 0.25 * (1 - bangs)
        side_low = -0.02 + 0.12 * (1 - receding)
        cap = torch.maximum(torch.maximum(outer, -face - 0.018 * curls * bumps), y - side_low - 0.03 * torch.sin(30 * x))
        strands = _strands(canvas, s)
        shadow = canvas.cover(torch.maximum(outer, -face - 0.03), soft=0.06) * (y < 0)
        canvas.shade(shadow * canvas.cover(_outline(canvas, s)), 0.84)
        canvas.paint(canvas.cover(cap), strands)
        fringe = torch.maximum(outer, y - fringe_low)
        near = canvas.cover(fringe - 0.035, soft=0.04) * canvas.cover(_outline(canvas, s))
        canvas.shade(near * bangs, 0.86)
        canvas.paint(canvas.cover(fringe), strands * (0.95 + 0.05 * torch.sin(24 * (x - fx))).unsqueeze(1), _solid(bangs))


def _earrings(canvas: Canvas, s: _Sitter) -> None:
    worn = _shown(s.trait["earrings"])
    thin, solid = 0.04 * (1 - worn), _solid(worn)
    for side in (-1, 1):
        with canvas.window(*((-0.8, 0.05, -0.2, 0.42) if side < 0 else (0.2, 0.05, 0.8, 0.42))):
            x, y = canvas.x, canvas.y
            centre = s.x + side * (s.width + 0.03) - 0.05 * s.turn
            canvas.paint(canvas.cover(ellipse(x, y, centre, 0.165, 0.024, 0.024) + thin), _GOLD * 0.8, solid)
            ring = (ellipse(x, y, centre, 0.265, 0.062, 0.085) + 0.016).abs() - 0.016 + thin
            canvas.paint(canvas.cover(ring - 0.006), _GOLD * 0.55, solid)
            canvas.paint(canvas.cover(ring), _GOLD * (1.1 - 1.5 * (y - 0.2).abs()).unsqueeze(1), solid)


def _glasses(canvas: Canvas, s: _Sitter) -> None:
    worn = _shown(s.trait["glasses"])
    with canvas.window(-0.7, -0.3, 0.7, 0.25):
        x, y, fx = canvas.x, canvas.y, s.face_x
        centres = {side: s.eye_x(side) + 0.01 * side for side in (-1, 1)}
        rims = {side: box(x, y, centres[side], 0.0, 0.165, 0.155, 0.14) for side in (-1, 1)}
        lens = torch.minimum(rims[-1], rims[1])
        inside = canvas.cover(lens)
        glints = [canvas.cover((x - centres[side] + y + 0.10).abs() - 0.018, soft=0.01) for side in (-1, 1)]
        canvas.paint(inside, _WHITE, 0.10 * worn)
        canvas.paint(inside * (glints[0] + glints[1]).clamp(0, 1), _WHITE, 0.38 * worn)
        bridge = stroke(x, y, fx, -0.045, 0.075, -0.03, 0.022)
        arms = torch.maximum(torch.maximum((y + 0.03).abs() - 0.015, (x - s.x).abs() - s.width), -lens)
        frame = torch.minimum(torch.minimum((lens + 0.002).abs() - 0.019, bridge), arms) + 0.03 * (1 - worn)
        canvas.paint(canvas.cover(frame), _INK, _solid(worn))


def _hat(canvas: Canvas, s: _Sitter) -> None:
    worn, colour = _shown(s.trait["hat"]), s.hat
    shrunk = 2 / (1 + worn) - 1  # a hat half put on is a smaller one, on top of the head
    solid = _solid(worn)
    with canvas.window(-0.8, -1, 0.8, -0.25):
        x, y = canvas.x - s.x, canvas.y
        x, y, scale = x + x * shrunk, y + (y + 0.66) * shrunk, 1 / (1 + shrunk)
        reach = s.width + 0.085
        dome = torch.maximum(ellipse(x, y, 0.0, -0.40, reach, 0.46), y + 0.40)
        knit = 1 - 0.09 * torch.sin(44 * x / (1.05 + 0.5 * (y + 0.4))).abs() - 0.25 * (x / reach) ** 2
        pompom = ellipse(x, y, 0.0, -0.85, 0.115, 0.105) - 0.012 * lumps(x, y, 0.06)
        tuft = (colour * 0.5 + 0.5) * (1 + 0.08 * lumps(x, y, 0.06)).unsqueeze(1)
        canvas.paint(canvas.cover(pompom * scale), tuft, solid)
        canvas.paint(canvas.cover(dome * scale), colour * knit.unsqueeze(1), solid)
        band = box(x, y + 0.06 * (x / reach) ** 2, 0.0, -0.415, reach + 0.015, 0.085, 0.06)
        ribs = 0.93 - 0.14 * torch.sin(40 * x).abs() - 0.22 * (x / reach) ** 2
        canvas.paint(canvas.cover(band * scale), (colour * 0.65 + 0.33) * ribs.unsqueeze(1), solid)


def _shown(worn: Tensor) -> Tensor:
    """How far something worn has grown, 0..1, from a yes/no trait between no and yes."""
    return ((worn - 0.15) / 0.7).clamp(0, 1)


def _solid(shown: Tensor) -> Tensor:
    """The opacity of what grows instead of fading in: full from a third of its size on."""
    return (3 * shown).clamp(0, 1)
