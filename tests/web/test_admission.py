"""A full service turns requests away at once, and still answers its probes."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from wsgiref.util import setup_testing_defaults

import pytest

from cds_service.web.admission import ALWAYS_ADMITTED, LONG_S, Admission, Pace, Places, refusal


class Slow:
    """A WSGI application whose answers wait until they are let go."""

    def __init__(self):
        self.arrived = threading.Semaphore(0)
        self.go = threading.Event()

    def __call__(self, environ, start_response):
        if environ["PATH_INFO"] not in ALWAYS_ADMITTED:
            self.arrived.release()
            assert self.go.wait(10)
        start_response("200 OK", [])
        return [b"answer"]


def ask(app, path="/cds-services"):
    environ = {"PATH_INFO": path}
    setup_testing_defaults(environ)
    told = {}

    def start_response(status, headers):
        told.update(status=int(status[:3]), headers=dict(headers))

    told["body"] = b"".join(app(environ, start_response))
    return told


@pytest.fixture
def slow():
    return Slow()


@pytest.fixture
def pool(slow):
    with ThreadPoolExecutor(8) as threads:
        yield threads
        slow.go.set()


def full(slow, pool, *, queue, wait_s=10.0, refused=lambda: None):
    """An application with one request running and `queue` requests waiting, and their answers."""
    app = Admission(slow, places=Places(1), queue=queue, wait_s=wait_s, refused=refused)
    running = pool.submit(ask, app)
    assert slow.arrived.acquire(timeout=10)
    waiting = [pool.submit(ask, app) for _ in range(queue)]
    while app.waiting < queue:
        threading.Event().wait(0.001)
    return app, [running, *waiting]


@pytest.mark.requirement("A6")
def test_a_request_beyond_the_queue_is_told_to_come_back(slow, pool):
    turned_away = []
    app, _ = full(slow, pool, queue=1, refused=lambda: turned_away.append(1))

    answer = ask(app)

    assert (answer["status"], answer["headers"]["Retry-After"]) == (503, "1")
    assert json.loads(answer["body"])["issue"][0]["details"]["coding"][0]["code"] == "overloaded"
    assert len(turned_away) == 1


@pytest.mark.requirement("A6")
def test_requests_that_were_let_in_or_wait_are_all_answered(slow, pool):
    _, promised = full(slow, pool, queue=3)

    slow.go.set()

    assert [each.result(10)["status"] for each in promised] == [200] * 4


def test_a_request_that_has_waited_too_long_is_turned_away(slow, pool):
    app, _ = full(slow, pool, queue=0)
    waiting = Admission(slow, places=Places(1), queue=1, wait_s=0.01, refused=lambda: None)
    pool.submit(ask, waiting)
    assert slow.arrived.acquire(timeout=10)

    assert ask(waiting)["status"] == 503
    assert ask(app)["status"] == 503


@pytest.mark.requirement("A6")
@pytest.mark.parametrize(
    ("with_threads", "is_full"), [(0, False), (1, False), (2, False), (3, True)]
)
def test_the_event_loop_is_told_whether_one_more_finds_room(with_threads, is_full):
    app = Admission(ask, places=Places(1), queue=2, wait_s=1.0, refused=lambda: None)
    assert app.is_full(with_threads) is is_full


@pytest.mark.requirement("A5")
def test_a_request_that_lent_its_place_takes_no_room(pool):
    places = Places(1, lent=1)
    app = Admission(ask, places=places, queue=0, wait_s=1.0, refused=lambda: None)
    assert places.take()
    assert app.is_full(1)
    with places.lent():
        assert not app.is_full(1)
    assert app.is_full(1)


@pytest.mark.requirement("A5")
def test_a_request_that_comes_back_from_waiting_fills_no_queue(pool):
    places = Places(1, lent=1)
    app = Admission(ask, places=places, queue=1, wait_s=1.0, refused=lambda: None)
    came_back, is_back = threading.Event(), threading.Event()

    def wait_for_a_server():
        assert places.take()
        with places.lent():
            came_back.wait(10)
        is_back.set()
        places.give_back()

    lender = pool.submit(wait_for_a_server)
    while places.under_way < 2:
        threading.Event().wait(0.001)
    assert places.take()
    came_back.set()
    has_to_wait = not is_back.wait(0.1)  # another one has its place
    is_full = app.is_full(2)
    places.give_back()
    lender.result(10)
    assert has_to_wait
    assert not is_full


def test_the_pace_is_known_of_those_that_leave_a_queue():
    moments = iter([0.0, 0.2, 1.0, 1.3, 9.0, 9.2])
    pace = Pace(lambda: next(moments))
    pace.left(others_wait=False)
    pace.left(others_wait=True)
    assert pace.seconds == 0.0
    pace.left(others_wait=True)
    assert pace.seconds == pytest.approx(0.8)
    pace.left(others_wait=True)
    assert pace.seconds == pytest.approx(0.8 + 0.1 * (0.3 - 0.8))


@pytest.mark.requirement("A6")
@pytest.mark.parametrize(("waiting", "is_full"), [(0, False), (1, False), (2, True)])
def test_nobody_is_let_into_a_queue_that_moves_too_slowly(waiting, is_full):
    """Who would wait 1.2 s is told at once; the first place in a queue is always given."""
    app = Admission(ask, places=Places(1), queue=10, wait_s=1.0, refused=lambda: None)
    app.pace.seconds = 0.4
    assert app.is_full(1 + waiting) is is_full


def test_the_answer_of_the_event_loop_is_that_of_a_thread(slow, pool):
    app, _ = full(slow, pool, queue=0)
    head, _, body = refusal(keeps_connection=True).partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    told = ask(app)
    assert lines[0] == "HTTP/1.1 503 Service Unavailable"
    assert dict(line.split(": ") for line in lines[1:]) == {
        **told["headers"],
        "Connection": "keep-alive",
    }
    assert body == told["body"]


@pytest.mark.parametrize("path", sorted(ALWAYS_ADMITTED))
def test_probes_are_answered_by_a_full_service(slow, pool, path):
    app, _ = full(slow, pool, queue=0)

    assert ask(app, path)["status"] == 200


def test_room_is_given_back_when_the_application_fails():
    def failing(environ, start_response):
        raise ValueError

    app = Admission(failing, places=Places(1), queue=0, wait_s=0.01, refused=lambda: None)
    for _ in range(3):
        with pytest.raises(ValueError):  # noqa: PT011  any error will do
            ask(app)


@pytest.mark.requirement("A5")
def test_a_request_that_waits_for_others_lends_its_place(pool):
    places = Places(1, lent=1)
    assert places.take()
    with places.lent():
        assert places.take()
        assert not places.take()
        places.give_back()
    assert not places.take()


@pytest.mark.requirement("A5")
def test_no_more_places_are_lent_than_allowed():
    places = Places(1, lent=1)
    assert places.take()
    with places.lent() as one_may_wait:
        assert places.take()
        with places.lent() as another_may_wait:
            assert (one_may_wait, another_may_wait) == (True, False)
        assert not places.take()
        places.give_back()


class Moment:
    now = 0.0

    def __call__(self):
        return self.now


def test_requests_are_worked_on_one_after_the_other(pool):
    places = Places(2, clock=Moment())
    assert places.take()
    assert not pool.submit(places.take).result()
    places.give_back()
    assert pool.submit(places.take).result()


@pytest.mark.requirement("A6")
def test_the_event_loop_counts_the_place_beside_a_long_request_only_when_it_is_taken(pool):
    clock = Moment()
    places = Places(2, clock=clock)
    app = Admission(ask, places=places, queue=1, wait_s=1.0, refused=lambda: None)
    assert places.take()
    assert app.is_full(2)
    clock.now = LONG_S
    assert pool.submit(places.take).result()
    assert not app.is_full(2)


def test_a_long_request_holds_up_nobody(pool):
    clock = Moment()
    places = Places(2, clock=clock)
    assert places.take()
    clock.now = LONG_S
    assert pool.submit(places.take).result()
    clock.now = 3 * LONG_S
    assert not pool.submit(places.take).result()


def test_a_request_that_waits_begins_beside_a_long_one(pool):
    places = Places(2)
    assert places.take()
    assert pool.submit(places.take, within_s=10).result(10)


def test_all_that_wait_have_their_turn(pool):
    places = Places(1)

    def turn():
        got = places.take(within_s=10)
        places.give_back()
        return got

    assert places.take()
    turns = [pool.submit(turn) for _ in range(5)]
    places.give_back()
    assert [each.result(10) for each in turns] == [True] * 5
