"""Files of other people, broken in many ways: each is read, or refused in one line, and nothing crashes, hangs or is run."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from support import file_fuzzer

_TESTS = Path(__file__).parents[1]


@pytest.mark.filterwarnings("ignore")  # what libraries say of broken files
@pytest.mark.parametrize("name", file_fuzzer.READERS)
def test_broken_files_are_read_or_refused(name, tmp_path):
    reader = file_fuzzer.READERS[name]()
    result = file_fuzzer.fuzz(reader, random.Random(1), lambda file: tmp_path / file, count=40, seconds=0)
    assert result["faults"] == {}
    assert len(reader.samples) <= result["accepted"] <= result["read"] == 40


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", file_fuzzer.READERS)
def test_broken_files_for_minutes(name):
    """In a process of its own, of bounded memory."""
    seconds = float(os.environ.get("BEHOLDER_FILE_FUZZ_SECONDS", "300"))
    words = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "support.file_fuzzer",
        name,
        str(seconds),
        str(random.SystemRandom().randrange(1 << 30)),
    ]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(_TESTS), *filter(None, sys.path)])}
    ran = subprocess.run(words, capture_output=True, text=True, env=env, timeout=seconds + 300)
    assert ran.returncode == 0, f"{words}: {ran.stderr[-2000:]}"
    result = json.loads(ran.stdout.splitlines()[-1])
    print(name, {each: value for each, value in result.items() if each != "faults"})
    assert result["faults"] == {}, words
    assert result["read"] > 100
