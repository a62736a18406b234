"""Sites in HAProxy's words: the lines of its frontend that choose a site's rule and do what it says. Pure.

All words of users go through `wording`. A rule, once chosen, is known by its number (`txn.rule`), a target by its own.
Where an Ingress has a host that is as exact as the site's, who had it first is asked first, so that nothing that is
served already is taken over; the other takes what that does not answer.
https://docs.haproxy.org/2.6/configuration.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from wherry.network.ingress.backends import Backend
from wherry.network.ingress.corsconfig import shared
from wherry.network.ingress.mirrors import copied
from wherry.network.ingress.sites import Changes, Condition, Door, Edit, NewPath, Rule, Sending, Site, Target
from wherry.network.ingress.wording import text, word

_NO_RULE = "!{ var(txn.rule) -m found }"
_NO_BACKEND = "!{ var(txn.backend) -m found }"
_FOUND = "{ var(txn.site) -m found }"


def addresses(doors: Iterable[Door]) -> Iterator[str]:
    """The acl `own`: requests to an address that a Gateway has for itself. Nothing where none has."""
    found = sorted({door.address for door in doors if door.address})
    if found:
        yield f"    acl own dst {' '.join(found)}"


def choose_site(sites: Iterable[Site], table: str, *, own: bool) -> Iterator[str]:
    """`txn.site`, the name of the site, and `txn.exact`, how exact its host is (`Site.exact`).

    `table`: the map of sites with a name for their host. `own`: whether there is the acl.
    """
    yield "    http-request set-var(txn.exact) int(0)"
    yield "    http-request set-var(txn.at) dst_port,concat(|,txn.host,)"
    if own:
        yield "    http-request set-var(txn.port) dst_port if own"
        yield "    http-request set-var(txn.at) dst,concat(:,txn.port,),concat(|,txn.host,) if own"
    yield f"    http-request set-var(txn.site) var(txn.at) if {{ var(txn.at),map_str({table}) -m found }}"
    yield f"    http-request set-var(txn.exact) var(txn.at),map_str_int({table}) if {_FOUND}"
    for site in sites:
        if site.named:
            continue
        where = f"{{ dst_port {site.door.port} }}"
        if own:
            where += f" {{ dst {site.door.address} }}" if site.door.address else " !own"
        name = word(site.name)
        if not site.host:
            yield f"    http-request set-var(txn.exact) int({site.exact}) if !{_FOUND} {where}"
            yield f"    http-request set-var(txn.site) str({name}) if !{_FOUND} {where}"
            continue
        ending = f"{{ var(txn.host) -m end -- {word(site.host[1:])} }}"
        yield f"    http-request set-var(txn.exact) int(4) if !{_FOUND} {where} {ending}"
        if site.before:  # before the Ingress of this very wildcard
            same = f"{{ var(txn.wild) -m str -- {word(site.host)} }}"
            yield f"    http-request set-var(txn.exact) int({site.exact}) if !{_FOUND} {where} {same}"
        yield f"    http-request set-var(txn.site) str({name}) if !{_FOUND} {where} {ending}"


def answer(sites: Iterable[Site], exact: str, prefixes: str, named: Callable[[Backend], str]) -> Iterator[str]:
    """The rule or backend of the chosen site, where nothing has been found yet, and what the rule does.

    `exact`, `prefixes`: maps with the routes of plain sites. `named`: what HAProxy calls a backend.
    """
    open_ = f"{_NO_BACKEND} {_FOUND}"
    yield f"    http-request set-var(txn.key) var(txn.site),concat(,txn.path,) if {open_}"
    yield f"    http-request set-var(txn.backend) var(txn.key),map_str({exact}) if {open_}"
    yield f"    http-request set-var(txn.key) var(txn.site),concat(,txn.path,/) if {open_}"
    yield f"    http-request set-var(txn.backend) var(txn.key),map_beg({prefixes}) if {open_}"
    yield "    http-request set-var(txn.folder) path,concat(/)"
    number = 0
    for site in sites:
        if site.plain is not None:
            continue
        here = f"{{ var(txn.site) -m str -- {word(site.name)} }}"
        for rule in site.rules:
            number += 1
            yield from _chosen(number, here, rule.conditions)
            yield from _done(number, rule, named)


def _chosen(number: int, here: str, conditions: Iterable[Condition]) -> Iterator[str]:
    names = []
    for index, condition in enumerate(conditions):
        name = f"r{number}c{index}"
        names.append(name)
        yield f"    acl {name} {_test(condition)}"
    listed = " ".join(names)
    yield f"    http-request set-var(txn.rule) int({number}) if {_NO_BACKEND} {_NO_RULE} {here} {listed}"


def _test(condition: Condition) -> str:
    what, _, regex = condition.what.partition("-")
    found = {
        "path": "var(txn.path)",
        "prefix": "var(txn.folder)",
        "method": "method",
        "header": "req.fhdr({})",
        "query": "url_param({}),url_dec(1)",
    }[what].format(word(condition.name) if condition.name else "")
    if regex:
        return f"{found} -m reg -- {_whole(condition.value)}"
    return f"{found} -m {'beg' if what == 'prefix' else 'str'} -- {word(condition.value)}"


def _whole(expression: str) -> str:
    return word(f"^(?:{expression})$")


# --- what a rule does ---


def _done(number: int, rule: Rule, named: Callable[[Backend], str]) -> Iterator[str]:
    chosen = f"{{ var(txn.rule) -m int {number} }}"
    if rule.sharing is not None:
        yield from shared(number, rule.sharing, chosen)
    yield from _changed(rule.changes, chosen)
    if rule.sending is not None:
        yield _sent(rule.sending, chosen)
        return
    yield from copied(rule.mirrors, chosen, named)
    if rule.wait:
        yield f"    http-request set-var(txn.wait) int({rule.wait}) if {chosen}"
    total = sum(target.weight for target in rule.targets)
    if not total:
        yield f"    http-request return status 500 if {chosen}"
        return
    if len(rule.targets) > 1:
        yield f"    http-request set-var(txn.dice) rand({total}) if {chosen}"
    below = 0
    for index, target in enumerate(rule.targets):
        below += target.weight
        condition = chosen
        if len(rule.targets) > 1:
            yield (
                f"    http-request set-var(txn.target) int({index + 1}) if {chosen} "
                f"!{{ var(txn.target) -m found }} {{ var(txn.dice) -m int lt {below} }}"
            )
            condition = f"{chosen} {{ var(txn.target) -m int {index + 1} }}"
        yield from _aimed(target, condition, named)


def _aimed(target: Target, condition: str, named: Callable[[Backend], str]) -> Iterator[str]:
    if target.backend is None:
        yield f"    http-request return status 500 if {condition}"
        return
    yield from _changed(target.changes, condition)
    yield f"    http-request set-var(txn.backend) str({named(target.backend)}) if {condition}"


def _changed(changes: Changes, condition: str) -> Iterator[str]:
    for edit in changes.request:
        yield _edited("http-request", edit, condition)
    for edit in changes.answer:
        yield _edited("http-response", edit, condition)
    if changes.host:
        yield f"    http-request set-header Host {text(changes.host)} if {condition}"
    if changes.path is not None:
        yield from _moved(changes.path, condition)


def _edited(when: str, edit: Edit, condition: str) -> str:
    if edit.how == "del":
        return f"    {when} del-header {word(edit.name)} if {condition}"
    return f"    {when} {edit.how}-header {word(edit.name)} {text(edit.value)} if {condition}"


def _moved(path: NewPath, condition: str) -> Iterator[str]:
    """A path is never empty."""
    if path.whole:
        yield f"    http-request set-path {text(path.text)} if {condition}"
        return
    rest = f"%[path,bytes({path.length})]"
    if path.text:
        yield f"    http-request set-path {text(path.text)}{rest} if {condition}"
        return
    yield f"    http-request set-var(txn.rest) path,bytes({path.length}),length if {condition}"
    yield f"    http-request set-path /{rest} if {condition} {{ var(txn.rest) -m int 0 }}"
    yield f"    http-request set-path {rest} if {condition} !{{ var(txn.rest) -m int 0 }}"


def _sent(sending: Sending, condition: str) -> str:
    host = text(sending.host) if sending.host else "%[var(txn.host)]"
    port = f":{sending.port}" if sending.port else ""
    where = f"{sending.scheme}://{host}{port}%[pathq]"
    return f"    http-request redirect code {sending.code} location {where} if {condition}"


def bound(door: Door, certificates: str) -> str:
    """The line that listens on a port of Gateways alone."""
    return f"    bind :{door.port}" + (f" ssl crt-list {certificates} alpn h2,http/1.1" if door.secure else "")
