"""CLIP that learns people: LoRA in its vision tower and a learned token per person after CLS, after *Decoding Subjectivity*.

u(person, image, attribute) = cosine(image with this person's token, text of the attribute) / temperature, so it answers in words:
any text is an attribute. LoRA is Hu et al. 2021; the base weights stay as they are and are kept nowhere but in the encoder's file.
"""

import dataclasses
import hashlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from beholder.cache import BoundedCache
from beholder.config import setting
from beholder.encoder import Encoder, EncoderConfig
from beholder.errors import ConfigError, EmbeddingError, TasteError, nearest
from beholder.runs import log
from beholder.taste.batch_limit import BatchLimit
from beholder.taste.clip_text import PersonTextEncoder, PromptTemplates, bare
from beholder.taste.clip_vision import VisionTransformer
from beholder.taste.contract import Normal, Progress, TasteInfo, TasteSettings, no_progress
from beholder.taste.dataset import ComparisonTable, Groups, JudgementDataset
from beholder.taste.frozen_features import FeatureRoom, FrozenFeatures
from beholder.taste.likelihood import JudgementBatch, JudgementTensors, Likelihood, Objective, RatingLevels
from beholder.taste.training import FitTask, TrainingConfig, TrainingHooks, with_progress
from beholder.taste.training import fit as run_fit
from beholder.taste.validation import HeldOut, pairs, ratings_as_pairs
from beholder.taste.zero_shot import PARTS, HeldOutAttribute, ZeroShotAnswers, ZeroShotWeights
from beholder.taste.zero_shot import learn as learn_zero_shot

TARGETS = {"mlp": ["c_fc", "c_proj"], "attention": ["q", "k", "v", "out"]}
PERSONS = ("image", "text", "both", "none")
ZERO_SHOT = ("clip", "adapted", "mixed")
# Settings as version 0.1.0 wrote them into cards.
_STORED_SETTINGS = {"rank": "r", "alpha": "lora_alpha", "dropout": "lora_dropout", "targets": "target_modules"}
_REMEMBERED = 20_000  # embeddings of images that a taste keeps for the next question, where they are the same for everybody
_ROWS, _ROWS_ON_GPU = 256, 4096
_ZERO_SHOT = "zero_shot"  # the tensor of the weights of zero-shot answers; tastes of before have none
_ZERO_SHOT_PAIRS = 2000  # held-out pairs of an attribute by which these are learned, at most


