"""A benchmark without its extra says in one line what to install."""

import pytest

from beholder.errors import ConfigError
from beholder.jobs import bench


def test_what_is_missing_and_where_it_comes_from_is_said():
    with pytest.raises(ConfigError, match=r'needs no_such_package: pip install "beholder\[bench\]"$'):
        bench.check_extra(("no_such_package", "json"))


def test_with_the_extra_nothing_is_said():
    bench.check_extra()
