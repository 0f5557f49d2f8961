"""A double of the API with the shipped generator, in a thread: what it keeps outlives a restart, and it fails when told to."""

import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import numpy as np

from beholder import images
from beholder.editing.directions.vocabulary import GROUPS, LOCKED, Vocabulary
from beholder.editing.stylegan import StyleGAN

PAGE = Path(__file__).parents[2] / "serve" / "page"
KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css",
    ".js": "text/javascript",
    ".woff2": "font/woff2",
    ".svg": "image/svg+xml",
}
AFTER = 5  # choices before there is a recommendation
# The pairs that are asked, again and again: what a person who takes the left one likes is known.
PAIRS: tuple[tuple[dict[str, float], dict[str, float]], ...] = (
    ({"smile": 1.5}, {"smile": -1.5}),
    ({"glasses": 2.0}, {}),
    ({"older": -1.0, "smile": 1.0}, {"older": 1.5}),
    ({"hat": 2.0}, {"hat": -1.0}),
    ({"longer_hair": 1.5}, {"curly_hair": 1.5}),
    ({"bluer_background": 2.0}, {"beard": 2.0}),
    ({"golden_hair": 1.5}, {"lighter_hair": -1.5}),
    ({"bigger_eyes": 1.5, "smile": 1.0}, {"thicker_brows": 2.0}),
    ({"earrings": 2.0}, {"lipstick": 2.0}),
    ({"longer_hair": -1.5}, {"curly_hair": -1.5}),
    ({"glasses": -2.0}, {"beard": -2.0}),
    ({"thicker_brows": -2.0}, {"bigger_eyes": -1.5}),
    ({"older": 1.0, "hat": 2.0}, {"older": -1.5}),
    ({"golden_hair": -1.5}, {"smile": 1.0}),
)


class Refusal(Exception):
    def __init__(self, status: int, detail: str, *, kind: str = "", **headers: str):
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, headers
        self.type = f"/docs#problem-{kind}" if kind else "about:blank"


@dataclass
class Kept:
    """What a database would hold."""

    questions: dict[str, dict[str, Any]] = field(default_factory=dict)
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)  # by question
    photos: dict[str, Any] = field(default_factory=dict)


