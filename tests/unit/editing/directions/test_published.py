"""The published directions: where they are, and that more of each is what its name says."""

import pytest

from beholder.editing.directions import published
from beholder.editing.directions.formats import detect
from beholder.editing.directions.formats.source import SourceHints
from beholder.editing.generator import GeneratorConfig
from beholder.errors import EditError

# What a positive published strength does, read a second time off the authors' table and code; + : what the name says.
SIGNS = {
    "ffhq": {
        "+": "age smile rotation fs_glasses fs_smiling fs_makeup lipstick face_roundness displeased black_hair wavy_hair earrings "
        "gender bangs",
        "-": "eye_openness trimmed_beard nose_length eyebrow_thickness head_angle_up blond_hair grey_hair receding_hairline "
        "smiling sideburns goatee glasses",
        "?": "sslipstick wear_suit",
    },
    "car": {
        "+": "pose_1 cube",
        "-": "pose_2 color grass",
        "?": "front headlights grill trees grass_ss sky hubcap car_color logo wheel_angle",
    },
}


def test_a_positive_alpha_does_what_the_name_says() -> None:
    for domain, signs in SIGNS.items():
        listed = {each.name: each for each in published.CATALOGUE[domain]}
        assert sorted(listed) == sorted(name for names in signs.values() for name in names.split())
        for sign, names in signs.items():
            for name in names.split():
                assert listed[name].flip == (sign == "-"), name
                assert (listed[name].source == "none") == (sign == "?"), name
                assert sign != "?" or listed[name].labels == ("", ""), name
    one, two = published.find("car", "pose_1"), published.find("car", "pose_2")
    assert (one.component, one.layers) == (two.component, two.layers)


def test_the_catalogue_is_whole() -> None:
    for domain, listed in published.CATALOGUE.items():
        names = [each.name for each in listed]
        assert len(set(names)) == len(names)
        for each in listed:
            assert bool(each.file) != bool(each.channels), (domain, each.name)
            assert each.range is None or each.range[0] <= 0 < each.range[1]
            assert (each.component is not None) == (each.family == "ganspace")
    beard = published.find("ffhq", "trimmed_beard")
    assert (beard.component, beard.layers, beard.range, beard.file) == (58, (7, 9), (-30, 30), "ffhq_pca.pt")
    with pytest.raises(EditError, match="has no trimed_beard; did you mean trimmed_beard"):
        published.find("ffhq", "trimed_beard")
    with pytest.raises(EditError, match="catalogue=cats: there is none"):
        published.find("cats", "smile")


def test_published_channels_are_those_of_a_1024_px_generator() -> None:
    """Each lies within the 26 styles of 1024 px, and within the layers that a 512-px car generator has."""
    for domain, resolution in (("ffhq", 1024), ("car", 512)):
        config = GeneratorConfig(resolution=resolution, z_dim=512, w_dim=512, channel_base=32768, channel_max=512)
        for each in published.CATALOGUE[domain]:
            if each.channels:
                assert detect.read_channels(each.channels, config, SourceHints()).space == "s"
