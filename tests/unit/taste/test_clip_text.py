"""Wording: what a question asks, the mean over templates, a person's token before the end of a text."""

import numpy as np
import pytest
import torch

from beholder.encoder import Encoder, EncoderConfig
from beholder.errors import TasteError
from beholder.taste.clip_text import PersonTextEncoder, PromptTemplates, bare


@pytest.fixture(scope="module")
def encoder(small_clip) -> Encoder:
    return Encoder.load(EncoderConfig(name="small", model=small_clip, weights="random", size=64, device="cpu"))


@pytest.mark.parametrize(
    ("question", "asked"),
    [
        ("looks friendly", "friendly"),
        ("Who looks more friendly?", "friendly"),
        ("which of the two is the most at ease", "at ease"),
        ("wearing glasses", "wearing glasses"),
        ("isolated", "isolated"),
    ],
)
def test_a_question_is_bared(question, asked):
    assert bare(question) == asked


@pytest.mark.parametrize("question", ["", "  ", "who is?"])
def test_a_question_of_nothing(question):
    with pytest.raises(TasteError, match="looks friendly"):
        bare(question)


def test_a_text_is_the_mean_over_its_templates(encoder):
    found = PromptTemplates(encoder, ["{}", "a {} face"]).embed(["calm", "bold"])
    mean = (encoder.texts(["calm", "bold"]) + encoder.texts(["a calm face", "a bold face"])) / 2
    np.testing.assert_allclose(found, mean / np.linalg.norm(mean, axis=1, keepdims=True), atol=1e-6)


def test_a_word_in_the_persons_place_is_heard_as_that_word(encoder):
    """A token that is a word's embedding at its place says what the text with that word says, but for the place of the end."""
    model = encoder.model
    hearing, ids = PersonTextEncoder(model, name="small"), encoder.tokens(["a calm"])[:, :4]  # start, a, calm, end
    full = encoder.tokens(["a calm face"])[:, :5].clone()
    word, place = int(full[0, 3]), model.positional_embedding
    token = model.token_embedding(torch.tensor([word])) + place[3]
    with torch.no_grad():
        x = model.token_embedding(full) + place[torch.tensor([0, 1, 2, 3, 3])]
        x = model.ln_final(model.transformer(x, attn_mask=model.attn_mask[:5, :5]))[:, 4] @ model.text_projection
        expected = torch.nn.functional.normalize(x, dim=-1)
        found = hearing(ids[:, None], token)
    np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=1e-5)


def test_each_text_gets_its_own_person(encoder):
    hearing = PersonTextEncoder(encoder.model, name="small")
    ids = PromptTemplates(encoder, ["{}", "a very {} face"]).tokens(["calm", "bold"])
    people = torch.randn(2, hearing.width, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        both = hearing(ids, people)
        alone = torch.cat([hearing(ids[:1], people[:1]), hearing(ids[1:], people[1:])])
    np.testing.assert_allclose(both.numpy(), alone.numpy(), atol=1e-5)
    assert np.abs((both[0] - hearing(ids[:1], people[1:])[0]).detach().numpy()).max() > 1e-4


def test_a_text_without_room_for_a_person(encoder):
    hearing = PersonTextEncoder(encoder.model, name="small")
    ids = PromptTemplates(encoder, ["{}"]).tokens(["word " * 200])
    with pytest.raises(TasteError, match="leaves no room"):
        hearing(ids, torch.zeros(1, hearing.width))
