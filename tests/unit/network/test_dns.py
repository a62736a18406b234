"""DNS without sockets: names of the zone, and the bytes of answers read back by dnspython."""

from __future__ import annotations

from ipaddress import IPv4Network

import dns.flags
import dns.message
import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.unit.network.objects import VIP, endpoint, service, slice_of
from wherry.machinery.meta import Key
from wherry.network import dns_wire as wire
from wherry.network.dns import Answers
from wherry.network.dns_records import EMPTY, Record, Zone

REVERSE = (IPv4Network("10.96.0.0/16"), IPv4Network("10.244.0.0/16"))


def zone() -> Zone:
    made = Zone("cluster.local", REVERSE)
    made.put(service(), [slice_of(endpoint("10.244.0.2"))])
    headless = [
        replace(endpoint("10.244.0.3"), hostname="db-0"),
        endpoint("10.244.0.4"),
        endpoint("10.244.0.5", ready=False),
    ]
    made.put(service("db", "None"), [slice_of(*headless, name="db")])
    return made


@pytest.mark.parametrize(
    ("name", "record"),
    [
        ("web.d.svc.cluster.local", Record(a=(VIP,))),
        ("_http._tcp.web.d.svc.cluster.local", Record(srv=((80, "web.d.svc.cluster.local"),))),
        ("_tcp.web.d.svc.cluster.local", EMPTY),
        ("d.svc.cluster.local", EMPTY),
        ("e.svc.cluster.local", None),
        ("db.d.svc.cluster.local", Record(a=("10.244.0.3", "10.244.0.4"))),
        ("db-0.db.d.svc.cluster.local", Record(a=("10.244.0.3",))),
        ("10-244-0-4.db.d.svc.cluster.local", Record(a=("10.244.0.4",))),
        ("10-244-0-5.db.d.svc.cluster.local", None),
        ("50.0.96.10.in-addr.arpa", Record(ptr=("web.d.svc.cluster.local",))),
        ("3.0.244.10.in-addr.arpa", Record(ptr=("db-0.db.d.svc.cluster.local",))),
        ("1-2-3-4.d.pod.cluster.local", Record(a=("1.2.3.4",))),
        ("1-2-3.d.pod.cluster.local", None),
        ("dns-version.cluster.local", Record(txt="1.1.0")),
    ],
)
def test_names(name: str, record: Record | None) -> None:
    assert zone().find(name) == record


def test_names_go_with_their_service() -> None:
    made = zone()
    made.drop(Key("d", "db"))
    made.drop(Key("d", "web"))
    made.drop(Key("d", "web"))
    assert made.find("web.d.svc.cluster.local") is None
    assert made.find("d.svc.cluster.local") is None
    assert made.find("50.0.96.10.in-addr.arpa") is None
    assert made.serves("50.0.96.10.in-addr.arpa")
    assert not made.serves("1.1.1.1.in-addr.arpa")
    assert not made.serves("example.org")


def ask(answers: Answers, name: str, kind: str, *, edns: int = 0) -> dns.message.Message:
    query = dns.message.make_query(name, kind, use_edns=0 if edns else False, payload=edns)
    sent = query.to_wire()
    read = wire.read(sent)
    got = answers.answer(sent, read)
    assert got is not None
    reply = dns.message.from_wire(wire.fit(got, read))
    assert query.is_response(reply)
    return reply


def test_answers_are_proper_messages() -> None:
    answers = Answers(zone(), lambda: 7)
    found = ask(answers, "WEB.d.svc.cluster.local.", "A")
    assert [str(r) for r in found.answer] == [f"WEB.d.svc.cluster.local. 5 IN A {VIP}"]
    assert found.flags & dns.flags.AA
    missing = ask(answers, "nothing.d.svc.cluster.local.", "A")
    assert missing.rcode() == dns.rcode.NXDOMAIN
    assert "SOA ns.dns.cluster.local. hostmaster.cluster.local. 7 7200 1800 86400 5" in str(missing.authority[0])
    empty = ask(answers, "web.d.svc.cluster.local.", "AAAA", edns=1232)
    assert empty.rcode() == dns.rcode.NOERROR
    assert empty.authority
    assert empty.edns == 0
    srv = ask(answers, "_http._tcp.web.d.svc.cluster.local.", "SRV")
    assert str(srv.answer[0]).endswith("SRV 0 100 80 web.d.svc.cluster.local.")
    assert str(srv.additional[0]) == f"web.d.svc.cluster.local. 5 IN A {VIP}"


def test_many_records_turn_and_overflow_asks_for_tcp() -> None:
    made = zone()
    made.put(service("big", "None"), [slice_of(*(endpoint(f"10.244.1.{n}") for n in range(1, 60)), name="big")])
    answers = Answers(made, lambda: 7)
    name = "big.d.svc.cluster.local."
    assert ask(answers, name, "A").flags & dns.flags.TC
    assert not ask(answers, name, "A", edns=4096).flags & dns.flags.TC
    firsts = {str(next(iter(ask(answers, name, "A", edns=4096).answer[0]))) for _ in range(5)}
    assert len(firsts) == 5


def test_remembered_answers_are_the_same_and_forgotten() -> None:
    made = zone()
    answers = Answers(made, lambda: 7)
    sent = dns.message.make_query("web.d.svc.cluster.local.", "A", id=1).to_wire()
    assert answers.remembered(sent) is None
    got = answers.answer(sent, wire.read(sent))
    assert got is not None
    assert answers.remembered(b"\0\2" + sent[2:]) == b"\0\2" + got[2:]
    answers.fresh()
    assert answers.remembered(sent) is None


@given(st.binary(max_size=80))
def test_any_bytes_are_read_or_refused(message: bytes) -> None:
    try:
        wire.read(message)
    except wire.Malformed as error:
        wire.error(message, error.rcode)
