"""run: the address that is printed can be opened."""

from beholder import process
from beholder.serve import run
from beholder.serve.settings import ServeSettings


def test_every_address_is_one_that_a_browser_opens():
    printed = run.welcome(ServeSettings(host="0.0.0.0", port=8210, local=True))
    assert "0.0.0.0" not in printed
    assert printed.startswith("http://127.0.0.1:8210/ is the page, http://127.0.0.1:8210/docs describes the API")
    for name in process.own_names():
        assert f"http://{name}:8210/" in printed
    assert "Keys are needed" in printed


def test_an_address_of_version_6_is_in_brackets():
    assert run.addresses(ServeSettings(host="::", port=81))[0] == "http://[::1]:81/"
    assert run.addresses(ServeSettings(host="::1", port=81)) == ["http://[::1]:81/"]
    assert run.addresses(ServeSettings()) == ["http://127.0.0.1:8000/"]
    assert run.welcome(ServeSettings()) == (
        "http://127.0.0.1:8000/ is the page, http://127.0.0.1:8000/docs describes the API; Ctrl-C ends it."
    )


def test_own_names_are_no_loopback():
    assert not [name for name in process.own_names() if name.startswith("127.")]
