"""A study in a browser: by touch and by keys, through a reload and a server that goes away; axe finds nothing; many at once."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, expect
from support.page_visitor import PHONE
from support.study_double import study_config
from support.study_server import StudyServer
from support.study_visitor import Participant, axe_findings

from beholder.recommending.store.choice_store import Store
from beholder.studies.design import CHECK, MAIN, SPREAD
from beholder.studies.study_service import StudyService
from beholder.studies.study_store import StudyStore
from beholder.workspace import Workspace

PICTURES = Path(__file__).parents[2] / "data/sample/images"
STUDY = """
name: faces
title: {en: First impressions, de: Erste Eindrücke}
languages: [en, de]
consent: {en: "You will see faces.\\n\\nYour answers have no name.", de: "Sie sehen Gesichter."}
questions:
  - {attribute: attractive, rating: "How attractive is this?", pair: "Which is more attractive?"}
  - {attribute: smart, rating: "How smart is this?", pair: "Which is smarter?"}
ratings: {per_person: 4, repeats: 1, checks: 1, not_sure: true, low_label: not at all, high_label: very}
pairs: {per_person: 3, checks: 1, third: tie}
gap: 2
before: [{id: age, text: "How old are you?", kind: number, low: 16, high: 99},
         {id: sex, text: "Your gender?", kind: choice, options: [female, male, other]}]
