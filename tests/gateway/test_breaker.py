from coach.gateway.breaker import Breaker, State


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def opened() -> tuple[Breaker, Clock]:
    clock = Clock()
    breaker = Breaker(clock)
    for _ in range(5):
        assert breaker.admit()
        breaker.failed()
    return breaker, clock


def test_five_failures_open_it():
    breaker, _ = opened()
    assert breaker.state is State.OPEN
    assert not breaker.admit()


def test_a_success_between_failures_keeps_it_closed():
    breaker = Breaker()
    for _ in range(4):
        breaker.failed()
    breaker.succeeded()
    breaker.failed()
    assert breaker.state is State.CLOSED


def test_after_two_seconds_one_probe_goes_through_at_a_time():
    breaker, clock = opened()
    clock.now = 2.1
    assert breaker.admit()
    assert not breaker.admit()
    breaker.succeeded()
    assert breaker.admit()


def test_three_good_probes_close_it():
    breaker, clock = opened()
    clock.now = 2.1
    for _ in range(3):
        assert breaker.admit()
        breaker.succeeded()
    assert breaker.state is State.CLOSED


def test_a_bad_probe_opens_it_again():
    breaker, clock = opened()
    clock.now = 2.1
    assert breaker.admit()
    breaker.failed()
    assert breaker.state is State.OPEN
    clock.now = 4.2
    assert breaker.admit()


def test_a_probe_given_up_for_our_reasons_frees_its_place():
    breaker, clock = opened()
    clock.now = 2.1
    assert breaker.admit()
    breaker.abandoned()
    assert breaker.admit()
