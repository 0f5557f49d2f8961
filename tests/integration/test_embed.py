"""`beholder embed` on a real Ray: what comes out, what a second run does, what a killed one leaves."""

import json
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.process_group import kill_group

from beholder import images
from beholder.cli import main
from beholder.embedding import embeddings
from beholder.encoder import Encoder, EncoderConfig
from beholder.storage import Place
from beholder.workspace import Workspace


def table(workspace: Path) -> embeddings.Embeddings:
    (folder,) = (workspace / "embeddings").iterdir()
    return embeddings.read(Place.at(folder))


def metrics(workspace: Path) -> dict:
    newest = max((workspace / "runs").glob("*/metrics.json"), key=lambda file: file.stat().st_mtime_ns)
    return json.loads(newest.read_text())


@pytest.fixture
def encoder(tiny_encoder) -> Encoder:
    values = dict(word.removeprefix("encoder.").split("=") for word in tiny_encoder if word.startswith("encoder."))
    return Encoder.load(EncoderConfig(**values | {"size": int(values["size"])}))


def test_the_table_is_what_the_library_computes(small_ray, pictures, tiny_encoder, encoder, tmp_path):
    folder = pictures(21)
    assert main(["embed", f"images={folder}", f"workspace={tmp_path / 'ws'}", *tiny_encoder, "encoder.batch_size=4"]) == 0

    found = table(tmp_path / "ws")
    files = sorted(folder.iterdir())
    expected = encoder.images([images.decode(file.read_bytes()) for file in files])
    assert found.image_ids == [file.name for file in files]
    np.testing.assert_allclose(found.vectors, expected, atol=1e-5)
    rows = Workspace(str(tmp_path / "ws")).read("images").to_pylist()
    assert {(row["width"], row["height"]) for row in rows} == {(96, 96)}
    assert [row["sha256"] for row in rows if row["image_id"] == "000.jpg"] == [images.digest(files[0].read_bytes())]


def test_a_second_run_embeds_nothing_and_changes_nothing(small_ray, pictures, tiny_encoder, tmp_path):
    words = ["embed", f"images={pictures(9)}", f"workspace={tmp_path / 'ws'}", *tiny_encoder]
    assert main(words) == 0
    before = {path: path.read_bytes() for path in (tmp_path / "ws").rglob("*.parquet")}
    assert main(words) == 0
    assert metrics(tmp_path / "ws")["images.embedded"] == 0
    assert metrics(tmp_path / "ws")["images.present"] == 9
    assert {path: path.read_bytes() for path in (tmp_path / "ws").rglob("*.parquet")} == before


def test_batches_and_actors_make_no_difference(small_ray, pictures, tiny_encoder, tmp_path):
    folder = pictures(23)
    for name, words in {"one": ["encoder.batch_size=23"], "two": ["actors=2", "encoder.batch_size=3"]}.items():
        assert main(["embed", f"images={folder}", f"workspace={tmp_path / name}", *tiny_encoder, *words]) == 0
    one, two = table(tmp_path / "one"), table(tmp_path / "two")
    assert one.image_ids == two.image_ids
    np.testing.assert_allclose(one.vectors, two.vectors, atol=1e-5)


def test_equal_bytes_are_computed_once(small_ray, pictures, tiny_encoder, tmp_path):
    folder = pictures(8)
    for at in range(5):
        shutil.copy(folder / "000.jpg", folder / f"copy-{at}.jpg")
    words = ["embed", f"images={folder}", f"workspace={tmp_path / 'ws'}", *tiny_encoder, "encoder.batch_size=2"]
    assert main(words) == 0
    assert metrics(tmp_path / "ws")["images.embedded"] == 8
    assert metrics(tmp_path / "ws")["images.copied"] == 5
    found = table(tmp_path / "ws")
    vectors = dict(zip(found.image_ids, found.vectors, strict=True))
    assert all((vectors[f"copy-{at}.jpg"] == vectors["000.jpg"]).all() for at in range(5))

    shutil.copy(folder / "003.jpg", folder / "later.jpg")  # its bytes were embedded by an earlier run
    assert main(words) == 0
    assert metrics(tmp_path / "ws")["images.embedded"] == 0
    assert metrics(tmp_path / "ws")["images.copied"] == 1


