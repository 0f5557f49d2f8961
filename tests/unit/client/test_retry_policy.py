"""retry_policy: what is sent again, how long is waited, and when it is given up; without sockets, on a clock of the test's own."""

import json
from datetime import UTC, datetime

import pytest

from beholder.client import AnswerConflict, ApiProblem, NotReached, RetryPolicy, ServerFault, ServiceBusy, TooManyRequests
from beholder.client.retry_policy import Call, HttpAnswer, NoAnswer, Send, Wait, retry_after, steps
from beholder.client.upload import Upload

NOON = datetime(2026, 5, 4, 12, 0, 0, tzinfo=UTC)
CALL = Call("POST", "/v1/choices", lambda answer: answer.body)
FINE = HttpAnswer(200, {}, b"fine")


def problem(status, **headers):
    body = json.dumps({"title": "Too bad", "detail": "so it is", "status": status, "type": "about:blank"}).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpAnswer(status, {"content-type": "application/problem+json", **named}, body)


class Played:
    """A call whose outcomes are given; waited: the seconds of each wait; sent: how often it was sent; now: the clock."""

    def __init__(self, *outcomes, call=CALL, policy=None, takes=0.0):
        self.waited, self.sent, self.now = [], 0, 0.0
        self.patience = []
        left = iter(outcomes)
        run = steps(call, policy or RetryPolicy(), clock=lambda: self.now, now=lambda: NOON, rng=lambda: 1.0)
        step = next(run)
        try:
            while True:
                if isinstance(step, Send):
                    self.sent += 1
                    self.patience.append(step.seconds)
                    self.now += takes
                    step = run.send(next(left))
                else:
                    assert isinstance(step, Wait)
                    self.waited.append(step.seconds)
                    self.now += step.seconds
                    step = run.send(None)
        except StopIteration as done:
            self.result = done.value


def test_a_success_is_read_at_once():
    played = Played(FINE)
    assert (played.result, played.sent, played.waited) == (b"fine", 1, [])


def test_waits_double_and_the_last_error_is_raised():
    gone = NoAnswer("connection refused")
    played = Played(gone, gone, gone, FINE)
    assert (played.sent, played.waited) == (4, [0.5, 1.0, 2.0])
    with pytest.raises(NotReached, match=r"POST /v1/choices: connection refused; is `beholder serve` running there\?"):
        Played(*[gone] * 3, policy=RetryPolicy(retries=2))


def test_retry_after_is_obeyed():
    played = Played(problem(503, retry_after="7"), problem(429, retry_after="Mon, 04 May 2026 12:00:09 GMT"), FINE)
    assert played.waited == [7.0, 9.0]


def test_a_long_retry_after_is_raised_at_once():
    with pytest.raises(TooManyRequests) as caught:
        Played(problem(429, retry_after="3600"))
    assert (caught.value.retry_after, caught.value.status, caught.value.detail) == (3600.0, 429, "so it is")


def test_no_wait_goes_beyond_the_deadline():
    with pytest.raises(ServiceBusy):
        Played(*[problem(503, retry_after="7")] * 3, policy=RetryPolicy(deadline=10))
    played = Played(problem(503, retry_after="7"), FINE, policy=RetryPolicy(deadline=10))
    assert played.patience == [10.0, 3.0]  # what is left


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422, 500])
def test_what_will_not_go_better_is_not_sent_again(status):
    with pytest.raises(ApiProblem) as caught:
        Played(problem(status), FINE)
    assert caught.value.status == status


def test_errors_are_told_apart_and_say_what_to_do():
    with pytest.raises(AnswerConflict, match=r"POST /v1/choices: 409 Too bad: so it is; what is kept stays; retract it first"):
        Played(problem(409))
    with pytest.raises(ServerFault, match="502 error: <html>"):
        Played(*[HttpAnswer(502, {"content-type": "text/html"}, b"<html>")] * 6)


def test_a_stream_that_cannot_go_back_is_sent_once():
    class Stream:
        def read(self, size=-1):
            return b""

    call = Call("POST", "/v1/images", lambda answer: answer.body, upload=Upload(Stream()))
    with pytest.raises(ServiceBusy):
        Played(problem(503), FINE, call=call)
    assert Played(problem(503), FINE, call=Call("POST", "/v1/images", CALL.read, upload=Upload(b"photo"))).sent == 2


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("1.5", 1.5), ("-3", 0), ("soon", None), ("nan", None), (None, None), ("Mon, 04 May 2026 11:00:00 GMT", 0)],
)
def test_retry_after_is_a_number_or_a_date(text, seconds):
    assert retry_after(text, NOON) == seconds


def test_a_policy_that_can_wait_for_nothing_is_refused():
    with pytest.raises(ValueError, match="deadline must be above 0 seconds, got 0"):
        RetryPolicy(deadline=0)
    with pytest.raises(ValueError, match="retries must be at least 0"):
        RetryPolicy(retries=-1)
