"""The report of a recommendation: what is recommended, or that nothing is."""

from support.report_samples import pictures

from beholder.recommending.ranking import UNEDITED, ScoredEdit
from beholder.reports.parts import PictureRow
from beholder.reports.recommendation_report import recommendation_report

SMILE = ("smile +1", ScoredEdit({"smile": 1.0}, 0.8, 0.3, 0.68))
NONE = ("as it is", UNEDITED)


def test_an_edit_is_recommended_with_its_probability():
    report = recommendation_report("ana", 1, [SMILE, NONE], ["You like a smile."], pictures(3), candidates=10)
    assert report.verdict == "After 1 choice, ana is expected to prefer “smile +1” to the image as it is with probability 0.68."
    (row,) = report.sections[0].parts
    assert isinstance(row, PictureRow)
    assert [each.title for each in row.pictures] == ["as it is", "smile +1"]


def test_nothing_may_be_better_than_the_image_as_it_is():
    report = recommendation_report("ana", 0, [NONE, SMILE], [], pictures(3), candidates=10)
    assert report.verdict == "After 0 choices, no edit is expected to please ana more than the image as it is."
    assert report.because == ["Nothing is known of this person yet: this is what other people like."]
    assert [section.title for section in report.sections] == ["The edit and the runners-up", "How sure"]