def test_what_is_no_image_is_rejected_and_the_rest_goes_on(small_ray, pictures, tiny_encoder, tmp_path):
    folder = pictures(6)
    (folder / "empty.jpg").touch()
    (folder / "words.jpg").write_text("no image")
    (folder / "cut.jpg").write_bytes((folder / "000.jpg").read_bytes()[:-400])
    big = images.encode(np.zeros((300, 400, 3), np.uint8))
    (folder / "bomb.png").write_bytes(big)
    gone = {"image_id": "gone", "uri": str(folder / "gone.jpg")}
    rows = [{"image_id": path.name, "uri": str(path)} for path in sorted(folder.iterdir())] + [gone]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "list.parquet")

    words = ["embed", f"images={tmp_path / 'list.parquet'}", f"workspace={tmp_path / 'ws'}", *tiny_encoder]
    assert main([*words, "limits.max_pixels=100000"]) == 0
    rejected = {Path(row["file"]).name: row["reason"] for row in Workspace(str(tmp_path / "ws")).read("rejected").to_pylist()}
    assert set(rejected) == {"empty.jpg", "words.jpg", "cut.jpg", "bomb.png", "gone.jpg"}
    assert "empty" in rejected["empty.jpg"]
    assert "no image" in rejected["words.jpg"]
    assert "broken" in rejected["cut.jpg"]
    assert "100,000 pixels" in rejected["bomb.png"]
    assert "does not exist" in rejected["gone.jpg"]
    assert table(tmp_path / "ws").image_ids == [f"{at:03d}.jpg" for at in range(6)]

    shutil.copy(folder / "001.jpg", folder / "gone.jpg")  # a mended file is taken in by the next run, and no longer rejected
    assert main(words) == 0
    names = {Path(row["file"]).name for row in Workspace(str(tmp_path / "ws")).read("rejected").to_pylist()}
    assert names == {"empty.jpg", "words.jpg", "cut.jpg"}
    assert "gone" in table(tmp_path / "ws").image_ids


def test_a_changed_file_is_embedded_anew(small_ray, pictures, tiny_encoder, encoder, tmp_path):
    folder = pictures(4)
    words = ["embed", f"workspace={tmp_path / 'ws'}", *tiny_encoder]
    assert main([*words, f"images={folder}"]) == 0
    workspace = Workspace(str(tmp_path / "ws"))
    shutil.copy(folder / "001.jpg", folder / "000.jpg")
    rows = workspace.read("images").to_pylist()  # as an import notes it
    rows[0]["sha256"] = images.digest((folder / "000.jpg").read_bytes())
    workspace.write("images", pa.Table.from_pylist(rows, schema=workspace.read("images").schema))
    assert main(words) == 0
    found = table(tmp_path / "ws")
    np.testing.assert_array_equal(found.vectors[0], found.vectors[1])


