"""The Bayesian taste of very many people on Ray: judgements are divided by people, read by block, and never held all at once.

First the prior: from at most `taste.bayes.prior_people` people, each step of EM a task for every block of them, whose moments are
summed here. Then everybody: a task for some blocks of people reads their judgements, finds posteriors and writes a shard a block.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import ray

from beholder import artifacts, evaluation
from beholder.embedding import embeddings
from beholder.errors import ConfigError, TasteError
from beholder.jobs import _judgement_files, _placement
from beholder.progress import Progress
from beholder.quality.person_weights import PersonWeights
from beholder.storage import Place
from beholder.taste import (
    bayes,
    covariance_em,
    judgement_partitions,
    person_block,
    population,
    rating_scale,
    sharded_bayes,
    splits,
    validation,
)
from beholder.taste.bayes import BayesTaste, LearnedPrior
from beholder.taste.contract import TasteInfo
from beholder.taste.covariance_em import CovarianceFit
from beholder.taste.dataset import ComparisonTable, JudgementDataset, draw_people
from beholder.taste.gaussian import Gaussian
from beholder.taste.judgement_partitions import JudgedPeople, PartitionFile, PartitionKey, TablePart
from beholder.taste.person_block import BlockState, ImageDesign, Moments, PersonBlock
from beholder.taste.person_features import PersonFeatures, PrincipalAxes
from beholder.taste.person_shards import PersonShards
from beholder.taste.population import Population
from beholder.taste.rating_scale import ScoreMoments
from beholder.taste.taste_factory import TasteConfig
from beholder.workspace import Workspace

_BLOCKS = 8  # of people that a task finds the posteriors of, at most
Ref = Any  # a reference into Ray's store; Ray's own type stands for what it refers to


@dataclass(frozen=True)
class PeopleJob:
    """A fit to very many people: everything that decides what comes out. block: people of a block, about; weights: of people's
    judgements, None: 1."""

    workspace: Workspace
    parts: list[TablePart]
    judged: JudgedPeople
    taste: TasteConfig
    encoder_id: str
    attributes: tuple[str, ...]
    held_out: float
    seed: int
    block: int = person_block.PEOPLE
    weights: PersonWeights | None = None

    @property
    def blocks(self) -> int:
        """How many blocks of people there are."""
        return -(-self.judged.people // self.block)

    @property
    def sample_blocks(self) -> int:
        """The first so many blocks have the people from whom the prior is learned."""
        share = self.taste.bayes.prior_people / self.judged.people
        return min(self.blocks, int(self.blocks * share * 1.1) + 2)


@dataclass(frozen=True)
class PeopleResult:
    """What came of it. taste: its priors, which knows nobody; shards: everybody.

    table: agreement with what was held out, of people of the first blocks; trust: the mean weight; judgements: to learn from and
    held out; left_out: of images without an embedding.
    """

    taste: BayesTaste
    shards: PersonShards
    table: pd.DataFrame
    trust: float
    judgements: tuple[int, int]
    left_out: int


def many(workspace: Workspace, taste: TasteConfig, attributes: Sequence[str]) -> tuple[list[TablePart], JudgedPeople] | None:
    """Return judgements and who judged, where the taste is `bayes` and more people judged than its prior is learned from."""
    if taste.kind != "bayes":
        return None
    parts = _judgement_files.table_parts(workspace)
    if sum(sum(part.rows) for part in parts) <= taste.bayes.prior_people:
        return None
    judged = judgement_partitions.judged_people(parts, attributes=attributes)
    if strange := [name for name in attributes if name not in judged.attributes]:
        raise ConfigError(f"nobody judged {', '.join(strange)}; attributes judged: {', '.join(judged.attributes)}")
    return (parts, judged) if judged.people > taste.bayes.prior_people else None


def fit(job: PeopleJob, folder: Place, scratch: Place) -> PeopleResult:
    """Fit, and write the shards into a new folder below `folder`; what is kept for a while goes to `scratch` and is removed."""
    table = embeddings.read(job.workspace.embeddings(job.encoder_id))
    key = PartitionKey(pa.array(table.image_ids, pa.string()), job.attributes, job.blocks, job.seed)
    train, held_out = splits.image_masks(len(table.image_ids), seed=job.seed, shares=(1 - job.held_out, job.held_out))
    context = ray.put(_Context(job, table.vectors, train, held_out))
    try:
        files = _judgement_files.divide(job.parts, ray.put(key), scratch)
        known = _sample.remote(context, files)
        everybody = _population.remote(context, known)
        taste, designs = _priors(job, context, known, everybody)
        digest = hashlib.sha256(artifacts.dump(taste.tensors())).hexdigest()[:16]
        shards = PersonShards(folder / f"people-{digest}", 0, job.blocks, job.seed)
        reports = _everyone(job, [context, ray.put((files, shards, taste)), _usual.remote(known), everybody, *designs])
    finally:
        for entry in scratch.files():
            (scratch / entry.path).delete()
    tables = [each.table for each in reports if len(each.table)]
    return PeopleResult(
        taste,
        replace(shards, people=sum(each.people for each in reports)),
        pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(),
        sum(each.trust for each in reports) / max(sum(each.trusted for each in reports), 1),
        (sum(each.judgements[0] for each in reports), sum(each.judgements[1] for each in reports)),
        sum(each.left_out for each in files),
    )


@dataclass(frozen=True)
class _Context:
    """What every task needs: the job, embeddings float32 [N, D], and which images are learned from and held out, bool [N]."""

    job: PeopleJob
    items: np.ndarray
    train: np.ndarray
    held_out: np.ndarray

    def divide(self, dataset: JudgementDataset) -> tuple[JudgementDataset, JudgementDataset]:
        dataset = dataset if self.job.weights is None else self.job.weights.on(dataset)
        return dataset.on_images(self.train), dataset.on_images(self.held_out)


@dataclass(frozen=True)
class _Report:
    """What a task says of some blocks of people."""

    people: int
    judgements: tuple[int, int]
    trust: float
    trusted: int
    table: pd.DataFrame


def _priors(job: PeopleJob, context: Ref, known: Ref, everybody: Ref) -> tuple[BayesTaste, list[Ref]]:
    """Return a taste that knows nobody, and the designs of its attributes."""
    features = ray.get(_features.remote(context, known, everybody))
    learned: list[LearnedPrior] = []
    designs: list[Ref] = []
    config = job.taste.bayes
    with Progress("learn the prior", total=len(job.attributes) * config.iterations, unit="steps of EM") as progress:
        for row, own in enumerate(features):
            width = max(each.width for each in own.values())
            refs: Any = _blocks.options(num_returns=4).remote(known, row, width, job.block, job.seed)
            count, blocks, test, weight = refs
            by_components = {components: _design.remote(context, each) for components, each in own.items()}
            people = RayBlocks(blocks, ray.get(count), by_components, test, weight)
            learned.append(bayes.choose(people, own, config, after=lambda _: progress.advance()))
            designs.append(by_components[learned[-1].fit.setting.components])
    info, nobody = TasteInfo("bayes", job.encoder_id, job.attributes, ()), [dict[str, Gaussian]() for _ in learned]
    return BayesTaste(info, [each.prior for each in learned], nobody, [each.chosen for each in learned]), designs


def _everyone(job: PeopleJob, arguments: list[Ref]) -> list[_Report]:
    """Find everybody's posteriors, some blocks of people in each task, which gets these arguments."""
    cores = int(_placement.cluster_resources().get("CPU", 1))
    size = max(1, min(_BLOCKS, job.blocks // (4 * cores)))
    spans = [range(begin, min(begin + size, job.blocks)) for begin in range(0, job.blocks, size)]
    tasks = [_posteriors.remote(span, *arguments) for span in spans]
    reports: dict[int, _Report] = {}
    with Progress("posteriors", total=job.judged.people, unit="people") as progress:
        for begin, report in _placement.as_completed(tasks):
            reports[begin] = report
            progress.advance(report.people)
    return [reports[begin] for begin in sorted(reports)]


@dataclass(frozen=True)
class RayBlocks:
    """Blocks of people in Ray's store, which signs PeopleBlocks: a state is a reference, and each E step of a block a task."""

    blocks: Ref
    count: int
    designs: dict[int, Ref]
    test: Ref
    weight: Ref

    def expect(self, fits: Sequence[CovarianceFit]) -> list[tuple[list[Any], Moments]]:
        """Return for each fit references to its states after an E step, and the moments of all people."""
        steps: list[list[Any]] = []
        for fit in fits:
            design = self.designs[fit.setting.components]
            states = fit.states or [None] * self.count
            steps.append(
                [
                    _expect.options(num_returns=2).remote(self.blocks, number, design, fit.covariance, state, fit.setting.temper)
                    for number, state in enumerate(states)
                ]
            )
        return [([state for state, _ in tasks], reduce(add, ray.get([moments for _, moments in tasks]))) for tasks in steps]

    def held_out_loss(self, fits: Sequence[CovarianceFit]) -> list[tuple[float, float]]:
        """Return for each fit held-out log-loss at the best scale, and that scale."""
        tasks = [
            _loss.remote(self.designs[fit.setting.components], self.test, self.weight, self.blocks, *(fit.states or []))
            for fit in fits
        ]
        losses: list[tuple[float, float]] = ray.get(tasks)
        return losses


@ray.remote(num_cpus=1)
def _sample(context: _Context, files: list[PartitionFile]) -> tuple[JudgementDataset, JudgementDataset]:
    """Return what people from whom the prior is learned said, to learn from and held out."""
    job = context.job
    first = judgement_partitions.read(files, range(job.sample_blocks), job.attributes)
    drawn = first.of_people(draw_people(first.people, job.taste.bayes.prior_people, job.seed))
    train, held_out = context.divide(drawn)
    if not len(train):
        raise TasteError(f"held_out={job.held_out} leaves nothing to learn from {len(drawn)} judgements")
    return train, held_out


@ray.remote(num_cpus=1)
def _usual(known: tuple[JudgementDataset, JudgementDataset]) -> ScoreMoments:
    return ScoreMoments.of(known[0])


@ray.remote(num_cpus=1)
def _population(context: _Context, known: tuple[JudgementDataset, JudgementDataset]) -> Population:
    job = context.job
    return population.fit(*known, context.items, job.taste.bayes.population, encoder_id=job.encoder_id, seed=job.seed)


@ray.remote(num_cpus=1)
def _features(
    context: _Context, known: tuple[JudgementDataset, JudgementDataset], everybody: Population
) -> list[dict[int, PersonFeatures]]:
    """Return by attribute and number of components what people's own weights are on."""
    train, vectors = known[0], context.items.astype(np.float64)
    scale, principal = rating_scale.standardise(train), PrincipalAxes.of(vectors, everybody.centre)
    return [
        bayes.attribute_features(
            train.on_attribute(row), everybody, row, vectors, scale, context.job.taste.bayes, principal=principal
        )
        for row in range(len(train.attributes))
    ]


@ray.remote(num_cpus=1)
def _design(context: _Context, features: PersonFeatures) -> ImageDesign:
    return ImageDesign.of(features, context.items, np.arange(len(context.items)))


@ray.remote(num_cpus=1)
def _blocks(
    known: tuple[JudgementDataset, JudgementDataset], row: int, width: int, people: int, seed: int
) -> tuple[int, list[PersonBlock], ComparisonTable, np.ndarray | None]:
    train, held_out = known
    blocks = bayes.in_blocks(train.on_attribute(row), rating_scale.standardise(train), width=width, people=people)
    test = validation.pairs(held_out.on_attribute(row), seed=seed)
    return len(blocks), blocks, test, held_out.weights_of(test)


@ray.remote(num_cpus=1)
def _expect(
    blocks: list[PersonBlock], number: int, design: ImageDesign, covariance: np.ndarray, state: BlockState | None, temper: float
) -> tuple[BlockState, Moments]:
    return person_block.expect(blocks[number], design, covariance, state, temper=temper)


@ray.remote(num_cpus=1)
def _loss(
    design: ImageDesign, test: ComparisonTable, weight: np.ndarray | None, blocks: list[PersonBlock], *states: BlockState
) -> tuple[float, float]:
    return covariance_em.held_out_loss(design, test, [block.people for block in blocks], states, weight)


@ray.remote(num_cpus=1)
def _posteriors(
    span: range,
    context: _Context,
    shared: tuple[list[PartitionFile], PersonShards, BayesTaste],
    usual: ScoreMoments,
    everybody: Population,
    *designs: ImageDesign,
) -> tuple[int, _Report]:
    """Write a shard for each block of a span; those of the people who were drawn are judged as well."""
    job, (files, shards, taste) = context.job, shared
    people, learned_from, kept_aside, trust, tables = 0, 0, 0, [], []
    for block in span:
        train, held_out = context.divide(judgement_partitions.read(files, [block], job.attributes))
        shard = sharded_bayes.fit_shard(train, held_out, taste.priors, designs, usual, seed=job.seed)
        shard.write(shards.place(block))
        people, learned_from, kept_aside = people + len(shard.people), learned_from + len(train), kept_aside + len(held_out)
        trust += [each.trust[each.trust < 1] for each in shard.attributes]
        if block < max(1, job.blocks * job.taste.bayes.prior_people // job.judged.people):
            own = sharded_bayes.taste_of(shard, taste.info, taste.priors)
            asked = validation.pairs(held_out, seed=job.seed)
            tables.append(evaluation.agree(own, everybody, held_out, asked, context.items))
    weights = np.concatenate(trust)
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    return span.start, _Report(people, (learned_from, kept_aside), float(weights.sum()), len(weights), table)