after: [{id: words, text: "Anything that you would like to say about the pictures and the questions?", required: false}]
completion: {code: XY7, redirect: "https://panel.example/?c={code}"}
"""
TRIALS = 4 + 1 + 1 + 3 + 1


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., StudyServer]]:
    """serve(text, **changes): a study of sixteen portraits, open and served."""
    servers: list[StudyServer] = []
    (tmp_path / "pictures").mkdir()
    for path in sorted(PICTURES.glob("*.webp"))[:16]:
        (tmp_path / "pictures" / path.name).symlink_to(path)

    def start(text: str = STUDY, **changes: Any) -> StudyServer:
        workspace = Workspace(str(tmp_path / "workspace"))
        service = StudyService(StudyStore(Store.at(tmp_path / "workspace" / "choices.db")), workspace)
        service.create(study_config(text, images=tmp_path / "pictures", **changes))
        service.store.set_state("faces", "open")
        servers.append(StudyServer(service))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()
        server.service.store.store.close()


@pytest.fixture
def take_part(chromium: Browser) -> Iterator[Callable[..., Participant]]:
    """Opens a study for somebody with a browser of their own; afterwards nothing must have gone wrong in it."""
    people: list[Participant] = []

    def come(url: str, **options: Any) -> Participant:
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 720}, "locale": "en-US", **options})
        context.set_default_timeout(60_000)
        people.append(Participant(context.new_page(), url))
        return people[-1]

    yield come
    wrong = [error for each in people for error in each.errors]
    for each in people:
        each.page.context.close()
    assert wrong == []


def rows(server: StudyServer, name: str) -> list[dict[str, Any]]:
    server.service.import_answers()
    return server.service.workspace.read(name).to_pylist()


def test_a_participant_on_a_phone_through_a_reload_and_a_server_that_goes_away(serve, take_part):
    server = serve()
    ana = take_part(f"{server.url}/study/faces", **PHONE, color_scheme="dark")
    page = ana.page
    ana.until("consent")
    assert axe_findings(page) == []
    ana.page.locator("#lang").select_option("de")
    expect(page.locator("#agree")).to_have_text("Ich bin einverstanden und nehme teil")
    page.locator("#lang").select_option("en")
    expect(page.locator("#consent-text p")).to_have_count(2)
    ana.agree()
    ana.until("form")
    page.locator("#fields button").tap()
    expect(page.locator(".wrong")).to_have_count(2)
    assert page.evaluate("document.activeElement.id") == "field-age"
    assert axe_findings(page) == []
    page.fill("#field-age", "33")
    page.get_by_label("other").check()
    page.locator("#fields button").tap()
    ana.until("trial")
    seen = set()
    for number in range(200):
        step = ana.wait_for_trial()
        if step != "trial":
            break
        kind = f"{ana.is_pair} {ana.wanted() is None}"
        if kind not in seen:  # each kind of trial once
            seen.add(kind)
            assert axe_findings(page) == [], kind
            assert page.evaluate("document.documentElement.scrollWidth") <= 390
            assert page.evaluate("document.documentElement.scrollHeight") <= 844, "a trial fits into one view"
        if number == 5:
            ana.until_sent()
            before = page.locator("#far").inner_text().split(" ·")[0], page.locator("#picture").get_attribute("src")
            page.reload()
            assert ana.wait_for_trial() == "trial"
            assert page.locator("#far").inner_text().split(" ·")[0] == before[0]
        if number == 8:
            ana.until_sent()
            server.stop()
            ana.tap()
            if ana.can_answer:  # the second question of the same trial
                page.wait_for_timeout(250)
                ana.tap()
            expect(page.locator("#notice-text")).to_contain_text("Your answers are kept here")
            assert len(ana.unsent()) == 1
            assert axe_findings(page) == []
            server.start()
            page.locator("#notice-again").tap()
            ana.until_sent()
            expect(page.locator("#notice")).to_be_hidden()
            continue
        ana.tap()
    assert len(seen) == 4
    ana.until("form")
    page.locator("#fields button").tap()
    ana.until("done")
    assert axe_findings(page) == []
    expect(page.locator("#code-text")).to_have_text("XY7")
    assert page.locator("#back").get_attribute("href") == "https://panel.example/?c=XY7"
    responses = rows(server, "responses")
    assert len({row["judgement_id"] for row in responses}) == TRIALS
    assert all(100 <= row["response_ms"] < 60_000 for row in responses)
    assert {row["answer"] for row in responses if row["role"] != CHECK} == {"2", "left"}
    assert all(row["answer"] == row["expected"] for row in responses if row["role"] == CHECK)
    assert Counter(row["role"] for row in responses)[MAIN] == 2 * 7
    (person,) = server.service.store.participants("faces")
    assert person.forms["before"] == {"age": "33", "sex": "other"}


def test_by_keys_alone_then_elsewhere_then_forgotten(serve, take_part):
    server = serve(
        "name: faces\npairs: {per_person: 6, third: not_sure, show: flip}\nratings: {per_person: 2}\norder: [pairs, ratings]"
    )
    bob = take_part(f"{server.url}/study/faces")
    page = bob.page
    assert bob.wait_for_trial() == "trial"  # no consent to give, no form to fill in
    first = page.locator("#turn img").get_attribute("src")
    page.keyboard.press(" ")
    expect(page.locator("#turn .name")).to_have_text("B")
    assert page.locator("#turn img").get_attribute("src") != first
    assert axe_findings(page) == []
    for key in ("ArrowLeft", "ArrowRight", "ArrowDown"):
        bob.wait_for_trial()
        page.keyboard.press(key)
    bob.until_sent()
    expect(page.locator("#far")).to_contain_text("3 of 8")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") in ("skip", "withdraw", "turn", "left")
    elsewhere = take_part(bob.link)  # the own link, in another browser
    elsewhere.wait_for_trial()
    expect(elsewhere.page.locator("#far")).to_contain_text("3 of 8")
    for _ in range(5):
        assert elsewhere.wait_for_trial() == "trial"
        elsewhere.press("4", "ArrowLeft")
    elsewhere.until("done")
    answers = [row["answer"] for row in sorted(rows(server, "responses"), key=lambda row: row["place"])]
    assert answers == ["left", "right", "not_sure", "left", "left", "left", "4", "4"]
    elsewhere.forget_me()
    assert rows(server, "responses") == []
    assert server.service.store.status("faces", now=datetime.now(UTC)).joined == 0
    page.reload()
    expect(page.locator("#message-more")).to_contain_text("this link is not valid any more")


@pytest.mark.soak
def test_blocks_of_trials_are_introduced_and_a_slider_suggests_nothing(serve, take_part):
    text = """
name: faces
ask: in_blocks
questions:
  - {attribute: calm, rating: "How calm is this face?", instructions: "Go by your first impression.\\n\\nThere is no right answer."}
  - {attribute: smart, rating: "How smart is this face?"}