@dataclass(frozen=True)
class LoraConfig:
    """Settings of LoRA (under peft's names), of the person's token, of an attribute's text, and of the fit."""

    encoder: EncoderConfig = setting(EncoderConfig(), "the CLIP that is adapted; the command's own encoder")
    r: int = setting(4, "LoRA rank")
    lora_alpha: float = setting(1.0, "LoRA alpha: what LoRA adds is scaled by lora_alpha / r")
    lora_dropout: float = setting(0.0, "LoRA dropout: share of the inputs of LoRA layers dropped in training")
    target_modules: list[str] = setting(["mlp"], "the layers of a block that get LoRA: mlp, attention")
    blocks: int = setting(0, "how many of the tower's last blocks are adapted and see the person's token; 0: all of them")
    person: str = setting("image", "image: a token after CLS; text: one before the text's end; both; none: the population's taste")
    person_dropout: float = setting(0.2, "share of judgements whose person is left out in training, for people it will not know")
    person_decay: float = setting(0.01, "weight decay of what is a person's own")
    person_rate: float = setting(10.0, "learning rate of tokens, scales and cuts, in multiples of that of LoRA")
    temperature: float = setting(0.15, "what the cosine is divided by")
    scales: bool = setting(False, "whether each attribute learns a factor on top of that")
    neutral: str | None = setting(None, "a text whose embedding is taken out of every attribute's; null: none is")
    templates: list[str] = setting(
        ["{}", "a {} person", "this person looks {}", "a face that looks {}", "a {} looking face"], "an attribute is their mean"
    )
    texts: dict[str, str] = setting({}, "the text that stands for an attribute, where its name is not what the encoder knows")
    zero_shot: str = setting(
        "clip",
        "what answers a question in words that was not fitted to: clip: CLIP before it was adapted; adapted: the adapted one; "
        "mixed: both and the attributes that were, weighted by fits that hold out an attribute each (a fit more for each)",
    )
    ratings_as: str = setting("cuts", "cuts: an ordered logit with each person's own cuts; pairs: the comparisons that they imply")
    pairs: int = setting(200, "with ratings_as=pairs: pairs of a person and attribute, at most")
    cache_mib: int = setting(2048, "MiB of memory up to which outputs of the frozen blocks are kept; above, they are computed anew")
    gpu_share: float = setting(0.5, "share of a GPU's free memory in which they are kept first")
    fit: TrainingConfig = setting(
        TrainingConfig(epochs=10, batch=128, learning_rate=1e-3, patience=3, precision="auto"), "the training loop"
    )

    def __post_init__(self) -> None:
        for name, known in (
            ("person", list(PERSONS)),
            ("ratings_as", ["cuts", "pairs"]),
            ("zero_shot", list(ZERO_SHOT)),
        ):
            if getattr(self, name) not in known:
                raise ConfigError(f"{name}={getattr(self, name)} is not known{nearest(getattr(self, name), known)}")
        if not self.target_modules or (strange := [name for name in self.target_modules if name not in TARGETS]):
            wrong = f", not {strange[0]}" if self.target_modules else ""
            raise ConfigError(f"target_modules={self.target_modules}: expected mlp, attention or both{wrong}")
        for name in ("r", "pairs"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("lora_dropout", "person_dropout", "gpu_share"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"{name} must be in 0..1 and below 1, got {getattr(self, name)}")
        for name in ("blocks", "person_decay", "cache_mib"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} must be 0 or more, got {getattr(self, name)}")
        for name in ("lora_alpha", "temperature", "person_rate"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} must be above 0, got {getattr(self, name)}")
        if not self.templates or any(template.count("{}") != 1 for template in self.templates):
            raise ConfigError(f"templates must be texts with one {{}} each, got {self.templates}")


class PersonTokens(nn.Module):
    """A token for each person: shared + own. Person -1, nobody in particular, has the mean one."""

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
        self.text_encoder = PersonTextEncoder(encoder.model, name=name) if config.person in ("text", "both") else None
        self.text_tokens = PersonTokens(people, self.text_encoder.width) if self.text_encoder is not None else None
        self.scales = nn.Parameter(torch.zeros(len(attributes))) if config.scales else None
        self.prompts = PromptTemplates(encoder, config.templates)
        self.temperature, self._neutral = config.temperature, config.neutral
        self.to(encoder.device)
        self._device = encoder.device

    def embed(self, tokens: Tensor, person: Tensor) -> Tensor:
        """Return images, as tokens [N, T, W] of `VisionTransformer.embed`, for each person [N]: unit embeddings [N, D]."""
        # Kept tokens may be in bf16; what is added up over the blocks is not, as in any fit under autocast.
        embeddings: Tensor = self.tower(tokens.float(), None if self.tokens is None else self.tokens(person))
        return embeddings

    def targets(self, texts: Sequence[str]) -> "TextTargets":
        """Return texts, ready to be compared with images."""
        if self.text_encoder is not None and self.text_tokens is not None:
            neutral = None if self._neutral is None else self.prompts.tokens([self._neutral])
            return TextTargets(self.prompts.tokens(texts), neutral, self.text_encoder, self.text_tokens)
        return TextTargets(torch.as_tensor(self.plain_texts(texts), dtype=torch.float32, device=self._device))

    def plain_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Return texts without a person's token, float32 [A, D], rows of length 1."""
        embeddings = self.prompts.embed(texts)
        if self._neutral is not None:
            embeddings = embeddings - self.prompts.embed([self._neutral])
            embeddings /= np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-6)
        return embeddings

    def factor(self, attribute: Tensor | None = None) -> Tensor | float:
        """Return what cosines are multiplied by, [N] for attributes [N]; without any, for a question: the attributes' mean."""
        if self.scales is None:
            return 1 / self.temperature
        return torch.exp(self.scales.mean() if attribute is None else self.scales[attribute]) / self.temperature

    def fitted(self) -> dict[str, Tensor]:
        """Return what is learned, by name."""
        return {name: parameter for name, parameter in self.named_parameters() if parameter.requires_grad}


