"""Generators in a workspace, and fingerprints.

generators/<name>/ has generator.safetensors, perhaps encoder.safetensors and features.safetensors, and card.json.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from beholder import artifacts, weights
from beholder.editing.checkpoints import checkpoint, native
from beholder.editing.editor_config import SHIPPED as SHIPPED
from beholder.editing.features.published_features import PublishedFeatures, PublishedFeaturesConfig
from beholder.editing.generator import Generator
from beholder.editing.published_encoder import PublishedEncoder, PublishedEncoderConfig
from beholder.errors import ArtifactError, WeightsError, nearest
from beholder.storage import Place
from beholder.workspace import Workspace

_LENGTH = 16  # hexadecimal digits: chance makes two networks share them about never


def fingerprint(generator: Generator) -> str:
    """Return the first 16 hexadecimal digits of a sha256 over the names, shapes and float32 values of mapping and synthesis.

    The noise pictures and the mean w are left out: some formats don't keep them, and no direction depends on them.
    """
    digest = hashlib.sha256()
    for name, value in sorted(generator.state_dict().items()):
        if name.startswith(("mapping.", "synthesis.")) and not name.endswith((".noise_const", ".w_avg")):
            numbers = value.detach().cpu().float().contiguous().numpy().astype("<f4", copy=False)
            digest.update(f"{name}{list(numbers.shape)}".encode())
            digest.update(numbers.data)
    return digest.hexdigest()[:_LENGTH]


_TENSORS, _ENCODER, _FEATURES = "generator.safetensors", "encoder.safetensors", "features.safetensors"


def write(
    workspace: Workspace, name: str, generator: Generator, *, card: Mapping[str, Any], encoder: PublishedEncoder | None = None,
    features: PublishedFeatures | None = None,
) -> Place:  # fmt: skip
    """Put a generator into the registry under a name, in the place of one of that name; returns its folder.

    card: what there is to say of it, such as where it came from; its sizes and fingerprint are added. encoder: that inverts photos
    for it; features: that keep their detail. The card is written last. Raises WeightsError for a name that is no
    name, or is the shipped generator's.
    """
    check_name(name)
    folder = _folder(workspace) / name
    (folder / _TENSORS).write_bytes(native.write(generator))
    if encoder is not None:
        (folder / _ENCODER).write_bytes(artifacts.dump(dict(encoder.state_dict())))
        card = {**card, "encoder": asdict(encoder.config)}
    if features is not None:
        (folder / _FEATURES).write_bytes(artifacts.dump(dict(features.state_dict())))
        card = {**card, "features": asdict(features.config)}
    more = {"network": asdict(generator.config), "fingerprint": fingerprint(generator)}
    artifacts.write_card(folder / artifacts.CARD, {"name": name, **card, **more})
    return folder


def add_features(workspace: Workspace, name: str, features: PublishedFeatures, *, source: Mapping[str, Any]) -> Place:
    """Put feature networks beside a generator that is in the registry; source: where they came from. Returns its folder.

    Raises WeightsError where there is no such generator.
    """
    known = card(name, workspace)
    folder = _folder(workspace) / name
    (folder / _FEATURES).write_bytes(artifacts.dump(dict(features.state_dict())))
    more = {"features": asdict(features.config), "features_source": dict(source)}
    artifacts.write_card(folder / artifacts.CARD, {**known, **more})
    return folder


def check_name(name: str) -> None:
    """Raise WeightsError for what can't be a name of a generator in a workspace."""
    if name == SHIPPED:
        raise WeightsError(f"the name {SHIPPED} is the shipped generator's; choose another")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise WeightsError(f"a generator needs a name of letters, digits, '.', '_' and '-', got {name!r}")


def names(workspace: Workspace | None = None) -> list[str]:
    """Return the names of the generators that `read` knows, the shipped one first."""
    return [SHIPPED, *(() if workspace is None else artifacts.names(_folder(workspace)))]


def read(name: str, workspace: Workspace | None = None) -> Generator:
    """Return a generator by name, ready to draw. Raises WeightsError where it is not there or can't be read."""
    if name == SHIPPED:
        from beholder.editing import pretrained

        return pretrained.generator()
    card(name, workspace)
    assert workspace is not None
    return checkpoint.read(_folder(workspace) / name / _TENSORS).generator


def read_encoder(name: str, workspace: Workspace | None, generator: Generator) -> PublishedEncoder | None:
    """Return the encoder that was imported with a generator, None where there was none.

    Raises WeightsError where it can't be read.
    """
    said = card(name, workspace).get("encoder")
    if said is None or workspace is None:
        return None
    place = _folder(workspace) / name / _ENCODER
    try:
        encoder = PublishedEncoder(PublishedEncoderConfig(**{**said, "heads": tuple(said["heads"])}))
        encoder.load_state_dict(artifacts.parse_tensors(place.read_bytes()).tensors)
    except (ArtifactError, RuntimeError, TypeError, KeyError) as error:
        raise WeightsError(f"{place.uri} can't be read: {str(error).splitlines()[0]}") from None
    return encoder.eval().requires_grad_(False).draws_with(generator)


def read_features(name: str, workspace: Workspace | None) -> PublishedFeatures | None:
    """Return the feature networks that were imported for a generator, None where there are none.

    Raises WeightsError where they can't be read.
    """
    said = card(name, workspace).get("features")
    if said is None or workspace is None:
        return None
    place = _folder(workspace) / name / _FEATURES
    try:
        networks = PublishedFeatures(PublishedFeaturesConfig(**said))
        networks.load_state_dict(artifacts.parse_tensors(place.read_bytes()).tensors)
    except (ArtifactError, RuntimeError, TypeError) as error:
        raise WeightsError(f"{place.uri} can't be read: {str(error).splitlines()[0]}") from None
    return networks.eval().requires_grad_(False)


def card(name: str, workspace: Workspace | None = None) -> dict[str, Any]:
    """Return the card of a generator. Raises WeightsError where there is none of that name."""
    if name == SHIPPED:
        return weights.card(weights.shipped("portraits-generator"))
    if workspace is None or not (_folder(workspace) / name / artifacts.CARD).is_file():
        where = "ships with the project" if workspace is None else f"is in {_folder(workspace).uri}"
        hint = nearest(name, names(workspace))
        raise WeightsError(f"no generator {name!r} {where}{hint}; beholder import generator=FILE name=NAME brings one")
    try:
        return artifacts.read_card(_folder(workspace) / name / artifacts.CARD)
    except ArtifactError as error:
        raise WeightsError(f"the card of generator {name!r} can't be read: {error}") from None


def finished_from(name: str, workspace: Workspace | None = None) -> tuple[str, ...]:
    """Return the fingerprints of the generators that one was trained on from, latest first: a w means the same in all of them."""
    return tuple(str(each) for each in card(name, workspace).get("finished_from", ()))


def _folder(workspace: Workspace) -> Place:
    return workspace.place / "generators"
