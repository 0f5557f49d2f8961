"""CLIP that learns people: LoRA in its vision tower and a learned token per person after CLS, after *Decoding Subjectivity*.

u(person, image, attribute) = cosine(image as this person sees it, text of the attribute) / temperature, so it answers in words:
any text is an attribute. LoRA is Hu et al. 2021; the base weights stay as they are and are kept nowhere but in the encoder's file.
"""

import dataclasses
import hashlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from beholder.config import setting
from beholder.encoder import Encoder, EncoderConfig
from beholder.errors import ConfigError, EmbeddingError, TasteError, nearest
from beholder.taste.clip_text import PersonTextEncoder, PromptTemplates, bare
from beholder.taste.clip_vision import VisionTransformer
from beholder.taste.contract import Normal, TasteInfo
from beholder.taste.dataset import JudgementDataset
from beholder.taste.likelihood import JudgementBatch, JudgementTensors, Likelihood, Objective, scale
from beholder.taste.training import FitTask, TrainingConfig, TrainingHooks
from beholder.taste.training import fit as run_fit
from beholder.taste.validation import HeldOut, ratings_as_pairs

TARGETS = {"mlp": ["c_fc", "c_proj"], "attention": ["q", "k", "v", "out"]}
PERSONS = ("image", "text", "both", "none")
_REMEMBERED = 20_000  # embeddings of images that a taste keeps for the next question, where everybody sees them alike
_ROWS = 256  # images, each seen by one person, that go through the tower at once when nothing is learned


