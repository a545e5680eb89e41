"""The guard, asked by real requests the way browsers, scripts and hostile pages ask."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.guard import Guard, GuardError
from tests.wall import Wall, pit_wall

TOKEN = "correct-horse-battery-staple"
PAGE = {"Accept": "text/html"}


def cookie_of(wall: Wall) -> str:
    """Log in the way a person does; returns what the browser keeps."""
    answer = wall.get(f"/?token={TOKEN}")
    assert answer.status == 303
    return str(answer.headers["Set-Cookie"]).partition(";")[0]


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8080", "localhost.", "127.0.0.1:1", "[::1]:80", "[::1]", "pit.local"]
)
def test_names_of_this_machine_are_answered(host: str) -> None:
    with pit_wall("demo", guard=Guard(names=["Pit.local."])) as wall:
        assert wall.get("/state", Host=host).status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example:80", "localhost.evil.example", "evil.example:127", "", "[", "]:"]
)
def test_a_page_that_rebinds_its_name_to_us_is_refused(host: str) -> None:
    with pit_wall("demo") as wall:
        for path in ("/", "/state", "/stream/demo.mjpg", "/static/main.js"):
            answer = wall.get(path, Host=host)
            assert answer.status == 403
            assert "does not go by the name" in answer.text


@given(st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), max_size=40))
def test_no_host_header_is_too_odd_to_be_judged(host: str) -> None:
    from host.guard import _host_name, _is_address, _is_origin_of

    _is_address(_host_name(host))
    assert not _is_origin_of(host, "") or not host


def test_another_sites_page_cannot_change_or_watch_anything() -> None:
    with pit_wall("demo") as wall:
        look = "/api/cars/demo/look"
        for bad in (
            "http://evil.example",
            "null",
            f"https://evil.example:{wall.port}",
            f"http://localhost:{wall.port}",
            "http://[",
        ):
            assert wall.request("PATCH", look, {"gauges": False}, Origin=bad).status == 403, bad
            assert wall.get("/ws/demo", Origin=bad, Upgrade="websocket", Connection="upgrade").status == 403, bad
        assert wall.request("PATCH", look, {"gauges": False}, Sec_Fetch_Site="cross-site").status == 403
        assert wall.get("/snapshot/demo.jpg", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors").status == 403
        assert wall.cars["demo"].channel.look is None
        ours = {"Origin": wall.url, "Sec_Fetch_Site": "same-origin"}
        assert wall.request("PATCH", look, {"gauges": False}, **ours).status == 200


def test_a_link_on_another_site_may_open_the_page_but_a_form_may_not_post() -> None:
    navigation = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}
    with pit_wall("demo") as wall:
        assert wall.get("/", **navigation).status == 200
        assert wall.request("POST", "/api/cars/demo/recording", {"action": "start"}, **navigation).status == 403


def test_without_the_token_nothing_but_our_own_scripts_is_served() -> None:
    with pit_wall("demo", guard=Guard(TOKEN)) as wall:
        for path in ("/", "/state", "/healthz", "/stream/demo.mjpg", "/snapshot/demo.jpg", "/ws/demo", "/nothing"):
            for shown in ({}, {"Authorization": "Bearer wrong"}, {"Cookie": "pilotlens_x=" + TOKEN}):
                assert wall.get(path, **shown).status == 401, (path, shown)
        assert wall.request("PATCH", "/api/cars/demo/look", {"gauges": False}).status == 401
        assert wall.get("/static/base.css").status == 200


def test_the_token_in_the_url_becomes_a_cookie_once() -> None:
    with pit_wall("demo", guard=Guard(TOKEN)) as wall:
        answer = wall.get(f"/?token={TOKEN}&x=1%262", **PAGE)
        assert (answer.status, answer.headers["Location"]) == (303, "/?x=1%262")
        attributes = {part.strip().lower() for part in answer.headers["Set-Cookie"].split(";")[1:]}
        assert {"httponly", "samesite=strict", "path=/"} <= attributes
        for path in ("/", "/state"):
            assert wall.get(path, Cookie=cookie_of(wall)).status == 200


def test_scripts_show_the_token_as_bearer_and_players_in_the_url() -> None:
    with pit_wall("demo", guard=Guard(TOKEN)) as wall:
        assert wall.get("/state", Authorization=f"Bearer {TOKEN}").status == 200
        assert wall.get("/state", Authorization=f"bearer  {TOKEN} ").status == 200
        assert wall.get(f"/state?token={TOKEN}").status == 401
        assert wall.get(f"/snapshot/nobody.jpg?token={TOKEN}").status == 404
        assert wall.get(f"/snapshot/nobody.jpg?token={TOKEN}x").status == 401
        assert wall.get("/snapshot/nobody.jpg?token=%ff%00").status == 401


def test_a_wrong_token_is_said_to_people_and_scripts() -> None:
    with pit_wall("demo", guard=Guard(TOKEN)) as wall:
        script, person = wall.get("/state"), wall.get("/?token=wrong", **PAGE)
        assert script.headers["WWW-Authenticate"].startswith("Bearer")
        assert "Authorization: Bearer" in script.text
        assert "not the right one" in person.text
        assert 'name="token"' in person.text
        assert "wrong" not in person.text


def test_with_a_token_any_name_will_do() -> None:
    with pit_wall("demo", guard=Guard(TOKEN)) as wall:
        assert wall.get("/state", Host="some.name.example", Authorization=f"Bearer {TOKEN}").status == 200


def test_the_token_does_not_excuse_another_sites_page() -> None:
    with pit_wall("demo", guard=Guard(TOKEN)) as wall:
        shown = {"Cookie": cookie_of(wall), "Origin": "http://evil.example"}
        assert wall.request("PATCH", "/api/cars/demo/look", {"gauges": False}, **shown).status == 403


@pytest.mark.parametrize("path", ["/", "/state", "/static/main.js", "/nothing", "/ws/demo"])
def test_every_answer_carries_the_security_headers(path: str) -> None:
    with pit_wall("demo") as wall:
        headers = wall.get(path).headers
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "Access-Control-Allow-Origin" not in headers
    assert headers["Cache-Control"]


@pytest.mark.parametrize("token", ["short", "x" * 257, "with a space in it!!", "ünïcödé-tökén-long"])
def test_a_weak_or_unsendable_token_is_refused_at_the_start(token: str) -> None:
    with pytest.raises(GuardError, match="token must be"):
        Guard(token)


@pytest.mark.parametrize("name", ["http://pit.local", "pit.local:80", "", "a b"])
def test_a_name_that_is_none_is_refused_at_the_start(name: str) -> None:
    with pytest.raises(GuardError, match="not a host name"):
        Guard(names=[name])
