"""Batches by memory: as large as it holds by what was measured, and in order whatever is halved on the way."""

import numpy as np
import pytest
import torch

from beholder.errors import TasteError
from beholder.taste.batch_limit import BatchLimit, largest_batch


@pytest.mark.parametrize(
    ("memory", "most", "expected"),
    [
        (10_000_000, 10**6, (0.8 * 10_000_000 - 5000) // 700),  # all that memory holds
        (10**12, 4096, 4096),  # no more than asked for
        (1000, 4096, 1),  # one always
    ],
)
def test_the_largest_batch_is_what_is_left_of_memory_over_the_bytes_of_a_row(memory, most, expected):
    asked = []

    def peak(rows: int) -> int:
        asked.append(rows)
        return 5000 + 700 * rows

    assert largest_batch(peak, memory=memory, most=most) == expected
    assert len(asked) == 2


def test_few_rows_are_not_measured():
    assert largest_batch(lambda rows: pytest.fail("measured"), memory=1, most=20) == 20


def test_each_part_is_worked_on_once_and_in_order_when_memory_runs_short_on_the_way(caplog):
    seen = []

    def work(rows):
        if len(rows) > 10 or (len(rows) > 5 and rows[0] >= 40):
            raise torch.OutOfMemoryError("no room")
        seen.append(rows)
        return rows

    limit = BatchLimit(20, name="judging")
    np.testing.assert_array_equal(np.concatenate(limit.each(np.arange(100), work)), np.arange(100))
    np.testing.assert_array_equal(np.concatenate(seen), np.arange(100))
    assert limit.most == 5
    assert [record.getMessage() for record in caplog.records] == [
        "judging: 20 at once are too many for the GPU's memory; going on with 10",
        "judging: 10 at once are too many for the GPU's memory; going on with 5",
    ]


def test_one_row_that_does_not_fit():
    def work(rows):
        raise torch.OutOfMemoryError("no room")

    with pytest.raises(TasteError, match="judging: the GPU's memory does not hold 1 at once"):
        BatchLimit(4, name="judging").each(np.arange(9), work)