class Double:
    """`start` and `stop` as often as wanted, always at one address.

    seen: (method, path) of every request. refuse: looks at method and path, and may raise a Refusal. key: what has to be sent.
    """

    def __init__(self, editor: StyleGAN, drawn: dict[tuple[str, str, int | None], bytes] | None = None) -> None:
        """editor: of the shipped generator. drawn: pictures that another double drew with it."""
        self.kept = Kept()
        self.editor, self.vocabulary = editor, Vocabulary.of(editor.directions)
        self.seen: list[tuple[str, str]] = []
        self.refuse: Callable[[str, str], None] = lambda method, path: None
        self.key: str | None = None
        self.port = 0
        self._drawn = {} if drawn is None else drawn
        self._groups = {words.group for words in self.vocabulary.words.values()}
        self._lock = threading.RLock()
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    @property
    def runs(self) -> bool:
        return self._server is not None

    def requests(self, method: str, path: str) -> int:
        """How many requests of a method there were for addresses that begin with a path."""
        return sum(each[0] == method and each[1].startswith(path) for each in self.seen)

    def start(self) -> None:
        handler = type("Handler", (_Handler,), {"double": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()
        self._server = None

    # What the API does. Each returns a body, or raises a Refusal.

    def add_image(self, user_id: str, *, seed: int | None = None, data: bytes | None = None) -> dict[str, Any]:
        if seed is not None:
            image_id, source, loss = f"seed-{seed}", "seed", None
        else:
            assert data is not None
            try:
                pixels = images.decode(data)
            except Exception as error:
                raise Refusal(422, str(error)) from None
            image_id, source, loss = f"photo-{images.digest(data)[:24]}", "photo", 0.02
            with self._lock:
                self.kept.photos[image_id] = self.editor.invert(pixels[None])
        return {
            "image_id": image_id,
            "source": source,
            "resolution": self.editor.resolution,
            "picture": f"/v1/images/{image_id}",
            "loss": loss,
        }

    def picture(self, image_id: str, edit: str, size: int | None) -> bytes:
        with self._lock:
            if (image_id, edit, size) not in self._drawn:
                kind, _, rest = image_id.partition("-")
                if kind == "seed" and rest.isdigit():
                    latent = self.editor.generate([int(rest)])
                elif image_id in self.kept.photos:
                    latent = self.kept.photos[image_id]
                else:
                    raise Refusal(404, f"no image {image_id!r}")
                moves = {name: float(alpha) for name, _, alpha in (part.partition("=") for part in edit.split(",") if part)}
                pixels = self.editor.edit(latent, [moves], size=size)[0]
                self._drawn[image_id, edit, size] = images.encode(np.asarray(pixels), format="PNG")
            return self._drawn[image_id, edit, size]

    def directions(self) -> dict[str, Any]:
        return {
            "generator": "portraits",
            "directions": [
                {"name": name, "low": each.range[0], "high": each.range[1], "minus": words.ends[0], "plus": words.ends[1]}
                | {"title": words.title, "group": words.group, "locked": words.group in LOCKED}
                for (name, each), words in zip(self.editor.directions.items(), self.vocabulary.words.values(), strict=True)
            ],
            "groups": [
                {"name": name, "title": title, "locked": name in LOCKED} for name, title in GROUPS.items() if name in self._groups
            ],
        }

    def ask(self, user_id: str, image_id: str) -> dict[str, Any]:
        with self._lock:
            number = sum(question["user_id"] == user_id for question in self.kept.questions.values())
            sides = [
                {"edit": edit, "words": self.vocabulary.caption(edit), "picture": picture_path(image_id, edit)}
                for edit in PAIRS[number % len(PAIRS)]
            ]
            question: dict[str, Any] = {
                "question_id": f"q-{user_id}-{number}",
                "user_id": user_id,
                "image_id": image_id,
                "strategy": "known",
                "left": sides[0],
                "right": sides[1],
            }
            self.kept.questions[question["question_id"]] = question
            return {**question, "rounds": self.rounds(user_id), "recommended_after": AFTER}

    def rounds(self, user_id: str) -> int:
        return sum(self.kept.questions[question]["user_id"] == user_id for question in self.kept.answers)

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            if body["question_id"] not in self.kept.questions:
                raise Refusal(404, f"no question {body['question_id']!r} was asked")
            stands = self.kept.answers.get(body["question_id"])
            if stands and stands["choice"] != body["choice"]:
                raise Refusal(409, f"question {body['question_id']} is answered with {stands['choice']}; undo that first")
            self.kept.answers.setdefault(body["question_id"], body)
            user_id = self.kept.questions[body["question_id"]]["user_id"]
            counts = {"counted": stands is None, "rounds": self.rounds(user_id), "learned": self.user(user_id)["words"]}
            return {"question_id": body["question_id"], "choice": body["choice"], **counts}

    def was_here(self, user_id: str, image_id: str, choices: list[str]) -> None:
        """Somebody who chose before."""
        for number, choice in enumerate(choices):
            question = self.ask(user_id, image_id)["question_id"]
            self.answer({"event_id": f"{user_id}-{number}", "question_id": question, "choice": choice, "response_seconds": 1.0})

    def retract(self, question_id: str) -> dict[str, Any]:
        with self._lock:
            if question_id not in self.kept.questions:
                raise Refusal(404, f"no question {question_id!r} was asked")
            self.kept.answers.pop(question_id, None)
            return {"question_id": question_id, "rounds": self.rounds(self.kept.questions[question_id]["user_id"])}

    def liked(self, user_id: str) -> dict[str, float]:
        """direction -> how far the chosen pictures lie from the others, on average."""
        total: dict[str, float] = {}
        for question_id, answer in self.kept.answers.items():
            question = self.kept.questions[question_id]
            if question["user_id"] == user_id and answer["choice"] != "neither":
                chosen, other = (("left", "right") if answer["choice"] == "left" else ("right", "left"))[:2]
                for name in question["left"]["edit"] | question["right"]["edit"]:
                    gap = question[chosen]["edit"].get(name, 0) - question[other]["edit"].get(name, 0)
                    total[name] = total.get(name, 0) + gap
        return dict(sorted(total.items(), key=lambda part: -abs(part[1])))

    def user(self, user_id: str) -> dict[str, Any]:
        liked = self.liked(user_id)
        return {
            "user_id": user_id,
            "attribute": "attractive",
            "rounds": self.rounds(user_id),
            "words": [f"You like {self.vocabulary[name].ends[value > 0]}" for name, value in list(liked.items())[:3]],
            "repeated": {"asked": 2, "same": 1} if self.rounds(user_id) > 1 else {"asked": 0, "same": 0},
            "tastes": [{"attribute": "attractive", "rounds": self.rounds(user_id)}],
            "directions": [
                {"direction": name, "alpha": min(3, max(-3, value)), "gain": abs(value) / 3, "uncertainty": 0.3}
                for name, value in liked.items()
            ],
            "images": [],
        }

    def recommend(self, user_id: str, image_id: str, count: int, **asked: Any) -> dict[str, Any]:
        """asked: lock and like of the request."""
        locked: Any = LOCKED if asked.get("lock") is None else asked["lock"]
        liked = {name: value for name, value in self.liked(user_id).items() if self.vocabulary.group(name) not in locked}
        best = [(name, round(min(2.4, max(-2.4, value)), 1)) for name, value in liked.items()]
        edits = [dict(best[:2]), *({name: alpha} for name, alpha in best)] if best else [{}]
        like: dict[str, float] = asked.get("like", {})
        if like:
            edits = [{**like, name: alpha} for name, alpha in best if like.get(name) != alpha]
        found = [
            {
                "edit": edit,
                "words": self.vocabulary.caption(edit),
                "change": self.vocabulary.caption(edit, base=like) if like else "",
                "directions": [{"direction": name, "alpha": alpha} for name, alpha in edit.items()],
                "score": 1.6 - 0.3 * place,
                "uncertainty": 0.4,
                "probability": 0.83 - 0.06 * place,
                "picture": picture_path(image_id, edit),
            }
            for place, edit in enumerate(edits[:count])
        ]
        words = [self.vocabulary.part(name, alpha) for name, alpha in best[:2]]
        reasons = [f"{each}: of one question that differed in it, you chose this way in 1" for each in words]
        return {
            "user_id": user_id,
            "image_id": image_id,
            "rounds": self.rounds(user_id),
            "model": "double",
            "recommendations": found,
            "reasons": reasons,
        }

    def scores(self, user_id: str, image_id: str, edits: list[dict[str, float]]) -> dict[str, Any]:
        liked = self.liked(user_id)
        gains = [sum(alpha * liked.get(name, 0) for name, alpha in edit.items()) / 4 for edit in edits]
        scored = [
            {"edit": edit, "words": self.vocabulary.caption(edit), "score": gain, "uncertainty": 0.4}
            | {"probability": float(1 / (1 + np.exp(-gain))), "picture": picture_path(image_id, edit)}
            for edit, gain in zip(edits, gains, strict=True)
        ]
        return {"user_id": user_id, "image_id": image_id, "rounds": self.rounds(user_id), "scores": scored}

    def export_taste(self, user_id: str) -> dict[str, Any]:
        mine = [question for question in self.kept.answers if self.kept.questions[question]["user_id"] == user_id]
        choices = [{"question_id": name, "choice": self.kept.answers[name]["choice"]} for name in mine]
        return {"format": "beholder-taste", "version": 1, "attribute": "", "choices": choices}

    def import_taste(self, user_id: str, taste: dict[str, Any]) -> dict[str, Any]:
        if taste.get("format") != "beholder-taste":
            raise Refusal(422, "expected a taste")
        before = self.rounds(user_id)
        for choice in taste["choices"]:
            question = self.ask(user_id, "seed-1")["question_id"]
            self.answer({"event_id": question, "question_id": question, "choice": choice["choice"]})
        return {"added": self.rounds(user_id) - before, "rounds": self.rounds(user_id)}

    def erase(self, user_id: str) -> dict[str, Any]:
        with self._lock:
            mine = [name for name, question in self.kept.questions.items() if question["user_id"] == user_id]
            answers = sum(self.kept.answers.pop(name, None) is not None for name in mine)
            for name in mine:
                del self.kept.questions[name]
            return {"user_id": user_id, "questions": len(mine), "answers": answers, "images": len(self.kept.photos), "tastes": []}


def picture_path(image_id: str, edit: dict[str, float]) -> str:
    return f"/v1/images/{image_id}" + (f"/edits/{edit_path(edit)}" if edit else "")


def edit_path(edit: dict[str, float]) -> str:
    return quote(",".join(f"{name}={alpha:g}" for name, alpha in sorted(edit.items())), safe="")


class _Handler(BaseHTTPRequestHandler):
    """HTTP around a double."""

    double: Double
    protocol_version = "HTTP/1.1"
    timeout = 5

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def do_PUT(self) -> None:
        self._answer("PUT")

    def do_DELETE(self) -> None:
        self._answer("DELETE")

    def log_message(self, *_: Any) -> None:
        pass

    def _answer(self, method: str) -> None:
        address = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not self.double.runs:  # a connection that was open when the server stopped
            self.close_connection = True
            return
        self.double.seen.append((method, address.path))
        try:
            if address.path.startswith("/v1/") and self.double.key not in (None, self.headers.get("Authorization", "")[7:]):
                raise Refusal(401, "a key is needed")
            self.double.refuse(method, address.path)
            kind, data = self._route(method, address.path, parse_qs(address.query), body)
            self._send(200, kind, data)
        except Refusal as refusal:
            problem = {"type": refusal.type, "title": "Refused", "status": refusal.status, "detail": refusal.detail}
            self._send(refusal.status, "application/problem+json", json.dumps(problem).encode(), **refusal.headers)

    def _route(self, method: str, path: str, query: dict[str, list[str]], body: bytes) -> tuple[str, bytes]:
        double = self.double
        if method == "GET" and not path.startswith("/v1/"):
            return self._file(path)
        parts = [unquote(part) for part in path.removeprefix("/v1/").split("/")]
        size = int(query["size"][0]) if "size" in query else None
        match method, *parts:
            case "GET", "images", image_id:
                return "image/png", double.picture(image_id, "", size)
            case "GET", "images", image_id, "edits", edit:
                return "image/png", double.picture(image_id, edit, size)
            case "POST", "images" if "multipart" in self.headers["Content-Type"]:
                form = fields(self.headers["Content-Type"], body)
                found: Any = double.add_image(form["user_id"].decode(), data=form["file"])
            case "POST", "images":
                asked = json.loads(body)
                found = double.add_image(asked.get("user_id", ""), seed=asked["seed"])
            case "GET", "directions":
                found = double.directions()
            case "POST", "questions":
                asked = json.loads(body)
                found = double.ask(asked["user_id"], asked["image_id"])
            case "POST", "choices":
                found = double.answer(json.loads(body))
            case "DELETE", "choices", question_id:
                found = double.retract(question_id)
            case "POST", "recommendations":
                asked = json.loads(body)
                found = double.recommend(**{name: value for name, value in asked.items() if name != "diversity"})
            case "POST", "scores":
                asked = json.loads(body)
                found = double.scores(asked["user_id"], asked["image_id"], asked["edits"])
            case "GET", "users", user_id, "taste":
                found = double.export_taste(user_id)
            case "PUT", "users", user_id, "taste":
                found = double.import_taste(user_id, json.loads(body))
            case "GET", "users", user_id:
                found = double.user(user_id)
            case "DELETE", "users", user_id:
                found = double.erase(user_id)
            case _:
                raise Refusal(404, f"nothing at {path}")
        return "application/json", json.dumps(found).encode()

    def _file(self, path: str) -> tuple[str, bytes]:
        file = PAGE / ("index.html" if path == "/" else path.removeprefix("/"))
        if ".." in path or not file.is_file():
            raise Refusal(404, f"nothing at {path}")
        return KINDS[file.suffix], file.read_bytes()

    def _send(self, status: int, kind: str, data: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        with suppress(ConnectionError):  # whoever asked has gone
            self.wfile.write(data)


def fields(content_type: str, body: bytes) -> dict[str, bytes]:
    """The parts of a form by name."""
    head = Message()
    head["Content-Type"] = content_type
    found = {}
    for part in body.split(b"--" + str(head.get_param("boundary")).encode())[1:-1]:
        about, _, data = part.removeprefix(b"\r\n").removesuffix(b"\r\n").partition(b"\r\n\r\n")
        found[about.split(b'name="')[1].split(b'"')[0].decode()] = data
    return found


if __name__ == "__main__":
    double = Double(StyleGAN.load())
    double.port = 8999
    double.start()
    print(double.url, flush=True)
    while True:
        time.sleep(60)
