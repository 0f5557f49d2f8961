"""What version 0.1.0 stored and what it said on the wire is read, opened and said still.

tests/fixtures/version_0_1 was made by its own commands: a workspace of a few portraits with four tastes, a photo and a prior, its
database of choices in both versions of the schema, the API's description and what it answered.
"""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from beholder import api_keys, config, images
from beholder.editing import generator_store
from beholder.editing.saved_inversion import SavedInversion
from beholder.editing.stylegan import StyleGAN
from beholder.embedding import embeddings
from beholder.recommending.store import interactions
from beholder.recommending.store.choice_store import Store
from beholder.recommending.store.key_store import KeyStore
from beholder.recommending.surrogate import surrogate_model
from beholder.recommending.surrogate.surrogate_model import SurrogateInfo
from beholder.serve import api
from beholder.serve.local_service import LocalService
from beholder.serve.settings import ServeSettings
from beholder.storage import Place
from beholder.taste import taste_registry
from beholder.taste.shrinkage import ShrunkTaste
from beholder.workspace import Workspace

OLD = Path(__file__).parents[1] / "fixtures/version_0_1"
EXPECTED = json.loads((OLD / "expected.json").read_text())
KINDS = {"blend": "ensemble"}  # kinds that have another name now


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Workspace:
    folder = tmp_path_factory.mktemp("version_0_1") / "workspace"
    shutil.copytree(OLD / "workspace", folder)
    return Workspace(str(folder))


@pytest.fixture(scope="module")
def service(workspace):
    words = [
        f"workspace={workspace.place.uri}", "components.candidates.count=60", "components.ranking.exact=3",
        "image_library.refinement.steps=2", "tastes=[bayes_taste,blend_taste]",
    ]  # fmt: skip
    settings = config.load(ServeSettings, command="serve", overrides=words)
    local = LocalService.load(settings.service_config)
    with TestClient(api.of_settings(local, settings), base_url="http://127.0.0.1") as client:
        yield client


@pytest.mark.parametrize("name", EXPECTED["tastes"])
def test_every_taste_sees_what_it_saw(workspace, name):
    old = EXPECTED["tastes"][name]
    taste = taste_registry.read(workspace.models, name, encoder_id=EXPECTED["encoder_id"]).taste
    vectors = embeddings.read(workspace.embeddings(EXPECTED["encoder_id"]))
    items = np.stack([vectors.vectors[vectors.image_ids.index(image_id)] for image_id in EXPECTED["images"]])
    assert taste.info.kind == KINDS.get(old["kind"], old["kind"])
    utilities = np.asarray(taste.utilities(items, [old["user_id"]], old["attribute"])).ravel()
    np.testing.assert_allclose(utilities, old["utilities"], atol=1e-5)
    differences = taste.differences(items[[0, 1]], items[[1, 2]], old["user_id"], old["attribute"]).mean
    np.testing.assert_allclose(differences, old["differences"], atol=1e-5)


def test_a_taste_that_looks_at_pixels_sees_what_it_saw(workspace):
    """Its settings had names of their own where they are peft's now."""
    old = EXPECTED["lora"]
    taste = taste_registry.read(workspace.models, "in_words", encoder_id=EXPECTED["encoder_id"]).taste
    fit = images.Fit(128, "shortest")
    pixels = np.stack([images.fit_pixels(images.decode((OLD / f"images/{name}.webp").read_bytes()), fit) for name in old["images"]])
    assert isinstance(taste, ShrunkTaste)
    utilities = np.asarray(taste.taste.utilities(pixels, [old["user_id"]], old["attribute"])).ravel()
    np.testing.assert_allclose(utilities, old["utilities"], atol=1e-4)


def test_a_generator_its_directions_and_its_surrogate_are_found(workspace):
    old = EXPECTED["tiny"]
    editor = StyleGAN.load("tiny", workspace)
    assert generator_store.fingerprint(editor.generator) == old["fingerprint"]
    assert set(editor.directions) == set(old["directions"])
    for name, each in old["directions"].items():
        direction = editor.directions[name]
        assert list(direction.labels) == each["says"]
        assert (direction.space, list(direction.range), list(direction.layers)) == (each["space"], each["range"], each["layers"])
        assert direction.scale == pytest.approx(each["scale"], rel=1e-6)
        np.testing.assert_allclose(direction.vector.flatten()[:4], each["vector"], atol=1e-6)
    latent = editor.generate([7])
    np.testing.assert_allclose(latent.ws.flatten()[:4], old["seed_7"]["w_plus"], atol=1e-5)
    assert editor.edit(latent, [{}]).mean() == pytest.approx(old["seed_7"]["mean_pixel"], abs=0.05)
    surrogate = surrogate_model.find(SurrogateInfo.of(editor, generator="tiny", encoder_id=EXPECTED["encoder_id"]), workspace)
    assert sorted(surrogate.directions) == sorted(old["perception"]["directions"])


def test_a_saved_inversion_keeps_the_place_of_the_face():
    old, saved = EXPECTED["framed"], SavedInversion.read(Place.at(OLD / "framed.safetensors"))
    np.testing.assert_allclose(saved.latent.ws.flatten()[:4], old["w_plus"], atol=1e-5)
    assert (saved.fingerprint, saved.generator, saved.sha256) == (old["fingerprint"], old["generator"], old["sha256"])
    assert saved.square is not None
    assert list(saved.square.centre) == old["square"]["centre"]
    assert list(saved.square.half) == old["square"]["half"]


