"""Tables of a report: how cells are shown, who is found, and what is cut off."""

import numpy as np
import pandas as pd
import pytest

from beholder.reports.data_table import Column, DataTable, PeopleTable, interval

OPAQUE = "79b64dae036036c0790c453f"


def test_numbers_have_their_digits_and_what_is_missing_is_a_dash():
    frame = pd.DataFrame({"who": ["ana", None], "accuracy": [0.61234, np.nan], "pairs": [1200, 7], "sure": [True, False]})
    html = DataTable(frame, "Two people.", {"pairs": Column("held out"), "sure": Column(choices=True)}).html()
    assert '<th scope="row">ana</th><td class="number">0.612</td><td class="number">1,200</td><td>True</td>' in html
    assert '<th scope="row">–</th><td class="number">–</td>' in html
    assert '<th scope="col" class="number">held out</th>' in html
    assert "tools" not in html  # two rows need no filter


def test_a_long_table_can_be_filtered_also_by_its_choices():
    frame = pd.DataFrame({"who": [f"p{at}" for at in range(20)], "kind": ["steady", "<noisy>"] * 10})
    html = DataTable(frame, "Twenty.", {"kind": Column("sort", choices=True)}).html()
    assert '<div class="tools" hidden>' in html
    assert 'sort <select data-column="1"><option value="">all</option><option>&lt;noisy&gt;</option><option>steady</option>' in html


def test_of_very_many_rows_the_first_are_shown_and_that_is_said():
    html = DataTable(pd.DataFrame({"n": range(5000)}), "Numbers.").html()
    assert html.count("<tr>") == 1001
    assert "Numbers. The first 1,000 of 5,000 rows; results.csv has all." in html


def test_people_have_names_and_are_found_by_their_ids():
    frame = pd.DataFrame({"user_id": [OPAQUE, "ana"], "pairs": [1, 2]})
    html = PeopleTable(frame, "People.").html()
    assert f'<tr data-id="{OPAQUE}"><th scope="row"><bdi>' in html
    assert "</bdi> <small>79b64dae</small></th>" in html
    assert '<tr data-id="ana"><th scope="row"><bdi>ana</bdi></th>' in html


def test_a_table_of_people_begins_with_them():
    with pytest.raises(ValueError, match="user_id"):
        PeopleTable(pd.DataFrame({"pairs": [1], "user_id": ["ana"]}), "")


def test_intervals_are_written_out():
    frame = pd.DataFrame({"gain": [0.12345, np.nan], "gain.low": [-0.1, np.nan], "gain.high": [0.2, np.nan]})
    assert list(interval(frame, "gain")) == ["+0.123 [-0.100, +0.200]", None]
