"""Rules as text: small changes stay small, and the mirror always says what the kernel must have."""

from __future__ import annotations

import re
from ipaddress import IPv4Network

from hypothesis import given
from hypothesis import strategies as st

from wherry.network.rules.nft import Gone, Networks, Ruleset, seat
from wherry.network.services import Entry, Front, Target

WEB = Front("tcp", "10.96.0.50", 80)
ONE, TWO, THREE = (Target(f"10.244.1.{n}", 8080) for n in (1, 2, 3))

targets = st.lists(st.sampled_from([Target(f"10.244.0.{n}", 80) for n in range(8)]), unique=True).map(tuple)


@given(targets, targets)
def test_seat_keeps_what_it_can(before: tuple[Target, ...], now: tuple[Target, ...]) -> None:
    after = seat(before, now)
    assert sorted(after) == sorted(now)
    kept = [t for slot, t in enumerate(before) if t in now and slot < len(now)]
    assert all(after[before.index(t)] == t for t in kept)


def ruleset() -> Ruleset:
    made = Ruleset(Networks(subnet=IPv4Network("10.244.1.0/24")))
    made.whole()
    return made


def test_a_change_is_a_few_elements() -> None:
    rules = ruleset()
    rules.set("d/web", {WEB: Entry((ONE, TWO))})
    assert rules.take() == (
        "add element ip wherry endpoints { tcp . 10.96.0.50 . 80 . 0 : 10.244.1.1 . 8080, "
        "tcp . 10.96.0.50 . 80 . 1 : 10.244.1.2 . 8080 }\n"
        "add element ip wherry services { tcp . 10.96.0.50 . 80 : goto service_2 }\n"
        "add element ip wherry hairpin { 10.244.1.1 . 10.244.1.1, 10.244.1.2 . 10.244.1.2 }\n"
    )
    rules.set("d/web", {WEB: Entry((TWO, THREE))})
    assert rules.take() == (
        "delete element ip wherry endpoints { tcp . 10.96.0.50 . 80 . 0 : 10.244.1.1 . 8080 }\n"
        "delete element ip wherry hairpin { 10.244.1.1 . 10.244.1.1 }\n"
        "add element ip wherry endpoints { tcp . 10.96.0.50 . 80 . 0 : 10.244.1.3 . 8080 }\n"
        "add element ip wherry hairpin { 10.244.1.3 . 10.244.1.3 }\n"
    )
    assert rules.gone() == [Gone(WEB, ONE)]
    rules.set("d/web", {WEB: Entry((TWO, THREE))})
    assert rules.take() == ""


def test_without_targets_a_front_outside_the_service_network_is_closed() -> None:
    rules = ruleset()
    rules.set("d/web", {Front("tcp", "192.0.2.8", 80): Entry((), ()), Front("tcp", "", 30080): Entry(())})
    text = rules.take()
    assert "closed { tcp . 192.0.2.8 . 80 : goto refuse }" in text
    assert "outside_services { tcp . 192.0.2.8 . 80 : drop }" in text
    assert "closed_ports { tcp . 30080 : goto refuse }" in text


def test_of_two_owners_the_first_has_the_front_and_the_other_inherits_it() -> None:
    rules = ruleset()
    rules.set("d/b", {WEB: Entry((TWO,))})
    rules.set("d/a", {WEB: Entry((ONE,))})
    assert rules.fronts()[WEB] == Entry((ONE,))
    rules.drop("d/a")
    assert rules.fronts()[WEB] == Entry((TWO,))
    rules.drop("d/b")
    assert not rules.fronts()
    assert not rules.owners()
    assert rules.take() == ""


def test_more_targets_than_chains_ask_for_a_new_table() -> None:
    rules = ruleset()
    rules.set("d/web", {WEB: Entry(tuple(Target("10.244.0.9", 1000 + n) for n in range(17)))})
    assert rules.outgrown
    assert "chain service_32 " in rules.whole()
    assert not rules.outgrown


fronts = st.sampled_from([WEB, Front("udp", "10.96.0.51", 53), Front("tcp", "192.0.2.8", 80), Front("tcp", "", 30080)])
made_entries = st.builds(
    Entry, targets, st.none() | targets, st.sampled_from([0, 30]), st.booleans(), st.sampled_from([(), ("10.0.0.0/8",)])
)
wishes = st.dictionaries(fronts, made_entries)
Elements = dict[tuple[str, str], str]


def elements(text: str, into: Elements) -> Elements:
    """What a kernel would have after this text; it refuses what a kernel refuses."""
    for verb, name, items in re.findall(r"^(add|delete) element ip wherry (\w+) \{ (.*) \}$", text, re.M):
        for item in items.split(", "):
            key, _, value = item.partition(" : ")
            if verb == "add":
                assert into.get((name, key), value) == value, "already there with another value"
                into[name, key] = value
            else:
                assert into.pop((name, key)) == value
    return into


@given(st.lists(st.tuples(st.sampled_from(["d/a", "d/b"]), wishes), max_size=8))
def test_small_steps_lead_where_a_fresh_table_is(steps: list[tuple[str, dict[Front, Entry]]]) -> None:
    rules, fresh = ruleset(), ruleset()
    kernel: Elements = {}
    for owner, wish in steps:
        rules.set(owner, wish)
        elements(rules.take(), kernel)
    assert kernel == elements(rules.whole(), {})
    for owner, wish in dict(steps).items():
        fresh.set(owner, wish)
    other = elements(fresh.whole(), {})
    drawn = {"endpoints", "outside_endpoints", "port_endpoints", "outside_port_endpoints"}
    assert {k: v for k, v in kernel.items() if k[0] not in drawn} == {
        k: v for k, v in other.items() if k[0] not in drawn
    }
    assert sorted(v for k, v in kernel.items() if k[0] in drawn) == sorted(v for k, v in other.items() if k[0] in drawn)


def test_no_client_keeps_its_place_when_affinity_ends() -> None:
    rules = ruleset()
    rules.set("d/a", {WEB: Entry((ONE,), affinity=9)})
    assert rules.places_of(WEB) == {ONE}
    assert not rules.freed()
    rules.set("d/a", {WEB: Entry((ONE,))})
    assert rules.places_of(WEB) == set()
    assert (rules.freed(), rules.freed()) == (True, False)
