"""Examples of every request and response of the API, by the operation's id, and the problems that each may be answered with."""

from typing import Any

from beholder.errors import (
    BeholderError,
    ConflictingAnswer,
    FaceTooSmall,
    HeicNotInstalled,
    ImageTooLarge,
    NoFaceFound,
    PersonErased,
    PhotoNotRedrawn,
    UnknownImage,
    UnknownImageFormat,
    UnknownQuestion,
)

_QUESTION = "53d106da46cc419aa524837d856fb678"
_EVENT = "5f0c1f5e8a9b4e0d9f3c2b1a"
_FACES = "faces"
_TRIAL = {
    "trial_id": "b3f1c7d2a4e94c0f8f1e2d3c4b5a6978",
    "block": "pairs",
    "place": 3,
    "pictures": ["0123456789abcdef01234567", "76543210fedcba9876543210"],
    "questions": [{"attribute": "trustworthy", "text": "Which one looks more trustworthy?"}],
    "sure": False,
    "part": None,
}
_SESSION = {"step": "trials", "lang": "en", "done": 3, "total": 15, "trials": [_TRIAL], "code": "", "redirect": ""}
_STATUS = {
    "name": _FACES,
    "state": "open",
    "invited": 0,
    "joined": 12,
    "finished": 9,
    "active": 2,
    "answers": 171,
    "repeats": 12,
    "checks": 11,
    "checks_passed": 11,
    "not_sure": 3,
    "median_ms": 1840.0,
    "balance": [
        {"block": "pairs", "images": 40, "least": 4, "most": 5, "pairs": 80, "pairs_least": 1, "pairs_most": 2, "left_share": 0.51}
    ],
}
_TASTE = {
    "format": "beholder-taste",
    "version": 1,
    "attribute": "",
    "choices": [
        {
            "question_id": _QUESTION,
            "image_id": "seed-7",
            "left": {"longer_hair": 2.0},
            "right": {"longer_hair": -2.0},
            "choice": "left",
            "strategy": "eubo",
            "asked_at": "2026-05-04T12:00:00Z",
            "answered_at": "2026-05-04T12:00:02Z",
            "response_seconds": 1.4,
        }
    ],
}
_ASKED = {
    "question_id": _QUESTION,
    "user_id": "ana",
    "image_id": "seed-7",
    "strategy": "eubo",
    "left": {"edit": {"lighter_hair": -2.0}, "words": "darker hair", "picture": "/v1/images/seed-7/edits/lighter_hair%3D-2"},
    "right": {"edit": {"smile": 1.5}, "words": "more of a smile", "picture": "/v1/images/seed-7/edits/smile%3D1.5"},
    "rounds": 5,
    "recommended_after": 5,
}

# Bodies of requests in JSON.
REQUESTS: dict[str, dict[str, Any]] = {
    "add_image": {"seed": 7},
    "ask": {"user_id": "ana", "image_id": "seed-7", "attribute": "trustworthy", "lock": ["identity", "skin", "age"]},
    "answer": {"event_id": _EVENT, "question_id": _QUESTION, "choice": "left", "response_seconds": 1.4},
    "recommend": {"user_id": "ana", "image_id": "seed-7", "count": 3, "forbid": ["accessories"]},
    "score": {"user_id": "ana", "image_id": "seed-7", "edits": [{"smile": 1.5}, {}]},
    "predict": {"user_id": "ana", "image_ids": ["seed-5"], "question": "a friendly face"},
    "import_taste": _TASTE,
    "set_study_state": {"state": "open"},
    "join_study": {"event_id": "4c2d0e9b7f3a4b5c8d6e1f20", "lang": "en"},
    "consent": {"lang": "en"},
    "send_form": {"part": "before", "answers": {"age": "34"}},
    "answer_trial": {
        "event_id": _EVENT,
        "trial_id": _TRIAL["trial_id"],
        "answers": [{"attribute": "trustworthy", "value": "left", "response_ms": 1840}],
        "ago_ms": 0,
    },
}