ratings: {per_person: 3, checks: 1, low: 0, high: 100, show: slider, not_sure: true, low_label: not at all, high_label: very}
"""
    server = serve(text)
    ana = take_part(f"{server.url}/study/faces", **PHONE, color_scheme="dark")
    page, introduced = ana.page, []
    while ana.until("part", "trial", "done") != "done":
        if ana.step == "part":
            introduced.append(page.inner_text("#part-title"))
            assert axe_findings(page) == []
            page.locator("#begin").tap()
            ana.until("trial")
        ana.wait_for_trial()
        if ana.step != "trial":
            continue
        if len(introduced) == 1 and "of 8" in page.inner_text("#far") and page.inner_text("#far").startswith("1 "):
            ana.until_sent()
            page.reload()  # what was introduced is not introduced again
            assert ana.wait_for_trial() == "trial"
        take = page.locator('#more [data-value="slide"]')
        expect(take).to_be_disabled()
        assert page.locator("#slide-value").inner_text() == ""
        assert axe_findings(page) == []
        assert page.evaluate("document.documentElement.scrollHeight") <= 844, "a trial fits into one view"
        page.locator("#slider").fill(ana.wanted() or "73")
        expect(page.locator("#slide-value")).to_have_text(ana.wanted() or "73")
        take.tap()
    assert sorted(introduced) == ["How calm is this face?", "How smart is this face?"]
    answers = rows(server, "responses")
    assert Counter((row["attribute"], row["answer"]) for row in answers if row["role"] == MAIN) == {
        ("calm", "73"): 3, ("smart", "73"): 3,
    }  # fmt: skip
    assert all(row["answer"] == row["expected"] for row in answers if row["role"] == CHECK)
    bob = take_part(f"{server.url}/study/faces")  # by keys alone
    bob.until("part")
    bob.page.keyboard.press("Tab")
    bob.page.locator("#begin").press("Enter")
    bob.wait_for_trial()
    bob.page.keyboard.press("Enter")
    bob.page.keyboard.press("ArrowRight")
    bob.page.keyboard.press("ArrowRight")
    expect(bob.page.locator("#slide-value")).to_have_text("52")
    bob.page.keyboard.press("Enter")
    bob.until_sent()
    expect(bob.page.locator("#far")).to_contain_text("1 of 8")


def test_who_can_not_take_part_is_told_so(serve, take_part):
    server = serve("name: faces\nratings: {per_person: 2}", join="invited")
    stranger = take_part(f"{server.url}/study/faces")
    expect(stranger.page.locator("#message-more")).to_have_text("You need a link of your own to take part.")
    assert axe_findings(stranger.page) == []
    lost = take_part(f"{server.url}/study/nothing")
    expect(lost.page.locator("#message-title")).to_have_text("There is no such study.")
    (token,) = server.service.store.invite("faces", 1)
    assert take_part(f"{server.url}/study/faces#{token}").wait_for_trial() == "trial"


@pytest.mark.soak
def test_twenty_browsers_at_once_through_a_killed_server(chromium: Browser, take_part, tmp_path: Path):
    """Twenty participants in browsers of their own, the server killed by SIGKILL in the middle and started again."""
    (tmp_path / "study.yaml").write_text(STUDY.replace("languages: [en, de]", f"languages: [en, de]\nimages: {PICTURES}"))
    workspace = f"workspace={tmp_path / 'workspace'}"
    subprocess.run([sys.executable, "-m", "beholder", "study", "new", str(tmp_path / "study.yaml"), workspace], check=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "beholder", "study", "open", "faces", f"port={port}", workspace]

    def start() -> subprocess.Popen:
        server = subprocess.Popen(command)
        for _ in range(1200):
            try:
                with urlopen(f"http://127.0.0.1:{port}/readyz"):
                    return server
            except OSError:
                time.sleep(0.1)
        raise AssertionError("the server did not start")

    server = start()
    people = [take_part(f"http://127.0.0.1:{port}/study/faces") for _ in range(20)]
    for each in people:
        each.agree()
    for each in people:
        each.until("form")
        each.page.fill("#field-age", "33")
        each.page.get_by_label("other").check()
        each.page.locator("#fields button").click()
    killed, rounds = False, 0
    while any(each.step == "trial" for each in people):
        rounds += 1
        for each in people:
            if each.step == "trial" and each.can_answer:
                each.page.wait_for_timeout(10)
                each.press()
        if rounds == 12 and not killed:
            os.kill(server.pid, signal.SIGKILL)
            server.wait()
            killed = True
            server = start()
        people[0].page.wait_for_timeout(150)
    for each in people:
        each.until("form")
        each.page.locator("#fields button").click()
    for each in people:
        each.until("done")
    server.send_signal(signal.SIGINT)
    server.wait(60)
    store = Store.at(tmp_path / "workspace" / "choices.db")
    studies = StudyStore(store)
    trials = studies.trials("faces")
    assert killed
    assert len(trials) == 20 * TRIALS
    assert Workspace(str(tmp_path / "workspace")).read("responses").num_rows == sum(len(trial.answers) for trial in trials)
    shown = Counter({image: 0 for image, _ in studies.study("faces").images})
    shown.update(trial.left_id for trial in trials if trial.block == "ratings" and trial.role == MAIN)
    assert max(shown.values()) - min(shown.values()) <= SPREAD
    store.close()