def test_a_person_can_be_taken_out_of_an_old_taste(workspace, tmp_path):
    shutil.copytree(OLD / "workspace/models", tmp_path / "models")
    models = Workspace(str(tmp_path)).models
    user_id = EXPECTED["tastes"]["blend_taste"]["user_id"]
    assert set(EXPECTED["tastes"]) <= set(taste_registry.forget(models, user_id))
    for name in EXPECTED["tastes"]:
        assert user_id not in taste_registry.info(models, name).people
        assert user_id not in (tmp_path / "models" / name / "card.json").read_text()


def test_tables_are_read(workspace):
    import pyarrow.parquet as parquet

    rows = {path.name: parquet.read_table(path).num_rows for path in Path(workspace.place.path).glob("*.parquet")}
    assert rows == EXPECTED["tables"]
    vectors = embeddings.read(workspace.embeddings(EXPECTED["encoder_id"]))
    for image_id, first in EXPECTED["embeddings"].items():
        np.testing.assert_array_equal(vectors.vectors[vectors.image_ids.index(image_id)][:4], np.float32(first))


@pytest.mark.parametrize("file", ["workspace/choices.db", "choices_first.db"])
def test_choices_are_all_there_whichever_the_schema(tmp_path, file):
    shutil.copy(OLD / file, tmp_path / "choices.db")
    store = Store.at(tmp_path / "choices.db")
    assert {
        user_id: [[each.question.question_id, each.answer.choice] for each in store.choices(user_id)] for user_id in store.people()
    } == EXPECTED["choices"]
    assert len(store.uploads("ana")) == 1
    unanswered = [question for user_id in store.people() for question in store.open_questions(user_id)]
    assert interactions.write(store.choices(), unanswered).encode() == (OLD / "interactions.csv").read_bytes()
    store.close()


def test_a_key_still_opens(workspace):
    parts = api_keys.split(EXPECTED["key"])
    assert parts is not None
    key_id, secret = parts
    key = KeyStore(Store.at(Path(workspace.place.path) / "choices.db")).find(key_id)
    assert key is not None
    assert key.opens(secret, datetime.now(UTC))
    assert key.may("ask")
    assert not key.may("admin")


def shape(value):
    """Which keys a body has, and the types of its values."""
    if isinstance(value, dict):
        return {name: shape(each) for name, each in sorted(value.items())}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


SAID = json.loads((OLD / "responses.json").read_text())
FREE = ("reasons", "words", "directions", "edit")  # what depends on what is found


@pytest.mark.parametrize("old", SAID, ids=[f"{each['method']} {each['path']}"[:60] for each in SAID])
def test_the_wire_is_as_it_was(service, old):
    if old["body"] == "a photo, aligned":  # it is among the images, so that it can be asked for
        answer = service.get(f"/v1/images/{old['answer']['image_id']}")
        assert answer.status_code == 200
        return
    answer = service.request(old["method"], old["path"], json=old["body"])
    assert (answer.status_code, answer.headers["content-type"]) == (old["status"], old["content_type"])
    if old["answer"] is not None:
        found, expected = answer.json(), old["answer"]
        assert set(expected) <= set(found)
        strip = {name for name in expected if name not in FREE}
        assert {name: shape(found[name]) for name in strip if isinstance(expected[name], str | int | float | bool)} == {
            name: shape(expected[name]) for name in strip if isinstance(expected[name], str | int | float | bool)
        }


def test_every_path_and_field_of_the_api_is_still_there(service):
    def fields(document, schema, direction=""):
        """name -> the schema of every field, through references."""
        while "$ref" in schema:
            schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        found = {}
        for name, each in schema.get("properties", {}).items():
            found[f"{direction}{name}"] = each.get("type")
            inner = each.get("items", each)
            found |= fields(document, inner, f"{direction}{name}.") if "$ref" in inner else {}
        return found

    def bodies(document, operation):
        found = {}
        for status, answer in operation["responses"].items():
            schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
            found[status] = fields(document, schema)
        sent = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
        asked = fields(document, sent) | {each["name"]: "parameter" for each in operation.get("parameters", [])}
        while "$ref" in sent:
            sent = document["components"]["schemas"][sent["$ref"].rpartition("/")[2]]
        needed = {each["name"] for each in operation.get("parameters", []) if each.get("required")} | set(sent.get("required", []))
        return found, asked, needed

    old, new = json.loads((OLD / "openapi.json").read_text()), service.app.openapi()
    assert set(old["paths"]) <= set(new["paths"])
    for path, methods in old["paths"].items():
        assert set(methods) <= set(new["paths"][path])
        for method, operation in methods.items():
            answers, asked, needed = bodies(new, new["paths"][path][method])
            before, asked_before, needed_before = bodies(old, operation)
            assert asked_before.items() <= asked.items(), f"{method} {path}"
            assert needed <= needed_before, f"{method} {path}"  # what is new may be left out
            for status, names in before.items():
                assert names.items() <= answers[status].items(), f"{method} {path} {status}"