# Bodies of responses in JSON. Pictures are files.
RESPONSES: dict[str, Any] = {
    "add_image": {"image_id": "seed-7", "source": "seed", "resolution": 512, "picture": "/v1/images/seed-7", "loss": None},
    "directions": {
        "generator": "portraits",
        "directions": [
            {
                "name": "smile",
                "low": -3.0,
                "high": 3.0,
                "title": "Smile",
                "minus": "less of a smile",
                "plus": "more of a smile",
                "group": "expression",
                "locked": False,
                "source": None,
            }
        ],
        "groups": [{"name": "expression", "title": "Expression", "locked": False}],
    },
    "ask": _ASKED,
    "ask_by_get": _ASKED,
    "answer": {
        "question_id": _QUESTION,
        "choice": "left",
        "counted": True,
        "rounds": 6,
        "learned": ["Perhaps you like darker hair"],
    },
    "retract": {"question_id": _QUESTION, "rounds": 5, "undone": True},
    "recommend": {
        "user_id": "ana",
        "image_id": "seed-7",
        "attribute": "attractive",
        "rounds": 6,
        "model": "bayes-90c6ec77",
        "known": True,
        "recommendations": [
            {
                "edit": {"smile": 1.5},
                "words": "more of a smile",
                "change": "",
                "directions": [{"direction": "smile", "alpha": 1.5}],
                "score": 0.71,
                "uncertainty": 0.62,
                "probability": 0.66,
                "confidence": "a guess",
                "picture": "/v1/images/seed-7/edits/smile%3D1.5",
            }
        ],
        "reasons": ["more of a smile: of 2 questions that differed in it, you chose this way in 2"],
    },
    "score": {
        "user_id": "ana",
        "image_id": "seed-7",
        "attribute": "attractive",
        "rounds": 6,
        "model": "bayes-90c6ec77",
        "scores": [
            {
                "edit": {"smile": 1.5},
                "words": "more of a smile",
                "score": 0.71,
                "uncertainty": 0.62,
                "probability": 0.66,
                "confidence": "a guess",
                "picture": "/v1/images/seed-7/edits/smile%3D1.5",
            }
        ],
    },
    "predict": {
        "predictions": [{"image_id": "seed-5", "index": None, "score": -0.6, "uncertainty": None, "probability": 0.35}],
        "taste": "clip",
    },
    "person": {
        "user_id": "ana",
        "attribute": "attractive",
        "rounds": 6,
        "words": ["Perhaps you like darker hair"],
        "repeated": {"asked": 1, "same": 1},
        "tastes": [{"attribute": "attractive", "rounds": 6}],
        "directions": [{"direction": "lighter_hair", "alpha": -2.0, "gain": 0.42, "uncertainty": 0.4}],
        "images": [],
    },
    "export_taste": _TASTE,
    "import_taste": {"added": 1, "rounds": 7},
    "erase": {
        "user_id": "ana",
        "questions": 6,
        "answers": 6,
        "images": 0,
        "tastes": [],
        "places": ["6 questions and 6 answers: the store of choices"],
    },
    "studies": [_STATUS],
    "study_status": _STATUS,
    "set_study_state": {"state": "open", "changed": True},
    "study": {
        "name": _FACES,
        "state": "open",
        "join": "anybody",
        "lang": "en",
        "languages": {"en": "English"},
        "title": "Faces",
        "consent": "Your answers are kept without your name.",
        "external_id": "",
        "low": 1,
        "high": 4,
        "low_label": "not at all",
        "high_label": "very",
        "ratings_not_sure": True,
        "ratings_show": "buttons",
        "third": "tie",
        "show": "side_by_side",
        "before": [
            {"id": "age", "text": "How old are you?", "kind": "number", "options": [], "low": 18, "high": 99, "required": True}
        ],
        "after": [],
        "thanks": "Thank you.",
        "words": {"next": "Next"},
    },
    "join_study": {"token": "hT3x9QvLr2mWc8Kd"},
    "study_session": _SESSION,
    "consent": _SESSION,
    "send_form": _SESSION,
    "answer_trial": {"counted": True, "session": _SESSION},
    "withdraw": {"answers": 4},
    "health": {"status": "alive"},
    "readiness": {"editor": True, "encoder": True, "ranker": True},
}

# What parameters may look like, by name.
PARAMETERS: dict[str, Any] = {
    "image_id": "seed-7",
    "edit": "smile=1.4,glasses=2",
    "size": 256,
    "question_id": _QUESTION,
    "user_id": "ana",
    "attribute": "trustworthy",
    "strategy": "information",
    "name": _FACES,
    "lang": "en",
    "picture": "0123456789abcdef01234567",
    "X-Participant": "hT3x9QvLr2mWc8Kd",
}

# The problems of each operation that have a type of their own.
_WITH_IMAGE: tuple[type[BeholderError], ...] = (UnknownImage,)
PROBLEMS: dict[str, tuple[type[BeholderError], ...]] = {
    "add_image": (
        NoFaceFound, FaceTooSmall, PhotoNotRedrawn, ImageTooLarge, HeicNotInstalled, UnknownImageFormat, PersonErased,
    ),
    "picture": _WITH_IMAGE,
    "edited_picture": _WITH_IMAGE,
    "ask": _WITH_IMAGE,
    "ask_by_get": _WITH_IMAGE,
    "answer": (UnknownQuestion, ConflictingAnswer, PersonErased),
    "retract": (UnknownQuestion,),
    "recommend": _WITH_IMAGE,
    "score": _WITH_IMAGE,
    "predict": (UnknownImage, ImageTooLarge, HeicNotInstalled, UnknownImageFormat),
    "import_taste": (UnknownImage, PersonErased),
}  # fmt: skip