def test_a_killed_job_goes_on_where_it_was(pictures, tiny_encoder, encoder, tmp_path):
    folder = pictures(240)
    words = ["embed", f"images={folder}", *tiny_encoder, "encoder.batch_size=2", "ray.address=local", "ray.num_cpus=2"]
    command = [sys.executable, "-m", "beholder", *words, f"workspace={tmp_path / 'killed'}"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 120
    while len(list((tmp_path / "killed").glob("embeddings/*/part-*"))) < 10:
        assert process.poll() is None, "the job ended before it could be killed"
        assert time.monotonic() < deadline, "the job wrote nothing"
        time.sleep(0.02)
    kill_group(process)  # with its workers, which had a part in hand
    half = len(table(tmp_path / "killed").image_ids)
    assert 0 < half < 240

    assert subprocess.run(command, capture_output=True, timeout=200).returncode == 0
    assert metrics(tmp_path / "killed")["images.present"] == half
    assert metrics(tmp_path / "killed")["images.embedded"] == 240 - half
    killed, files = table(tmp_path / "killed"), sorted(folder.iterdir())
    assert killed.image_ids == [file.name for file in files]
    np.testing.assert_allclose(killed.vectors, encoder.images([images.decode(file.read_bytes()) for file in files]), atol=1e-5)


def test_an_interrupted_job_says_so(pictures, tiny_encoder, tmp_path):
    command = [sys.executable, "-m", "beholder", "embed", f"images={pictures(300)}", f"workspace={tmp_path / 'ws'}", *tiny_encoder,
               "encoder.batch_size=2", "ray.address=local", "ray.num_cpus=2"]  # fmt: skip

    def hear() -> None:  # tests that run in a shell's background inherit deaf ears
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=hear)
    while process.poll() is None and not list((tmp_path / "ws").glob("embeddings/*/part-*")):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert err.strip().splitlines()[-1].startswith("beholder: stopped")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["encoder=vit_b_32"], "give encoder.weights=<tag>"),
        (["encoder=vit_b_32", "encoder.weights=laion2b"], "did you mean laion2b_e16?"),
        (["encoder=vit_b_32", "encoder.weights=no/such.pt"], "there is no such file"),
        (["encoder=vit_b_33"], "did you mean vit_b_32?"),
        (["encoder.batchsize=4"], "did you mean encoder.batch_size?"),
        (["actors=-1"], "actors must be 0 or more"),
        (["images=/no/such/folder", "encoder.weights=random"], "no files in /no/such/folder"),
        (["encoder.weights=random"], "has no images yet"),
        (["encoder.weights=random", "encoder.device=cuda", f"images={Path(__file__).parent}"], "no node of this Ray has one"),
    ],
)
def test_mistakes_are_one_line(small_ray, tmp_path, capsys, words, said):
    assert main(["embed", f"workspace={tmp_path / 'ws'}", *words]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert said in line


def test_globs_and_names_of_the_workspace(small_ray, pictures, tiny_encoder, tmp_path):
    pictures(3, tmp_path / "faces" / "old")
    pictures(4, tmp_path / "faces" / "new", seed=1)
    (tmp_path / "faces" / "new" / "notes.txt").write_text("not matched")
    words = ["embed", f"workspace={tmp_path / 'ws'}", *tiny_encoder]
    assert main([*words, f"images={tmp_path}/faces/**/*.jpg"]) == 0
    assert table(tmp_path / "ws").image_ids == [f"new/00{at}.jpg" for at in range(4)] + [f"old/00{at}.jpg" for at in range(3)]
    assert main([*words, f"images={tmp_path}/faces/new/*.jpg"]) == 0  # the same files by a shorter path keep their names
    assert metrics(tmp_path / "ws")["images.embedded"] == 0


def test_one_name_for_two_files_is_refused(small_ray, pictures, tiny_encoder, tmp_path, capsys):
    words = ["embed", f"workspace={tmp_path / 'ws'}", *tiny_encoder]
    assert main([*words, f"images={pictures(2, tmp_path / 'a')}"]) == 0
    assert main([*words, f"images={pictures(2, tmp_path / 'b', seed=1)}"]) == 2
    assert "'000.jpg' stands for" in capsys.readouterr().err


def test_shards_and_lists_give_the_same_vectors(small_ray, pictures, tiny_encoder, encoder, tmp_path):
    folder = pictures(5)
    files = sorted(folder.iterdir())
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for file in files:
            archive.add(file, file.name)
    (tmp_path / "b.tar").write_text("no tar")
    pq.write_table(pa.table({"image": [file.read_bytes() for file in files]}), tmp_path / "bytes.parquet")
    (tmp_path / "list.csv").write_text("image_id,url\n" + "\n".join(f"{at},{file}" for at, file in enumerate(files)))
    expected = encoder.images([images.decode(file.read_bytes()) for file in files])
    for name in ("*.tar", "bytes.parquet", "list.csv"):
        place = tmp_path / "of" / name.strip("*")
        assert main(["embed", f"images={tmp_path}/{name}", f"workspace={place}", *tiny_encoder]) == 0
        np.testing.assert_allclose(table(place).vectors, expected, atol=1e-5)
    tars = tmp_path / "of" / ".tar"
    assert metrics(tars)["images.rejected"] == 1  # b.tar
    assert "no readable tar file" in Workspace(str(tars)).read("rejected")["reason"][0].as_py()
    uris = Workspace(str(tars)).read("images")["uri"].to_pylist()
    assert [images.read(uri) for uri in uris] == [file.read_bytes() for file in files]  # as other commands find them
    assert main(["embed", f"images={tmp_path}/a.tar", f"workspace={tars}", *tiny_encoder]) == 0
    assert metrics(tars)["images.embedded"] == 0


def test_with_a_gpu_the_cores_decode_and_it_encodes(pictures, tiny_encoder, encoder, tmp_path):
    """On a Ray that was told of a GPU; the model is on a core all the same, as there is none."""
    folder = pictures(90)
    shutil.copy(folder / "000.jpg", folder / "copy.jpg")
    (folder / "words.jpg").write_text("no image")
    words = ["embed", f"images={folder}", f"workspace={tmp_path / 'ws'}", *tiny_encoder, "encoder.batch_size=16"]
    code = f"import ray, sys; from beholder.cli import main; ray.init('local', num_cpus=2, num_gpus=1); sys.exit(main({words!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    found = table(tmp_path / "ws")
    names = sorted(file.name for file in folder.iterdir() if file.name != "words.jpg")
    assert found.image_ids == names
    np.testing.assert_allclose(
        found.vectors, encoder.images([images.decode((folder / name).read_bytes()) for name in names]), atol=1e-5
    )
    kept = metrics(tmp_path / "ws")
    assert [kept[f"images.{name}"] for name in ("embedded", "copied", "rejected")] == [90, 1, 1]
