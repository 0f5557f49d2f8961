"""A server that is away, full, restarted or closed: what the page says, and that no choice is lost."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from support.api_double import Double, Refusal
from support.page_visitor import Visitor


def test_restart_in_the_middle_keeps_the_unsent_choice(visitor: Visitor, page: Page, double: Double):
    visitor.choose_portrait()
    visitor.press("ArrowLeft", "ArrowLeft")
    visitor.until_sent()
    visitor.until_next_is_there()
    visitor.until_some_are_spare()
    double.stop()
    visitor.press("ArrowLeft")
    expect(visitor.notice).to_have_text("The server is away. 1 choice is kept here and sent as soon as it is back.")
    visitor.press("ArrowRight", "ArrowLeft", "ArrowLeft", "ArrowLeft")  # pairs whose pictures are here
    waiting = "The server is away. 5 choices are kept here and sent as soon as it is back. The next pair comes then."
    expect(visitor.notice).to_have_text(waiting)
    expect(visitor.progress).to_have_text("7 choices")
    expect(page.locator("#left")).to_be_disabled()
    expect(page.get_by_role("button", name="Try now")).to_be_visible()
    double.start()
    page.locator("#notice-again").dispatch_event("click")  # the page may have gone on by itself before a mouse gets there
    visitor.until_sent()
    expect(visitor.notice).to_be_hidden()
    assert [answer["choice"] for answer in double.kept.answers.values()] == [
        "left",
        "left",
        "left",
        "right",
        "left",
        "left",
        "left",
    ]
    visitor.press("ArrowLeft")
    page.locator("#see").click()
    expect(page.locator("#sliders input").first).to_be_visible()
    assert len(double.kept.answers) == 8


def test_unsent_choice_outlives_the_page(visitor: Visitor, page: Page, double: Double):
    visitor.choose_portrait()
    visitor.until_next_is_there()
    double.stop()
    visitor.press("ArrowRight")
    expect(visitor.notice).to_contain_text("1 choice is kept here")
    page.goto("about:blank")  # the tab is closed
    double.start()
    page.goto(visitor.url)
    visitor.until_sent()
    assert [answer["choice"] for answer in double.kept.answers.values()] == ["right"]


def test_it_goes_on_by_itself(visitor: Visitor, page: Page, double: Double):
    visitor.choose_portrait()
    double.stop()
    visitor.press("ArrowLeft")
    expect(visitor.notice).to_contain_text("The server is away")
    double.start()
    visitor.until_sent()
    expect(visitor.notice).to_be_hidden()
    expect(page.locator("#spoken")).to_have_text("The server is back.")


def test_lost_answer_is_not_counted_twice(visitor: Visitor, page: Page, double: Double):
    """The server keeps a choice, and what it says is lost on the way."""
    lost: list[str] = []

    def lose(method, path):
        if path == "/v1/choices" and not lost:
            lost.append(path)
            question = next(iter(double.kept.questions.values()))
            double.answer({"event_id": "on-its-way", "question_id": question["question_id"], "choice": "left"})
            raise Refusal(502, "lost")

    visitor.choose_portrait()
    double.refuse = lose
    visitor.press("ArrowLeft")
    visitor.until_sent()
    expect(visitor.progress).to_have_text("4 more to your recommendation")
    assert (len(double.kept.answers), double.requests("POST", "/v1/choices")) == (1, 2)


def test_undo_while_the_server_is_away(visitor: Visitor, page: Page, double: Double):
    visitor.choose_portrait()
    double.stop()
    visitor.press("ArrowLeft", "ArrowUp", "ArrowRight")
    expect(visitor.progress).to_have_text("4 more to your recommendation")
    double.start()
    visitor.until_sent()
    assert [answer["choice"] for answer in double.kept.answers.values()] == ["right"]
    expect(visitor.progress).to_have_text("4 more to your recommendation")


def test_full_server_is_asked_again_when_it_said(visitor: Visitor, page: Page, double: Double):
    refused: list[str] = []

    def full(method, path):
        if path == "/v1/choices" and len(refused) < 1:
            refused.append(path)
            raise Refusal(503, "full", Retry_After="1")

    visitor.choose_portrait()
    double.refuse = full
    visitor.press("ArrowLeft")
    expect(visitor.notice).to_contain_text("The server is busy. 1 choice is kept here")
    page.wait_for_timeout(500)
    assert double.requests("POST", "/v1/choices") == 1  # not before its time
    visitor.until_sent()
    assert double.requests("POST", "/v1/choices") == 2


@pytest.mark.parametrize(("status", "detail"), [(409, "is answered with right; undo that first"), (404, "no such question")])
def test_choice_that_is_refused_is_told_and_does_not_stop_the_rest(visitor: Visitor, page: Page, double: Double, status, detail):
    visitor.choose_portrait()
    double.refuse = lambda method, path: refuse(status, detail) if path == "/v1/choices" else None
    visitor.press("ArrowLeft")
    elsewhere = "You answered this question elsewhere already; that answer stands."
    expect(visitor.notice).to_have_text(elsewhere if status == 409 else f"The server did not take a choice: {detail}")
    double.refuse = lambda method, path: None
    visitor.press("ArrowLeft")
    visitor.until_sent()
    expect(visitor.progress).to_have_text("4 more to your recommendation")


def refuse(status, detail):
    raise Refusal(status, detail)


def test_key_is_asked_for_and_kept_in_the_tab(visitor: Visitor, page: Page, double: Double):
    visitor.choose_portrait()
    double.key = "secret"
    page.locator("#left").click()
    expect(page.get_by_role("dialog", name="This server asks for a key")).to_be_visible()
    page.get_by_role("textbox", name="Key").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.locator("#key-text")).to_have_value("")  # asked again
    expect(page.locator("#key-wrong")).to_be_visible()
    page.get_by_role("textbox", name="Key").fill("secret")
    page.keyboard.press("Enter")
    visitor.wait_for_question()
    expect(page.locator("#key")).to_be_hidden()
    visitor.until_sent()
    assert len(double.kept.answers) == 1  # the choice that met the closed door
    assert page.evaluate("sessionStorage.getItem('beholder.key')") == "secret"
    assert "secret" not in page.evaluate("Object.values(localStorage).join()")


def test_key_dialog_can_be_left_and_opened_again(visitor: Visitor, page: Page, double: Double):
    visitor.choose_portrait()
    double.key = "secret"
    page.locator("#left").click()
    expect(page.locator("#key")).to_be_visible()
    page.locator("#key").get_by_role("button", name="Cancel").click()
    expect(page.locator("#key")).to_be_hidden()
    expect(visitor.notice).to_have_text("This server asks for a key, and has none that it accepts.")
    assert len(visitor.unsent()) == 1
    page.get_by_role("button", name="Give a key").click()
    expect(page.locator("#key")).to_be_visible()
    page.get_by_role("textbox", name="Key").fill("secret")
    page.keyboard.press("Enter")
    visitor.until_sent()
    assert len(double.kept.answers) == 1


@pytest.mark.parametrize(
    ("kind", "status", "words"),
    [
        ("no-face", 422, "No face was found in this picture."),
        ("image-too-large", 422, "This picture is too large."),
        ("heic", 422, "This picture is in an iPhone’s own format (HEIC)"),
        ("photo-not-redrawn", 422, "This face can’t be redrawn well enough."),
        ("", 413, "This picture is too large."),
        ("", 504, "This picture took too long."),
        ("", 422, "What the server says"),
    ],
)
def test_why_a_picture_is_not_taken_is_said_in_the_pages_words(visitor: Visitor, page: Page, double: Double, kind, status, words):
    def no(method, path):
        if method == "POST":
            raise Refusal(status, "what the server says", kind=kind)

    double.refuse = no
    page.get_by_label("Use your own picture").set_input_files({"name": "me.jpg", "mimeType": "image/jpeg", "buffer": b"photo"})
    expect(visitor.notice).to_contain_text(words)
    expect(page.locator("#bringing")).to_be_hidden()
    assert double.requests("POST", "/v1/images") == 1  # what failed so is not sent again by itself


def test_slow_server_is_not_called_away(visitor: Visitor, page: Page, double: Double):
    visitor.choose_portrait()
    double.refuse = lambda method, path: refuse(504, "this took too long") if path == "/v1/choices" else None
    visitor.press("ArrowLeft")
    expect(visitor.notice).to_have_text("The server is slow. 1 choice is kept here and sent as soon as it is back.")
    double.refuse = lambda method, path: None
    visitor.until_sent()


def test_key_without_the_right_is_told(visitor: Visitor, page: Page, double: Double):
    visitor.choose_portrait()
    double.refuse = lambda method, path: refuse(403, "this key may not forget people") if method == "DELETE" else None
    page.locator("#who").click()
    page.get_by_role("button", name="Forget me").click()
    page.locator("#forget-now").click()
    expect(visitor.notice).to_have_text("You are not forgotten yet: this key may not forget people")


def test_image_that_is_gone_leads_back_to_the_portraits(come: Callable[..., Visitor], double: Double):
    double.refuse = lambda method, path: refuse(404, "no image 'photo-1'") if path == "/v1/questions" else None
    visitor = come(f"{double.url}#ask/photo-1")
    expect(visitor.notice).to_have_text("This picture is gone.")
    expect(visitor.page.get_by_role("heading", name="A portrait, or your photos?")).to_be_visible()


def test_page_that_comes_before_the_pictures(come: Callable[..., Visitor], double: Double):
    """The server is away when the portraits are asked for."""
    double.refuse = lambda method, path: refuse(503, "starting") if path.startswith("/v1/") else None
    visitor = come(double.url)
    expect(visitor.notice).to_contain_text("The server is busy. Trying again.")
    double.refuse = lambda method, path: None
    visitor.try_now()
    visitor.choose_portrait()


@pytest.mark.parametrize("rest", ["ask/%E0%A4%A", "ask/", "nowhere/seed-1", "result"])
def test_address_of_nothing_leads_to_the_portraits(come: Callable[..., Visitor], double: Double, rest):
    visitor = come(f"{double.url}#{rest}")
    expect(visitor.page.get_by_role("heading", name="A portrait, or your photos?")).to_be_visible()