@dataclass(frozen=True)
class LoraConfig:
    """What is adapted, how a person comes in, how an attribute is said, and how it is fitted."""

    encoder: EncoderConfig = setting(EncoderConfig(), "the CLIP that is adapted; the command's own encoder")
    rank: int = setting(4, "of the adapters")
    alpha: float = setting(1.0, "their strength: they are scaled by alpha / rank")
    dropout: float = setting(0.0, "share of the adapters' inputs dropped in training")
    targets: list[str] = setting(["mlp"], "the layers that get adapters: mlp, attention")
    blocks: int = setting(0, "how many of the tower's last blocks are adapted and see the person's token; 0: all of them")
    person: str = setting("image", "image: a token after CLS; text: one before the text's end; both; none: nobody's taste")
    person_dropout: float = setting(0.2, "share of judgements whose person is left out in training, for people it will not know")
    person_decay: float = setting(0.01, "weight decay of what is a person's own")
    person_rate: float = setting(10.0, "learning rate of tokens, scales and cuts, in multiples of the adapters'")
    temperature: float = setting(0.15, "what the cosine is divided by")
    scales: bool = setting(False, "whether each attribute learns a factor on top of that")
    neutral: str | None = setting(None, "a text whose embedding is taken out of every attribute's; null: none is")
    templates: list[str] = setting(
        ["{}", "a {} person", "this person looks {}", "a face that looks {}", "a {} looking face"], "an attribute is their mean"
    )
    texts: dict[str, str] = setting({}, "how an attribute is said to the encoder, where its name is not what it knows")
    ratings_as: str = setting("cuts", "cuts: an ordered logit with each person's own cuts; pairs: the comparisons that they imply")
    pairs: int = setting(200, "with ratings_as=pairs: pairs of a person and attribute, at most")
    cache_mib: int = setting(2048, "what the frozen blocks made of the images is kept up to this size, else made again each time")
    fit: TrainingConfig = setting(TrainingConfig(epochs=10, batch=128, learning_rate=1e-3, patience=3), "the training loop")

    def __post_init__(self) -> None:
        for name, known in (("person", list(PERSONS)), ("ratings_as", ["cuts", "pairs"])):
            if getattr(self, name) not in known:
                raise ConfigError(f"{name}={getattr(self, name)} is not known{nearest(getattr(self, name), known)}")
        if not self.targets or (strange := [name for name in self.targets if name not in TARGETS]):
            raise ConfigError(
                f"targets={self.targets}: expected mlp, attention or both" + (f", not {strange[0]}" if self.targets else "")
            )
        for name in ("rank", "pairs"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("dropout", "person_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"{name} must be in 0..1 and below 1, got {getattr(self, name)}")
        for name in ("blocks", "person_decay", "cache_mib"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} must be 0 or more, got {getattr(self, name)}")
        for name in ("alpha", "temperature", "person_rate"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} must be above 0, got {getattr(self, name)}")
        if not self.templates or any(template.count("{}") != 1 for template in self.templates):
            raise ConfigError(f"templates must be texts with one {{}} each, got {self.templates}")


class PersonTokens(nn.Module):
    """A token for each person: shared + own. Nobody in particular (-1) has the mean one."""

    def __init__(self, people: int, width: int):
        super().__init__()
        self.shared = nn.Parameter(0.02 * torch.randn(width))
        self.people = nn.Parameter(torch.zeros(people, width))

    def forward(self, person: Tensor) -> Tensor:
        own = torch.where((person >= 0)[:, None], self.people[person.clamp(min=0)], self.people.mean(dim=0))
        return self.shared + own


class LoraNetwork(nn.Module):
    """Everything that is fitted around the frozen CLIP."""

    def __init__(self, encoder: Encoder, config: LoraConfig, *, people: int, attributes: Sequence[str]):
        super().__init__()
        name = encoder.config.name
        self.tower = VisionTransformer(encoder.model.visual, blocks=config.blocks, name=name)
        _adapt(self.tower.blocks, config)
        self.tokens = PersonTokens(people, self.tower.width) if config.person in ("image", "both") else None
        self.hearing = PersonTextEncoder(encoder.model, name=name) if config.person in ("text", "both") else None
        self.said = PersonTokens(people, self.hearing.width) if self.hearing is not None else None
        self.scales = nn.Parameter(torch.zeros(len(attributes))) if config.scales else None
        self.wording, self.temperature, self._neutral = (
            PromptTemplates(encoder, config.templates),
            config.temperature,
            config.neutral,
        )
        self.to(encoder.device)
        self._device = encoder.device

    def see(self, tokens: Tensor, person: Tensor) -> Tensor:
        """What `Tower.embed` made of images [N, T, W], as each person [N] sees them: unit embeddings [N, D]."""
        found: Tensor = self.tower(tokens, None if self.tokens is None else self.tokens(person))
        return found

    def heard(self, texts: Sequence[str]) -> "TextTargets":
        """Texts, ready to be compared with what is seen."""
        if self.hearing is not None and self.said is not None:
            neutral = None if self._neutral is None else self.wording.spoken([self._neutral])
            return TextTargets(self.wording.spoken(texts), neutral, self.hearing, self.said)
        found = self.wording.texts(texts)
        if self._neutral is not None:
            found = found - self.wording.texts([self._neutral])
            found /= np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-6)
        return TextTargets(torch.as_tensor(found, dtype=torch.float32, device=self._device))

    def factor(self, attribute: Tensor | None = None) -> Tensor | float:
        """What cosines are multiplied by, [N] for attributes [N]; without any, for a question: the attributes' mean."""
        if self.scales is None:
            return 1 / self.temperature
        return torch.exp(self.scales.mean() if attribute is None else self.scales[attribute]) / self.temperature

    def fitted(self) -> dict[str, Tensor]:
        """What is learned, by name."""
        return {name: parameter for name, parameter in self.named_parameters() if parameter.requires_grad}


@dataclass(frozen=True)
class TextTargets:
    """Texts as embeddings [A, D], the same for everybody; or, with a person's token in them, as token numbers [A, K, L]."""

    texts: Tensor
    neutral: Tensor | None = None
    hearing: PersonTextEncoder | None = None
    said: PersonTokens | None = None

    def __call__(self, person: Tensor, text: Tensor) -> Tensor:
        """Text number `text` as each person hears it, unit embeddings [N, D]; int64 [N] each."""
        if self.hearing is None or self.said is None:
            return self.texts[text]
        once, where = torch.unique(torch.stack([person, text]), dim=1, return_inverse=True)
        token = self.said(once[0])
        found = self.hearing(self.texts[once[1]], token)
        if self.neutral is not None:
            found = found - self.hearing(self.neutral.expand(len(token), -1, -1), token)
            found = nn.functional.normalize(found, dim=-1)
        return found[where]


class _Shown(nn.Module):
    """The network on images by number: utilities less a constant for each attribute, so that they begin around 0."""

    def __init__(self, network: LoraNetwork, heard: TextTargets, tokens: Callable[[Tensor], Tensor]):
        super().__init__()
        self.inner, self._heard, self._tokens = network, heard, tokens
        self._offset: Tensor | None = None

    def forward(self, image: Tensor, person: Tensor, attribute: Tensor) -> Tensor:
        viewer = torch.full_like(person, -1) if self.inner.tokens is None else person
        once, where = torch.unique(torch.stack([image, viewer]), dim=1, return_inverse=True)
        seen = self.inner.see(self._tokens(once[0]), once[1])
        cosine = (seen[where] * self._heard(person, attribute)).sum(dim=1)
        if self._offset is not None:
            cosine = cosine - self._offset[attribute]
        found: Tensor = cosine * self.inner.factor(attribute)
        return found

    def centre(self, images: np.ndarray, attributes: int) -> None:
        """Take out what each attribute's cosine is on average, of some images and nobody in particular."""
        device = self._heard.texts.device
        at = torch.as_tensor(images, device=device)
        nobody = torch.full_like(at, -1)
        with torch.no_grad():
            seen = self.inner.see(self._tokens(at), nobody)
            means = [(seen * self._heard(nobody, torch.full_like(at, a))).sum(dim=1).mean() for a in range(attributes)]
        self._offset = torch.stack(means)


class Lora:
    """A fitted taste that looks at pixels and takes any words for an attribute."""

    def __init__(self, info: TasteInfo, network: LoraNetwork, *, config: LoraConfig, encoder: Encoder, slopes: np.ndarray):
        """slopes: float32 [A], what turns the network's utilities into logits."""
        self.info, self.config, self._slopes = info, config, slopes.astype(np.float32)
        self._network, self._encoder = network.eval().requires_grad_(False), encoder
        self._own = _names(network, config)
        self._seen: dict[bytes, Tensor] = {}

    def __reduce__(self) -> Any:
        """Sent elsewhere it is what was fitted; the base weights are read there."""
        return load, (self.info, dict(self.tensors()), self.settings())

    def utilities(self, items: np.ndarray, user_ids: Sequence[str], attribute: str) -> np.ndarray:
        """As the contract has it; an attribute that it was not fitted to is taken as a question in words."""
        if items.dtype != np.uint8 or items.ndim != 4 or items.shape[3] != 3:
            raise EmbeddingError(f"a lora taste looks at pixels uint8 [N, H, W, 3], got {items.dtype} {list(items.shape)}")
        with torch.inference_mode(), self._encoder.autocast():
            heard, slope = self._heard(attribute)
            people, person_at = np.unique(self.info.rows(user_ids), return_inverse=True)
            once, image_at, digests = _distinct(items)
            found = np.zeros((len(people), len(once)), np.float32)
            who = torch.as_tensor(people, device=self._encoder.device)
            texts = heard(who)
            for start in range(0, len(once), self._encoder.batch_size):
                part = slice(start, start + self._encoder.batch_size)
                if self._network.tokens is None:  # everybody sees the same
                    found[:, part] = (texts @ self._alike(items[once[part]], digests[part]).T).float().cpu()
                else:
                    found[:, part] = self._batch(items[once[part]], who, texts)
        return found[person_at][:, image_at] * np.float32(slope)

    def differences(self, left: np.ndarray, right: np.ndarray, user_id: str, attribute: str) -> Normal:
        found = self.utilities(np.concatenate([left, right]), [user_id], attribute)[0]
        mean = found[: len(left)] - found[len(left) :]
        return Normal(mean, np.zeros_like(mean))

    def tensors(self) -> Mapping[str, np.ndarray]:
        """Adapters, tokens, scales; nothing of the base."""
        state = self._network.state_dict()
        return {name: state[name].float().cpu().numpy() for name in self._own} | {"slope": self._slopes}

    def settings(self) -> dict[str, Any]:
        return dataclasses.asdict(self.config)

    def _heard(self, attribute: str) -> tuple[Callable[[Tensor], Tensor], float]:
        """What gives each person's text [P, D] times the attribute's factor, and the slope."""
        if attribute in self.info.attributes:
            column = self.info.attributes.index(attribute)
            heard = self._network.heard([_said(attribute, self.config)])
            factor = self._network.factor(torch.tensor([column], device=self._encoder.device))
            slope = float(self._slopes[column])
        else:
            heard = self._network.heard([bare(attribute)])
            factor, slope = self._network.factor(), float(np.exp(np.mean(np.log(self._slopes))))
        return lambda people: heard(people, torch.zeros_like(people)) * factor, slope

    def _alike(self, pixels: np.ndarray, digests: list[bytes]) -> Tensor:
        """Images as everybody sees them, [N, D]; those that were asked about before are remembered."""
        fresh = [row for row, digest in enumerate(digests) if digest not in self._seen]
        known = {digest: self._seen[digest] for digest in digests if digest in self._seen}
        if fresh:
            tokens = self._network.tower.embed(self._encoder.prepared(pixels[fresh]))
            seen = self._network.see(tokens, torch.full((len(fresh),), -1, device=tokens.device))
            known |= {digests[row]: vector for row, vector in zip(fresh, seen, strict=True)}
        if len(self._seen) + len(fresh) > _REMEMBERED:
            self._seen.clear()
        self._seen |= known
        return torch.stack([known[digest] for digest in digests])

    def _batch(self, pixels: np.ndarray, who: Tensor, texts: Tensor) -> np.ndarray:
        """Utilities [P, N] of a batch of images for distinct people and their texts [P, D]."""
        tokens = self._network.tower.embed(self._encoder.prepared(pixels))
        found = torch.zeros(len(who), len(tokens))
        step = max(_ROWS // len(tokens), 1)
        for start in range(0, len(who), step):
            some = slice(start, start + step)
            count = len(who[some])
            seen = self._network.see(tokens.repeat(count, 1, 1), who[some].repeat_interleave(len(tokens)))
            found[some] = torch.einsum("pnd,pd->pn", seen.unflatten(0, (count, len(tokens))), texts[some]).cpu()
        return found.numpy()


def fit(
    train: JudgementDataset,
    held_out: JudgementDataset,
    items: np.ndarray,
    config: LoraConfig,
    *,
    encoder_id: str,
    seed: int = 0,
    progress: Callable[[int, int, dict[str, float]], None] = lambda step, steps, figures: None,
    driver: TrainingHooks | None = None,
) -> Lora:
    """Fit to `train`; `held_out` stops it and sets the scale.

    items: pixels uint8 [N, H, W, 3], one for each of train.images. driver: how to run the training loop. Raises TasteError for
    too few judgements, an encoder that is not `encoder_id` or can't be adapted, EmbeddingError for items that don't fit.
    """
    if items.dtype != np.uint8 or items.ndim != 4 or len(items) != len(train.images):
        expected = f"pixels uint8 [{len(train.images)}, H, W, 3]"
        raise EmbeddingError(f"a lora taste is fitted to {expected}, got {items.dtype} {list(items.shape)}")
    if not len(train):
        raise TasteError("expected at least one judgement to fit to, got none")
    _check_encoder(config, encoder_id)
    encoder = Encoder.load(dataclasses.replace(config.encoder, device=config.fit.place()))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = LoraNetwork(encoder, config, people=len(train.people), attributes=train.attributes)
    judged = HeldOut.of(held_out)
    task, shown = _task(train, judged, items, network, encoder, config, seed=seed)
    run_fit(task, config.fit, seed=seed, name="lora", driver=_telling(driver or TrainingHooks(), progress, config))
    slopes = judged.slopes(judged.differences(_asker(shown, encoder.device)))
    info = TasteInfo("lora", encoder_id, train.attributes, train.people, "pixels")
    return Lora(info, network, config=config, encoder=encoder, slopes=slopes)


def load(info: TasteInfo, tensors: Mapping[str, np.ndarray], settings: Mapping[str, Any]) -> Lora:
    """Rebuild what `tensors()` and `settings()` gave, on the base weights of the encoder in the settings.

    Raises TasteError where these are not the encoder it was fitted with, or tensors and settings don't fit each other.
    """
    try:
        parts = {"encoder": EncoderConfig(**settings["encoder"]), "fit": TrainingConfig(**settings["fit"])}
        config = LoraConfig(**{**settings, **parts})
    except (TypeError, KeyError) as error:
        raise TasteError(f"the settings of this lora taste can't be read: {str(error).splitlines()[0]}") from None
    _check_encoder(config, info.encoder_id)
    encoder = Encoder.load(config.encoder)
    network = LoraNetwork(encoder, config, people=len(info.people), attributes=info.attributes)
    own = {name: torch.tensor(np.asarray(value)) for name, value in tensors.items() if name != "slope"}
    wanted = network.fitted()
    if own.keys() != wanted.keys() or "slope" not in tensors:
        odd = sorted(own.keys() ^ wanted.keys()) or ["slope"]
        raise TasteError(f"the tensors of this lora taste don't fit its settings: {odd[0]}")
    for name, value in own.items():
        if value.shape != wanted[name].shape:
            sizes = f"{list(value.shape)} where {list(wanted[name].shape)} was expected"
            raise TasteError(f"the tensors of this lora taste don't fit its settings: {name} is {sizes}")
    network.load_state_dict(own, strict=False)
    return Lora(info, network, config=config, encoder=encoder, slopes=np.asarray(tensors["slope"]))


def without(tensors: Mapping[str, np.ndarray], row: int) -> dict[str, np.ndarray]:
    """Its tensors without the tokens of the person of a row of about.people."""
    return {name: np.delete(value, row, axis=0) if name.endswith(".people") else value for name, value in tensors.items()}


def _adapt(blocks: nn.Module, config: LoraConfig) -> None:
    """Put adapters into blocks; what they add begins as nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of notes on models that this is none of
        import peft

        targets = [layer for name in config.targets for layer in TARGETS[name]]
        peft.inject_adapter_in_model(
            peft.LoraConfig(
                r=config.rank,
                lora_alpha=config.alpha,  # type: ignore[arg-type]
                lora_dropout=config.dropout,
                target_modules=targets,
            ),
            blocks,
        )


def _check_encoder(config: LoraConfig, encoder_id: str) -> None:
    found = config.encoder.encoder_id() if config.encoder.model else "none"
    if found != encoder_id:
        raise TasteError(
            f"this lora taste is for the encoder {encoder_id}, but its settings name {found}; "
            "its base weights have changed, or taste.lora.encoder is not the command's encoder"
        )


def _task(
    train: JudgementDataset,
    judged: HeldOut,
    items: np.ndarray,
    network: LoraNetwork,
    encoder: Encoder,
    config: LoraConfig,
    *,
    seed: int,
) -> tuple[FitTask, _Shown]:
    """What the training loop is given. An example is a sitting: what one person said of one image, or of one pair, on any
    attribute, so that it is looked at once."""
    if config.ratings_as == "pairs":
        train = ratings_as_pairs(train, at_most=config.pairs, seed=seed)
    levels = scale(train.ratings.score)
    heard = network.heard([_said(name, config) for name in train.attributes])
    shown = _Shown(network, heard, _tokens(network, encoder, items, config))
    judgements = JudgementTensors(train, levels=levels, device=encoder.device)
    sittings = _sittings(train)
    some = np.random.default_rng(seed).permutation(_looked_at(train))[:64]
    shown.centre(some, len(train.attributes))
    likelihood = Likelihood(train, levels)
    objective = Objective(shown, likelihood, person_dropout=config.person_dropout).to(encoder.device)
    ask = _asker(shown, encoder.device)

    def take(rows: np.ndarray) -> JudgementBatch:
        return judgements.take(np.concatenate([sittings[row] for row in rows]))

    def judge() -> float:
        return judged.loss(judged.differences(ask))

    return FitTask(objective, len(sittings), take, judge if len(judged) else None, _groups(objective, config)), shown


def _tokens(network: LoraNetwork, encoder: Encoder, items: np.ndarray, config: LoraConfig) -> Callable[[Tensor], Tensor]:
    """image numbers [N] -> what the frozen blocks make of them, [N, T, W]: kept if there is room for all."""

    def embed(rows: np.ndarray) -> Tensor:
        parts = [rows[start : start + encoder.batch_size] for start in range(0, len(rows), encoder.batch_size)]
        with torch.no_grad():
            return torch.cat([network.tower.embed(encoder.prepared(items[part])) for part in parts])

    size = embed(np.arange(1)).nbytes * len(items) / 2**20
    if size > config.cache_mib:
        return lambda image: embed(image.cpu().numpy())
    kept = embed(np.arange(len(items)))
    return lambda image: kept[image]


def _looked_at(train: JudgementDataset) -> np.ndarray:
    """Numbers of the images that anything was said of."""
    return np.unique(np.concatenate([train.ratings.image, train.comparisons.left, train.comparisons.right]))


def _sittings(train: JudgementDataset) -> list[np.ndarray]:
    """Row numbers of judgements (ratings, then comparisons), grouped by person and image or pair."""
    rated, compared = train.ratings, train.comparisons
    one = np.stack([rated.person, rated.image, np.full(len(rated), -1)], axis=1)
    two = np.stack([compared.person, compared.left, compared.right], axis=1)
    _, group = np.unique(np.concatenate([one, two]), axis=0, return_inverse=True)
    group = group.reshape(-1)
    order = np.argsort(group, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(group[order])) + 1)


def _asker(shown: _Shown, device: str) -> Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]:
    """utility(image, person, attribute) in eval mode, for held-out judgements."""

    def utility(image: np.ndarray, person: np.ndarray, attribute: np.ndarray) -> np.ndarray:
        found = np.zeros(len(image), np.float32)
        order = np.lexsort((attribute, person, image))  # what is looked at once lies together
        with torch.inference_mode():
            for start in range(0, len(image), _ROWS):
                rows = order[start : start + _ROWS]
                numbers = (torch.as_tensor(column[rows], device=device) for column in (image, person, attribute))
                found[rows] = shown(*numbers).float().cpu().numpy()
        return found

    return utility


def _groups(objective: Objective, config: LoraConfig) -> list[dict[str, Any]]:
    """Adapters learn and decay as the loop is told; tokens, scales and cuts faster, and only what is a person's own decays."""
    adapters, own, rest = [], [], []
    for name, parameter in objective.named_parameters():
        if not parameter.requires_grad:
            continue
        if ".lora_" in name:
            adapters.append(parameter)
        elif name.endswith((".people", ".shift", ".stretch")):
            own.append(parameter)
        else:
            rest.append(parameter)
    fast = config.fit.learning_rate * config.person_rate
    groups = [
        {"params": adapters, "weight_decay": config.fit.weight_decay},
        {"params": own, "weight_decay": config.person_decay, "lr": fast},
        {"params": rest, "weight_decay": 0.0, "lr": fast},
    ]
    return [group for group in groups if group["params"]]


def _names(network: LoraNetwork, config: LoraConfig) -> list[str]:
    """The names of what is learned, whether or not it is still being learned."""
    own = [name for name, _ in network.named_parameters() if ".lora_" in name or name.startswith(("tokens.", "said."))]
    return own + (["scales"] if config.scales else [])


def _said(attribute: str, config: LoraConfig) -> str:
    return config.texts.get(attribute, attribute)


def _distinct(items: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[bytes]]:
    """The row of the first of each different image, for each row which of these it equals, and a digest of each: pairs repeat their
    images."""
    seen: dict[bytes, int] = {}
    digests = [hashlib.blake2b(item.tobytes(), digest_size=16).digest() for item in items]
    at = np.array([seen.setdefault(digest, len(seen)) for digest in digests], np.int64)
    return np.unique(at, return_index=True)[1], at, list(seen)


def _telling(driver: TrainingHooks, progress: Callable[[int, int, dict[str, float]], None], config: LoraConfig) -> TrainingHooks:
    """The driver, which also tells of its progress."""

    def after(current: TrainingHooks, figures: dict[str, float]) -> None:
        driver.after(current, figures)
        progress(int(figures["epoch"]), config.fit.epochs, figures)

    return dataclasses.replace(driver, after=after)
