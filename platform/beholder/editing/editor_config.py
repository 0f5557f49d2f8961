"""Settings of the editor: the generator that ships, how pictures are drawn, how closely photos are inverted.

They are here, and not in `stylegan` and `inversion`, for those who only pass them on: a process of the API needs no torch.
"""

from dataclasses import dataclass

from beholder.config import setting
from beholder.errors import ConfigError

SHIPPED = "portraits"  # the name of the generator that ships with the project
EDGES = 0.5  # what differences between neighbouring pixels count beside the pixels


@dataclass(frozen=True)
class StyleGANConfig:
    """How pictures are drawn."""

    device: str = setting("auto", "cpu, cuda or cuda:N; auto takes a GPU where there is one")
    batch: int | None = setting(
        None, "pictures in one pass of the network; null: 1 on a CPU, which is as fast there, and 16 on a GPU"
    )
    noise: str = setting("const", "const: the same noise in every picture; none: without. Fresh noise would make pairs differ")
    truncation: float = setting(1.0, "below 1 pulls generated pictures towards the mean one")
    features: bool = setting(True, "keep the detail of photos as features, where the generator has networks for that")

    def __post_init__(self) -> None:
        if self.noise not in ("const", "none"):
            raise ConfigError(f"noise must be const or none, so that two pictures differ in their edit alone, not {self.noise!r}")
        if self.batch is not None and self.batch < 1:
            raise ConfigError(f"batch must be at least 1, got {self.batch}")
        if not 0 <= self.truncation <= 1:
            raise ConfigError(f"truncation must be between 0 and 1, got {self.truncation}")


@dataclass(frozen=True)
class Refinement:
    """How an inversion is brought closer: steps of Adam on w+, held near where it began so that edits still work."""

    steps: int = setting(50, "steps of optimisation that bring an inversion closer; 0: one pass of the encoder")
    seconds: float | None = setting(None, "stop after this long, however many steps were done; null: never")
    learning_rate: float = setting(0.06, "in units of the latent space's spread, falling to a tenth")
    stay: float = setting(
        0.002, "how strongly w+ is held near what the encoder gave, or where that is no use its rows near each other"
    )
    feature_steps: int = setting(20, "steps that bring features closer that keep a photo's detail, where there are such")
    edges: float = setting(EDGES, "what differences between neighbouring pixels count beside the pixels")

    def __post_init__(self) -> None:
        if self.feature_steps < 0:
            raise ConfigError(f"refinement.feature_steps must be at least 0, got {self.feature_steps}")
        if self.steps < 0 or (self.seconds is not None and self.seconds <= 0):
            raise ConfigError(f"refinement needs steps >= 0 and seconds above 0, got {self.steps} and {self.seconds}")
        if not self.learning_rate > 0 or self.stay < 0 or self.edges < 0:
            raise ConfigError("refinement needs a learning_rate above 0, and stay and edges of at least 0")
