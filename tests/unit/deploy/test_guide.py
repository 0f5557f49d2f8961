"""docs/cluster.md: what it names is there, and its versions are those of the project."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "cluster.md").read_text()


def test_every_file_that_is_linked_or_given_to_a_command_is_there():
    linked = [ROOT / "docs" / target for target in re.findall(r"\]\(([^)#]+)[^)]*\)", TEXT) if "://" not in target]
    given = [ROOT / name for name in re.findall(r"deploy/[\w./-]+", TEXT)]
    assert len(linked) > 6
    assert len(given) > 6
    assert [path for path in linked + given if not path.exists()] == []


def test_every_manifest_is_explained():
    assert [path.name for path in (ROOT / "deploy" / "kuberay").iterdir() if path.name not in TEXT] == []


def test_its_versions_are_the_projects():
    project = (ROOT / "pyproject.toml").read_text()
    (version,) = re.findall(r'^version = "(.+)"', project, re.MULTILINE)
    assert set(re.findall(r"REGISTRY/beholder:([\d.]+)-", TEXT)) == {version}


def test_the_secrets_that_it_makes_are_those_that_manifests_read():
    made = re.findall(r"create secret generic (\S+) --from-literal=(\w+)=", TEXT)
    manifest = (ROOT / "deploy" / "kuberay" / "raycluster.yaml").read_text()
    assert [name for name, _ in made] == re.findall(r"secretName: (\S+)", manifest)
    assert [key for _, key in made] == ["auth_token"]