@dataclass(frozen=True)
class TextTargets:
    """Texts as embeddings [A, D], the same for everybody; or, with a person's token in them, as token numbers [A, K, L]."""

    texts: Tensor
    neutral: Tensor | None = None
    encoder: PersonTextEncoder | None = None
    tokens: PersonTokens | None = None

    def __call__(self, person: Tensor, text: Tensor) -> Tensor:
        """Return text number `text` for each person, unit embeddings [N, D]; int64 [N] each."""
        if self.encoder is None or self.tokens is None:
            return self.texts[text]
        once, where = torch.unique(torch.stack([person, text]), dim=1, return_inverse=True)
        token = self.tokens(once[0])
        embeddings: Tensor = self.encoder(self.texts[once[1]], token)
        if self.neutral is not None:
            embeddings = embeddings - self.encoder(self.neutral.expand(len(token), -1, -1), token)
            embeddings = nn.functional.normalize(embeddings, dim=-1)
        return embeddings[where]


class _ImageLookup(nn.Module):
    """The network on images by number: utilities less a constant for each attribute, so that they begin around 0."""

    def __init__(self, network: LoraNetwork, targets: TextTargets, tokens: Callable[[Tensor], Tensor]):
        super().__init__()
        self.inner, self._targets, self._tokens = network, targets, tokens
        self._offset: Tensor | None = None

    def forward(self, image: Tensor, person: Tensor, attribute: Tensor) -> Tensor:
        viewer = torch.full_like(person, -1) if self.inner.tokens is None else person
        once, where = torch.unique(torch.stack([image, viewer]), dim=1, return_inverse=True)
        embeddings = self.inner.embed(self._tokens(once[0]), once[1])
        cosine = (embeddings[where] * self._targets(person, attribute)).sum(dim=1)
        if self._offset is not None:
            cosine = cosine - self._offset[attribute]
        utilities: Tensor = cosine * self.inner.factor(attribute)
        return utilities

    def centre(self, images: np.ndarray, attributes: int) -> None:
        """Take out what each attribute's cosine is on average, of some images and nobody in particular."""
        device = self._targets.texts.device
        at = torch.as_tensor(images, device=device)
        nobody = torch.full_like(at, -1)
        with torch.no_grad():
            embeddings = self.inner.embed(self._tokens(at), nobody)
            texts = [self._targets(nobody, torch.full_like(at, number)) for number in range(attributes)]
            means = [(embeddings * text).sum(dim=1).mean() for text in texts]
        self._offset = torch.stack(means)


class _Loaded(NamedTuple):
    """The encoder of a fitted taste and the network around it, in eval mode."""

    encoder: Encoder
    network: LoraNetwork


