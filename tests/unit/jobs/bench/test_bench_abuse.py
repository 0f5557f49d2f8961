"""What `bench abuse` sends and counts."""

import io

import numpy as np
import pytest
from PIL import Image

from beholder.errors import ConfigError
from beholder.jobs.bench.bench_abuse import BenchAbuseSettings, Visits, claimed_gif, flat_png


@pytest.mark.parametrize("bits", [8, 16])
def test_a_flat_png_is_one(bits):
    with Image.open(io.BytesIO(flat_png(30, 20, bits=bits))) as image:
        assert np.asarray(image).shape == (20, 30)
        assert np.asarray(image).max() == 0


def test_a_gif_claims_what_it_says():
    data = claimed_gif(6000, 5000)
    with Image.open(io.BytesIO(data)) as image:
        assert image.size == (6000, 5000)
    assert len(data) < 50


def test_what_is_refused_is_counted():
    visits = Visits()
    visits.seconds += [0.01] * 99 + [1.0]
    visits.statuses.update({200: 96, 503: 3, 0: 1})
    assert visits.refused() == 0.04
    assert 0.01 < visits.p99() < 1.0


def test_settings_that_make_no_sense():
    with pytest.raises(ConfigError, match="connections and threads at least 1"):
        BenchAbuseSettings(threads=0)
