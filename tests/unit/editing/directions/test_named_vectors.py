"""Files with several directions: the one that is asked for comes, by the names that the file has."""

import json
import pickle

import numpy as np
import pytest
import torch
from support.direction_files import is_step, npy, npz, pt

from beholder.errors import EditError

RNG = np.random.default_rng(4)
ROW = RNG.normal(size=12)
ROWS = RNG.normal(size=(8, 12))


def test_rows_that_are_all_the_same_are_of_w_whatever_generator_they_were_for(read) -> None:
    same = np.repeat(ROW[None], 18, axis=0)
    for data in (npy(same), npy(same[None]), npy(same.reshape(1, -1)), pt(torch.tensor(same))):
        is_step(read("pose", data), ROW, "w", None)
    is_step(read("Pose_boundary.npy", npy(same.reshape(1, -1))), ROW, "w", None)


NAMES = ("smile", "age", "chin")


def lines(rows: np.ndarray, mark: str = ",") -> list[str]:
    return [mark.join(f"{number:.17g}" for number in row) for row in rows]


def named(rows: np.ndarray, mark: str = ",") -> list[tuple[str, str]]:
    return list(zip(NAMES, lines(rows, mark), strict=True))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "\n".join(["id," + ",".join(f"1_{at}" for at in range(12)), *(f"{n},{r}" for n, r in named(ROWS[:3]))])),
        ("a.csv", "\n".join(f"{n},{r}" for n, r in named(ROWS[:3]))),
        ("a.csv", "\n".join(["," + ",".join(map(str, range(12))), *(f"{n},{r}" for n, r in named(ROWS[:3]))])),
        ("a.csv", "\ufeff" + "\n".join([",".join(NAMES), *lines(ROWS[:3].T)]) + "\n"),
        ("a.csv", "\n".join(["dim," + ",".join(NAMES), *(f"{at},{r}" for at, r in enumerate(lines(ROWS[:3].T)))])),
        ("a.tsv", "\n".join(["\t".join(NAMES), *lines(ROWS[:3].T, "\t")])),
        ("a.csv", "\n".join([";".join(NAMES), *(r.replace(".", ",") for r in lines(ROWS[:3].T, ";"))])),
        ("a.txt", "# made by hand\n" + "\n".join(f"{n} {r}" for n, r in named(ROWS[:3], " "))),
    ],
)  # fmt: skip
def test_text_with_names(read, name: str, text: str) -> None:
    for at, wanted in enumerate(NAMES):
        is_step(read(name, text.encode(), component=wanted), ROWS[at], "w", None)
    with pytest.raises(EditError, match=r"smil.*; did you mean smile"):
        read(name, text.encode(), component="smil")
    with pytest.raises(EditError, match=r"say which with component=NAME: (dim, )?smile, age, chin"):
        read(name, text.encode())


def test_text_with_a_header_alone(read) -> None:
    for header in (",".join(f"dim{at}" for at in range(12)), ",".join(map(str, range(12))), ",".join(['"x, y"', *"bcdefghijkl"])):
        is_step(read("a.csv", "\n".join([header, *lines(ROW[None])]).encode()), ROW, "w", None)
        is_step(read("a.csv", "\n".join([header, *lines(ROWS)]).encode()), ROWS, "w+", (0, 8))
    is_step(read("row.tsv", lines(ROW[None], "\t")[0].encode()), ROW, "w", None)
    is_step(read("row.csv", (lines(ROW[None])[0] + ",\n").encode("utf-16")), ROW, "w", None)
    is_step(
        read("a.csv", b"layer,channel,weight\n8,3,1\n9,1,-0.5\n"), np.eye(1, 24, 3)[0] - 0.5 * np.eye(1, 24, 17)[0], "s", (8, 10)
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a,b\n1,2\n3", "its lines are of different lengths: 2 and 1 numbers"),
        ("a,b\n1,x\n3,4", "'x' in the place of a number, in row 1"),
        ("# nothing\n", "it has no line"),
        ("a,b\n1,2,3\n", "its first line has 2 names, the next one 3 numbers"),
        ("a,b\n1,1_0\n", "'1_0' in the place of a number"),
    ],
)
def test_text_that_is_no_table(read, text: str, says: str) -> None:
    with pytest.raises(EditError, match=says):
        read("a.csv", text.encode())


def test_matrices_with_names(read) -> None:
    objects = np.array(NAMES, dtype=object)
    for names in (np.array(NAMES), list(NAMES), NAMES, objects):
        for matrix in (ROWS[:3], ROWS[:3].T):
            data = pickle.dumps({"direction": matrix, "name": names, "epochs": 3}, 4)
            is_step(read("a.pkl", data, component="age"), ROWS[1], "w", None)
            is_step(read("a.pkl", data, component="2"), ROWS[2], "w", None)
    is_step(read("a.npz", npz(vectors=ROWS[:3], names=np.array(NAMES)), component="chin"), ROWS[2], "w", None)
    is_step(read("a.json", json.dumps({"names": NAMES, "rows": ROWS[:3].tolist()}).encode(), component="chin"), ROWS[2], "w", None)
    is_step(read("a.pt", pt({"names": list(NAMES), "rows": torch.tensor(ROWS[:3])}), component="age"), ROWS[1], "w", None)
    is_step(read("a.pt", pt((torch.tensor(ROWS[:3]), list(NAMES))), component="age"), ROWS[1], "w", None)
    is_step(read("a.npy", npy(ROWS[:3].T), component="1"), ROWS[1], "w", None)
    with pytest.raises(EditError, match="it holds no array 'ages'; did you mean age"):
        read("a.pkl", pickle.dumps({"direction": ROWS[:3], "name": NAMES}), component="ages")


def test_numbers_beside_a_text(read) -> None:
    row = torch.tensor(ROW)
    for value in ((row, "smile"), ["smile", row[None]], {"smile": row, "about": "made by hand", "epochs": 3}):
        is_step(read("a.pt", pt(value)), ROW, "w", None)
    pairs = [(torch.tensor(each), name) for each, name in zip(ROWS, NAMES, strict=False)]
    is_step(read("a.pt", pt(pairs), component="age"), ROWS[1], "w", None)
    entries = [{"name": name, "vector": each.tolist()} for each, name in zip(ROWS, NAMES, strict=False)]
    is_step(read("a.json", json.dumps(entries).encode(), component="chin"), ROWS[2], "w", None)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_tensors_in_a_plain_pickle(read, protocol: int) -> None:
    for value in (torch.tensor(ROW[None]), torch.nn.Parameter(torch.tensor(ROW)), {"smile": torch.tensor(ROW), "by": "ann"}):
        is_step(read("a.pkl", pickle.dumps(value, protocol)), ROW, "w", None)
    is_step(read("a.npy", npy(np.array({"smile": ROW}, dtype=object))), ROW, "w", None)