class Lora:
    """A fitted taste that takes pixels, and any words for an attribute.

    The base weights are read when it is first asked for a utility: a process that only passes it on, keeps it or reports on it
    needs neither their memory nor a GPU.
    """

    def __init__(
        self,
        info: TasteInfo,
        tensors: Mapping[str, np.ndarray],
        *,
        config: LoraConfig,
        loaded: _Loaded | None = None,
    ):
        """tensors: what was learned; slope float32 [A], the factors that turn the network's utilities into logits; zero_shot
        float32 [5], the weights by which questions in words are answered, where there are any."""
        self.info, self.config = info, config
        self._tensors, self._scales = dict(tensors), np.asarray(tensors["slope"], np.float32)
        stored = tensors.get(_ZERO_SHOT)
        self.zero_shot = ZeroShotWeights.of_adapted() if stored is None else ZeroShotWeights(np.asarray(stored, np.float64))
        self._loaded = loaded
        self._embeddings: BoundedCache[bytes, Tensor] = BoundedCache(_REMEMBERED)

    def __reduce__(self) -> tuple[Callable[..., "Lora"], tuple[TasteInfo, dict[str, np.ndarray], LoraConfig]]:
        """Pickle what was fitted; the base weights are read again where it is unpickled and asked."""
        return _later, (self.info, dict(self.tensors()), self.config)

    @property
    def _encoder(self) -> Encoder:
        return self._ready().encoder

    @property
    def _network(self) -> LoraNetwork:
        return self._ready().network

    def _ready(self) -> _Loaded:
        if self._loaded is None:
            self._loaded = _load(self.info, self._tensors, self.config)
        return self._loaded

    def utilities(self, items: np.ndarray, user_ids: Sequence[str], attribute: str) -> np.ndarray:
        """Return what the contract says; an attribute that it was not fitted to is taken as a question in words."""
        if items.dtype != np.uint8 or items.ndim != 4 or items.shape[3] != 3:
            raise EmbeddingError(f"a lora taste takes pixels uint8 [N, H, W, 3], got {items.dtype} {list(items.shape)}")
        if attribute in self.info.attributes:
            return self._adapted(items, user_ids, attribute)
        return np.asarray(self.answer(items, user_ids, attribute, self.zero_shot), np.float32)

    def answer(self, items: np.ndarray, user_ids: Sequence[str], question: str, weights: ZeroShotWeights) -> np.ndarray:
        """Return utilities for a question in words that it was not fitted to, float64 [P, N], mixed by these weights."""
        return weights.mix(self.zero_shot_answers(items, user_ids, question, weights))

    def zero_shot_answers(
        self, items: np.ndarray, user_ids: Sequence[str], question: str, weights: ZeroShotWeights | None = None
    ) -> ZeroShotAnswers:
        """Return what a question in words is answered from. weights: what has the weight 0 is 0; None: all is asked."""
        nobody = [*user_ids, ""]
        clip = np.zeros(len(items))
        if weights is None or weights["clip"] > 0:
            text = self._network.plain_texts([bare(question)])[0]
            clip = (self._encoder.images(items) @ text).astype(np.float64) / self.config.temperature
        asked = attributes = np.zeros((len(nobody), len(items)))
        if weights is None or weights.adapted:
            asked = self._adapted(items, nobody, question).astype(np.float64)
        if self.info.attributes and (weights is None or weights.attributes):
            attributes = np.mean([self._adapted(items, nobody, name) for name in self.info.attributes], axis=0, dtype=np.float64)
        return ZeroShotAnswers(clip, asked[-1], asked[:-1] - asked[-1], attributes[-1], attributes[:-1] - attributes[-1])

    def _adapted(self, items: np.ndarray, user_ids: Sequence[str], attribute: str) -> np.ndarray:
        """Return utilities by the adapted CLIP, float32 [P, N], for an attribute that was fitted to or any words."""
        with torch.inference_mode(), self._encoder.autocast():
            targets, scale = self._targets(attribute)
            people, person_at = np.unique(self.info.rows(user_ids), return_inverse=True)
            once, image_at, digests = _distinct(items)
            utilities = np.zeros((len(people), len(once)), np.float32)
            who = torch.as_tensor(people, device=self._encoder.device)
            texts = targets(who)

            def batch(rows: np.ndarray) -> np.ndarray:
                if self._network.tokens is None:  # an image is the same for everybody
                    vectors = self._shared(items[once[rows]], [digests[row] for row in rows])
                    return np.asarray((texts @ vectors.to(texts.dtype).T).float().cpu().numpy())
                return self._batch(items[once[rows]], who, texts)

            limit = BatchLimit(self._encoder.batch_size, name="lora: images")
            if len(once):
                utilities[:] = np.concatenate(limit.each(np.arange(len(once)), batch), axis=1)
        return np.asarray(utilities[person_at][:, image_at] * np.float32(scale))

    def utilities_of_pairs(self, items: np.ndarray, image: np.ndarray, user_ids: Sequence[str], person: np.ndarray) -> np.ndarray:
        """Return the utility on every attribute of pairs of an image and a person, float32 [M, A], in large batches.

        items: pixels uint8 [N, H, W, 3], which may lie in a file. image, person: int64 [M], rows of items and of user_ids. Each
        image goes through the frozen blocks once, and each pair through the others once, however many attributes there are.
        """
        encoder, network = self._ready()
        once, at = np.unique(image, return_inverse=True)
        rows = self.info.rows(user_ids)[person]
        viewer = np.full_like(rows, -1) if network.tokens is None else rows
        pairs, where = np.unique(np.stack([at.reshape(-1), viewer]), axis=1, return_inverse=True)
        who, who_at = np.unique(rows, return_inverse=True)
        utilities = np.zeros((len(image), len(self.info.attributes)), np.float32)
        if not len(image):
            return utilities
        limit = BatchLimit(_rows(encoder.device), name="lora: images and people judged at once")
        with torch.inference_mode(), encoder.autocast():
            features = FrozenFeatures(network.tower, encoder, items, rows=once, room=_room(encoder, self.config))

            def through(some: np.ndarray) -> Tensor:
                numbers, people = (torch.as_tensor(column[some], device=encoder.device) for column in pairs)
                return network.embed(features(numbers), people)

            embeddings = torch.cat(limit.each(np.arange(pairs.shape[1]), through))
            people = torch.as_tensor(who, device=encoder.device)
            for column, attribute in enumerate(self.info.attributes):
                targets, scale = self._targets(attribute)
                texts = targets(people).float()
                for start in range(0, len(image), _ROWS_ON_GPU):
                    part = slice(start, start + _ROWS_ON_GPU)
                    product = embeddings[where.reshape(-1)[part]] * texts[who_at.reshape(-1)[part]]
                    utilities[part, column] = (product.sum(dim=1) * scale).cpu().numpy()
        return utilities

    def differences(self, left: np.ndarray, right: np.ndarray, user_id: str, attribute: str) -> Normal:
        utility = self.utilities(np.concatenate([left, right]), [user_id], attribute)[0]
        mean = utility[: len(left)] - utility[len(left) :]
        return Normal(mean, np.zeros_like(mean))

    def tensors(self) -> Mapping[str, np.ndarray]:
        """Return LoRA weights, tokens, scales; nothing of the base."""
        return dict(self._tensors)

    def settings(self) -> TasteSettings:
        return dataclasses.asdict(self.config)

    def _targets(self, attribute: str) -> tuple[Callable[[Tensor], Tensor], float]:
        """Return what gives each person's text [P, D] times the attribute's factor, and the logit scale."""
        if attribute in self.info.attributes:
            column = self.info.attributes.index(attribute)
            targets = self._network.targets([_text(attribute, self.config)])
            factor = self._network.factor(torch.tensor([column], device=self._encoder.device))
            scale = float(self._scales[column])
        else:
            targets = self._network.targets([bare(attribute)])
            factor, scale = self._network.factor(), float(np.exp(np.mean(np.log(self._scales))))
        return lambda people: targets(people, torch.zeros_like(people)) * factor, scale

    def _shared(self, pixels: np.ndarray, digests: list[bytes]) -> Tensor:
        """Return the embeddings that are the same for everybody, [N, D]; those of images asked about before are remembered."""
        known = {digest: vector for digest in digests if (vector := self._embeddings.get(digest)) is not None}
        fresh = [row for row, digest in enumerate(digests) if digest not in known]
        if fresh:
            tokens = self._network.tower.embed(self._encoder.prepared(pixels[fresh]))
            vectors = self._network.embed(tokens, torch.full((len(fresh),), -1, device=tokens.device))
            for row, vector in zip(fresh, vectors, strict=True):
                known[digests[row]] = vector
                self._embeddings.put(digests[row], vector)
        return torch.stack([known[digest] for digest in digests])

    def _batch(self, pixels: np.ndarray, who: Tensor, texts: Tensor) -> np.ndarray:
        """Return utilities [P, N] of a batch of images for distinct people and their texts [P, D]."""
        tokens = self._network.tower.embed(self._encoder.prepared(pixels))
        utilities = torch.zeros(len(who), len(tokens))
        step = max(_ROWS // len(tokens), 1)
        for start in range(0, len(who), step):
            some = slice(start, start + step)
            count = len(who[some])
            vectors = self._network.embed(tokens.repeat(count, 1, 1), who[some].repeat_interleave(len(tokens)))
            utilities[some] = torch.einsum("pnd,pd->pn", vectors.reshape(count, len(tokens), -1), texts[some]).cpu()
        return np.asarray(utilities.numpy())


def fit(
    train: JudgementDataset,
    held_out: JudgementDataset,
    items: np.ndarray,
    config: LoraConfig,
    *,
    encoder_id: str,
    seed: int = 0,
    progress: Progress = no_progress,
    hooks: TrainingHooks | None = None,
) -> Lora:
    """Fit to `train`; `held_out` stops it and sets the scale.

    items: pixels uint8 [N, H, W, 3], one for each of train.images, which may lie in a file (np.memmap): a batch is read at a time.
    hooks: how the training loop runs. Raises TasteError for too few judgements, an encoder that is not `encoder_id` or can't be
    adapted, EmbeddingError for items that don't fit.
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
    validation = HeldOut.of(held_out)
    task, lookup = _task(train, validation, items, network, encoder, config, seed=seed)
    reporting = with_progress(hooks, progress, total=config.fit.epochs)
    run_fit(task, config.fit, seed=seed, name="lora", hooks=reporting)
    scales = validation.logit_scales(validation.differences(_utility(lookup, encoder, config)))
    info = TasteInfo("lora", encoder_id, train.attributes, train.people, "pixels")
    state = network.state_dict()
    learned = {_stored_name(name): state[name].float().cpu().numpy() for name in _names(network, config)}
    loaded = _Loaded(encoder, network.eval().requires_grad_(False))
    taste = Lora(info, learned | {"slope": scales.astype(np.float32)}, config=config, loaded=loaded)
    if config.zero_shot == "adapted":
        return taste
    weights = _zero_shot_weights(taste, train, held_out, items, seed=seed)
    return Lora(info, dict(taste.tensors()) | {_ZERO_SHOT: weights.values.astype(np.float32)}, config=config, loaded=loaded)


def _zero_shot_weights(
    taste: Lora, train: JudgementDataset, held_out: JudgementDataset, items: np.ndarray, *, seed: int
) -> ZeroShotWeights:
    """Return the weights by which a taste answers questions: of CLIP alone, at the scale of held-out judgements, or of a mixture,
    learned by fits that hold out an attribute each. Those fits are one process's own, and leave no checkpoint."""
    config, mixed = taste.config, taste.config.zero_shot == "mixed" and len(train.attributes) > 1
    found = []
    for number, name in enumerate(train.attributes):
        asked = pairs(held_out.on_attribute(number), seed=seed)
        if len(asked) > _ZERO_SHOT_PAIRS:
            asked = asked[np.sort(np.random.default_rng(seed).choice(len(asked), _ZERO_SHOT_PAIRS, replace=False))]
        inner = taste
        if mixed:
            others = dataclasses.replace(config, zero_shot="adapted")
            rest, rest_held_out = train.without_attribute(name), held_out.without_attribute(name)
            if not len(rest) or not len(asked):
                continue
            log.info("zero-shot answers: a fit without %s", name)
            inner = fit(rest, rest_held_out, items, others, encoder_id=taste.info.encoder_id, seed=seed)
        found.append(_asked_in_words(inner, held_out.people, asked, items, _text(name, config), clip_alone=not mixed))
    return learn_zero_shot(found)


def _asked_in_words(
    taste: Lora, people: Sequence[str], asked: ComparisonTable, items: np.ndarray, question: str, *, clip_alone: bool
) -> HeldOutAttribute:
    """Return what a taste makes of pairs, asked in words. clip_alone: whether nothing but CLIP is asked."""
    differences = np.zeros((len(asked), len(PARTS)))
    if not len(asked):
        return HeldOutAttribute(differences, np.zeros(0), asked.person)

    def ask(rows: np.ndarray, user_ids: Sequence[str], weights: ZeroShotWeights) -> None:
        once, at = np.unique(np.r_[asked.left[rows], asked.right[rows]], return_inverse=True)
        answers = taste.zero_shot_answers(items[once], user_ids, question, weights)
        left, right = at.reshape(2, -1)
        for column, part in enumerate(PARTS):
            if weights[part] > 0:
                utility = np.atleast_2d(getattr(answers, part))[0]
                differences[rows, column] = utility[left] - utility[right]

    ask(np.arange(len(asked)), [], ZeroShotWeights.of_clip())
    if not clip_alone:
        groups, others = Groups.of(asked.person, len(people)), ZeroShotWeights(np.array([0.0, 1.0, 1.0, 1.0, 1.0]))
        for person in groups.present():
            ask(groups[person], [people[person]], others)
    return HeldOutAttribute(differences, asked.choice.astype(np.float64), asked.person)


def load(info: TasteInfo, tensors: Mapping[str, np.ndarray], settings: Mapping[str, Any]) -> Lora:
    """Rebuild what `tensors()` and `settings()` gave, on the base weights of the encoder in the settings.

    Raises TasteError where these are not the encoder it was fitted with, or tensors and settings don't fit each other.
    """
    try:
        parts = {"encoder": EncoderConfig(**settings["encoder"]), "fit": TrainingConfig(**settings["fit"])}
        named = {_STORED_SETTINGS.get(name, name): value for name, value in settings.items()}
        config = LoraConfig(**{**named, **parts})
    except (TypeError, KeyError) as error:
        raise TasteError(f"the settings of this lora taste can't be read: {str(error).splitlines()[0]}") from None
    _check_encoder(config, info.encoder_id)
    return Lora(info, tensors, config=config, loaded=_load(info, tensors, config))


def _later(info: TasteInfo, tensors: Mapping[str, np.ndarray], config: LoraConfig) -> Lora:
    """Return a taste that was pickled; it is loaded when it is asked."""
    return Lora(info, tensors, config=config)


def _load(info: TasteInfo, tensors: Mapping[str, np.ndarray], config: LoraConfig) -> _Loaded:
    """Return the encoder and the network with what was learned. Raises TasteError where the tensors don't fit the settings."""
    encoder = Encoder.load(config.encoder)
    network = LoraNetwork(encoder, config, people=len(info.people), attributes=info.attributes)
    names = {_stored_name(name): name for name in network.fitted()}
    beside = {"slope", _ZERO_SHOT}
    if (tensors.keys() ^ names.keys()) - {_ZERO_SHOT} != {"slope"} or "slope" not in tensors:
        odd = sorted((tensors.keys() - beside) ^ names.keys()) or ["slope"]
        raise TasteError(f"the tensors of this lora taste don't fit its settings: {odd[0]}")
    own = {name: torch.tensor(np.asarray(tensors[stored])) for stored, name in names.items()}
    fitted = network.fitted()
    for name, value in own.items():
        if value.shape != fitted[name].shape:
            sizes = f"{list(value.shape)} where {list(fitted[name].shape)} was expected"
            raise TasteError(f"the tensors of this lora taste don't fit its settings: {name} is {sizes}")
    network.load_state_dict(own, strict=False)
    return _Loaded(encoder, network.eval().requires_grad_(False))


def without_person(
    info: TasteInfo, tensors: Mapping[str, np.ndarray], settings: Mapping[str, Any], user_id: str
) -> tuple[dict[str, np.ndarray], TasteSettings]:
    """Return tensors and settings without a person's tokens."""
    row = info.people.index(user_id)
    left = {name: np.delete(value, row, axis=0) if name.endswith(".people") else value for name, value in tensors.items()}
    return left, dict(settings)


def _adapt(blocks: nn.Module, config: LoraConfig) -> None:
    """Put LoRA into blocks; what it adds begins as nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of notes on models that this is none of
        import peft

        targets = [layer for name in config.target_modules for layer in TARGETS[name]]
        peft.inject_adapter_in_model(
            peft.LoraConfig(
                r=config.r,
                lora_alpha=config.lora_alpha,  # type: ignore[arg-type]  # peft says int, and only divides by it
                lora_dropout=config.lora_dropout,
                target_modules=targets,
            ),
            blocks,
        )


def _check_encoder(config: LoraConfig, encoder_id: str) -> None:
    if config.encoder.looks:
        raise TasteError("taste=lora adapts a CLIP, which has no numbers of looks beside its own: leave encoder.looks out")
    named = config.encoder.encoder_id() if config.encoder.model else "none"
    if named != encoder_id:
        raise TasteError(
            f"this lora taste is for the encoder {encoder_id}, but its settings name {named}; "
            "its base weights have changed, or taste.lora.encoder is not the command's encoder"
        )


def _task(
    train: JudgementDataset,
    validation: HeldOut,
    items: np.ndarray,
    network: LoraNetwork,
    encoder: Encoder,
    config: LoraConfig,
    *,
    seed: int,
) -> tuple[FitTask, _ImageLookup]:
    """Return what the training loop is given. An example is what one person said of one image, or of one pair, on all attributes
    together, so that each image is embedded once."""
    if config.ratings_as == "pairs":
        train = ratings_as_pairs(train, at_most=config.pairs, seed=seed)
    levels = RatingLevels.of(train)
    targets = network.targets([_text(name, config) for name in train.attributes])
    features = FrozenFeatures(network.tower, encoder, items, room=_room(encoder, config))
    log.info("outputs of the frozen blocks of %d images are kept: %s", len(items), features.where)
    lookup = _ImageLookup(network, targets, features)
    judgements = JudgementTensors(train, levels=levels, device=encoder.device)
    examples = _examples(train)
    some = np.random.default_rng(seed).permutation(train.judged_images())[:64]
    lookup.centre(some, len(train.attributes))
    likelihood = Likelihood(train, levels)
    objective = Objective(lookup, likelihood, person_dropout=config.person_dropout).to(encoder.device)
    utility = _utility(lookup, encoder, config)

    def take(rows: np.ndarray) -> JudgementBatch:
        return judgements.take(np.concatenate([examples[row] for row in rows]))

    def validate() -> float:
        return validation.loss(validation.differences(utility))

    groups = _groups(objective, config)
    return FitTask(objective, len(examples), take, validate if len(validation) else None, groups), lookup


def _room(encoder: Encoder, config: LoraConfig) -> FeatureRoom:
    return FeatureRoom.on(encoder.device, cache_mib=config.cache_mib, gpu_share=config.gpu_share)


def _examples(train: JudgementDataset) -> list[np.ndarray]:
    """Return row numbers of judgements (ratings, then comparisons), grouped by person and image or pair."""
    rated, compared = train.ratings, train.comparisons
    one = np.stack([rated.person, rated.image, np.full(len(rated), -1)], axis=1)
    two = np.stack([compared.person, compared.left, compared.right], axis=1)
    _, group = np.unique(np.concatenate([one, two]), axis=0, return_inverse=True)
    group = group.reshape(-1)
    order = np.argsort(group, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(group[order])) + 1)


def _utility(
    lookup: _ImageLookup, encoder: Encoder, config: LoraConfig
) -> Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]:
    """Return utility(image, person, attribute) in eval mode, for held-out judgements."""
    limit = BatchLimit(_rows(encoder.device), name="lora: images and people in a validation")

    def utility(image: np.ndarray, person: np.ndarray, attribute: np.ndarray) -> np.ndarray:
        order = np.lexsort((attribute, person, image))  # what is embedded once lies together

        def through(rows: np.ndarray) -> np.ndarray:
            numbers = (torch.as_tensor(column[rows], device=encoder.device) for column in (image, person, attribute))
            with torch.autocast(encoder.device.partition(":")[0], torch.bfloat16, enabled=config.fit.bf16(encoder.device)):
                return np.asarray(lookup(*numbers).float().cpu().numpy())

        utilities = np.zeros(len(image), np.float32)
        with torch.inference_mode():
            if len(image):
                utilities[order] = np.concatenate(limit.each(order, through))
        return utilities

    return utility


def _rows(device: str) -> int:
    """Return how many images, each with one person's token, go through the tower at once when nothing is learned."""
    return _ROWS if device.startswith("cpu") else _ROWS_ON_GPU


def _groups(objective: Objective, config: LoraConfig) -> list[dict[str, Any]]:
    """Return parameter groups: LoRA as `fit` says; tokens, scales and cuts learn faster, and only what is a person's own decays."""
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
    """Return the names of what is learned, whether or not it is still being learned."""
    own = [name for name, _ in network.named_parameters() if ".lora_" in name or name.startswith(("tokens.", "text_tokens."))]
    return own + (["scales"] if config.scales else [])


def _stored_name(name: str) -> str:
    """Return the name under which safetensors hold a parameter: text tokens are called as version 0.1.0 called them."""
    return "said." + name.removeprefix("text_tokens.") if name.startswith("text_tokens.") else name


def _text(attribute: str, config: LoraConfig) -> str:
    return config.texts.get(attribute, attribute)


def _distinct(items: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[bytes]]:
    """Return the row of the first of each different image, for each row which of these it equals, and a digest of each.

    Pairs repeat their images.
    """
    numbers: dict[bytes, int] = {}
    digests = [hashlib.blake2b(item.tobytes(), digest_size=16).digest() for item in items]
    at = np.array([numbers.setdefault(digest, len(numbers)) for digest in digests], np.int64)
    return np.unique(at, return_index=True)[1], at, list(numbers)
