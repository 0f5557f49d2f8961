"""`beholder study new FILE`: a study made from its YAML file; `template=FILE` writes one to begin from."""

from dataclasses import dataclass
from typing import ClassVar

from beholder.commands._person_image import CHOICES
from beholder.config import setting
from beholder.errors import ConfigError, StudyError
from beholder.images import ImageLimits
from beholder.recommending.components import open_store
from beholder.runs import Run
from beholder.storage import Place
from beholder.studies.study_config import read_study
from beholder.studies.study_service import StudyService
from beholder.studies.study_store import StudyStore
from beholder.workspace import Workspace

_MOST = 1_000_000  # bytes of a study's file
TEMPLATE = """# A study: `beholder study new FILE`, then `beholder study open NAME`. A text is the same for all languages, or there
# is one for each: {en: "Which face?", de: "Welches Gesicht?"}. Every setting may be left out but name.

name: faces                   # in the address: /study/faces
images: photos                # a folder, URI or list; left out: all images of the workspace
title: A study about faces
languages: [en]               # en, de and fr are built in; the first is the default
join: anybody                 # or invited: `beholder study invite NAME count=40` makes links
participants: 0               # at most; 0: any number
external_id: ""               # the parameter of the address that holds a panel's id, such as PROLIFIC_PID

consent: |
  You will see pictures of faces and say how attractive you find them. It takes about five minutes.

  Your answers are kept under a number, without your name. You can stop at any time, and have everything deleted.

questions:                    # each is asked about every image or pair
  - attribute: attractive
    rating: How attractive is this face?
    pair: Which face is more attractive?
#    instructions: |           # said before the question's block of trials, with ask: in_blocks
#      Go by your first impression.
ask: together                 # all questions about each image or pair; in_blocks: a block of trials for each question, with
                              # per_person images and pairs of its own, in an order balanced between participants

ratings:                      # images one by one
  per_person: 24              # 0: none
  low: 1                      # the scale; the .xlsx schema has 1 to 4, CSV and Parquet any
  high: 4
  show: buttons               # or slider: up to 101 points, such as low: 0, high: 100
  low_label: not at all
  high_label: very
  not_sure: true              # offer "not sure", which is kept apart from the ratings
  repeats: 2                  # shown a second time: how consistent somebody is
  checks: 1                   # attention checks

pairs:                        # two images, of which one is chosen
  per_person: 20
  choose: random              # random, round_robin, or active (where all answers so far leave most open)
  taste: ""                   # with active: a taste that `beholder train` saved; pairs that it is sure of are asked less
  third: not_sure             # none, tie or not_sure
  show: side_by_side          # or flip: both in one place
  repeats: 2                  # sides exchanged
  checks: 1

order: [ratings, pairs]
gap: 8                        # trials between an item and its repetition, at least
release_minutes: 30           # what somebody left unanswered for so long may be shown to others
picture_px: 1024              # longer side of the pictures that participants get

before:                       # a questionnaire: kind text, number or choice
  - {id: age, text: "How old are you?", kind: number, low: 16, high: 120}
  - {id: gender, text: "What is your gender?", kind: choice, options: [female, male, other], required: false}
after:
  - {id: remarks, text: "Is there anything you want to tell us?", required: false}

completion:
  text: Thank you for taking part.
  code: ""                    # a completion code to be copied
  redirect: ""                # such as https://app.prolific.com/submissions/complete?cc={code}
"""


@dataclass(frozen=True)
class StudyNewSettings:
    examples: ClassVar[tuple[str, ...]] = (
        "beholder study new template=faces.yaml",
        "beholder study new faces.yaml",
    )
    positional: ClassVar[tuple[str, ...]] = ("file",)
    file: str | None = setting(None, "the study's YAML file")
    template: str | None = setting(None, "instead: write a file with every setting explained, to begin from")
    choices: str | None = setting(None, CHOICES)
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")
    limits: ImageLimits = setting(ImageLimits(), "what an image may cost")

    @property
    def run_folder(self) -> str:
        """A template goes where it should, and is all."""
        return "never" if self.template is not None else "always"

    def __post_init__(self) -> None:
        if (self.file is None) == (self.template is None):
            raise ConfigError("give the study's file, `beholder study new faces.yaml`, or template=faces.yaml to have one written")


def main(settings: StudyNewSettings, run: Run) -> None:
    if settings.template is not None:
        place = Place.at(settings.template)
        if place.is_file():
            raise StudyError(
                f"{settings.template} is there already; give another name, or `beholder study new {settings.template}`"
            )
        place.write_bytes(TEMPLATE.encode())
        print(f"{settings.template} is written; change it, then `beholder study new {settings.template}`")
        return
    place = Place.at(str(settings.file))
    try:
        study = read_study(place.read_bytes(_MOST).decode(), name=place.name)
    except UnicodeDecodeError:
        raise StudyError(f"{settings.file} is no text in UTF-8") from None
    workspace = Workspace(settings.workspace)
    store = open_store(settings.choices, workspace)
    count = StudyService(StudyStore(store), workspace).create(study, limits=settings.limits)
    store.close()
    run.metrics({"images": count, "trials": study.total})
    print(f"study {study.name}: {count} images, {study.total} trials for each participant")
    print(f"`beholder study open {study.name}` opens it")
