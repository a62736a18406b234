"""Section 2: API machinery, on the side of the server; and section 0's rows about it."""

from __future__ import annotations

from tests.guarantees.row import Edit, Fault, Proof, Row, fault
from tests.guarantees.store import REMAINING, REQUESTED_HEADER, TOKEN_OFF
from tests.guarantees.watches import AHEAD, GAP, SILENT, SKIPPED

OBJECTS = "tests/integration/apiserver/test_objects.py::"
RACES = "tests/integration/apiserver/test_races.py::"
READING = "tests/integration/apiserver/test_reading.py::"
MATRIX = "tests/integration/apiserver/test_revision_matrix.py::"
BAD = "tests/integration/apiserver/test_bad_input.py::"
CONTRACT = "tests/contracts/client/test_client.py::"
REVISIONS = "tests/integration/apiserver/test_revisions.py::"
SLOW = "tests/integration/apiserver/test_slow_clients.py::"
APPLY = "tests/unit/machinery/test_apply.py::"

LIST = "apiserver/verbs/list.py"
WATCH = "apiserver/verbs/watch.py"
UPDATE = "apiserver/verbs/update.py"
DELETE = "apiserver/verbs/delete.py"
STRATEGY = "apiserver/strategy.py"
DECODE = "apiserver/decode.py"
ENTRY = "store/entry.py"

STALE_DELETE = fault(
    "a delete removes whatever is there by now (kubernetes #77988)",
    "apiserver/api.py",
    "await self.windows.log.append(before.key, None, before.revision)",
    "await self.windows.log.append(before.key, None, None)",
)
STALE_WRITE = fault(
    "an update with an old resourceVersion is written",
    UPDATE,
    "if wanted and wanted != str(entry.revision):",
    "if False:",
)
BLIND_WRITE = Fault(
    "an update overwrites what was written since it was read",
    (
        Edit(UPDATE, "if wanted and wanted != str(entry.revision):", "if False:"),
        Edit(
            "apiserver/api.py",
            "done = await self.windows.log.append(key, value, revision)",
            "done = await self.windows.log.append(key, value, revision and None)",
        ),
    ),
)
ONE_ATTEMPT = fault("a patch that loses a race is not tried again", UPDATE, "_ATTEMPTS = 100", "_ATTEMPTS = 1")
NO_UID = fault(
    "the uid of a precondition is not looked at",
    DELETE,
    "if wanted.uid is not None and wanted.uid != entry.obj.metadata.uid:",
    "if False:",
)
NEW_FINALIZERS = fault(
    "a finalizer may be added to what is being deleted",
    "apiserver/metadata.py",
    "        if added:\n            # upstream",
    "        if False:\n            # upstream",
)
ADDED_BACK = fault(
    "a second foreground deletion puts the finalizer back (kubernetes #77081)",
    DELETE,
    "return old if obj.metadata.deletion_timestamp is not None else (*kept, wanted)",
    "return (*kept, wanted)",
)
NOT_MARKED = fault(
    "an object with finalizers is removed at once",
    DELETE,
    "    if not grace and not waits:\n        return None",
    "    if not grace:\n        return None",
)
ALWAYS_COUNTS = fault(
    "every write raises the generation",
    UPDATE,
    "bumped = old.metadata.generation + strategy.differs(resource, new, old)",
    "bumped = old.metadata.generation + 1",
)
STATUS_COUNTS = Fault(
    "a status write raises the generation (m3db-operator #268)",
    (
        Edit(STRATEGY, 'UNCOUNTED = frozenset({"status", ', "UNCOUNTED = frozenset({"),
        Edit(STRATEGY, '"metadata", "status"})', '"metadata"})'),
    ),
)
STATUS_BY_PUT = fault(
    "a PUT of the object writes its status",
    STRATEGY,
    "        kept: T = replace(new, status=old.status)  # type: ignore[attr-defined] # has_status says so\n",
    "        kept: T = new\n",
)
SPEC_BY_STATUS = fault(
    "a PUT of the status writes the spec",
    STRATEGY,
    "taken: T = replace(old, status=new.status, metadata=meta)",
    "taken: T = replace(new, status=new.status, metadata=meta)",
)
NOOP_WRITES = fault(
    "a write that changes nothing makes a new revision",
    "apiserver/api.py",
    "if before is not None and with_revision(value, before.revision) == before.data:",
    "if False:",
)
FUTURE_NOW = fault(
    "a list from a revision in the future is answered with what there is",
    LIST,
    "    if revision:\n        await reached(window, revision)\n",
    "",
)
EXACT_NOW = fault(
    "a list at an exact revision shows the present",
    LIST,
    "limit=limit, revision=revision if exact else None)",
    "limit=limit, revision=None)",
)
PAGE_NOW = fault(
    "later pages show the present",
    LIST,
    "revision=None if token.revision < 0 else token.revision,",
    "revision=None,",
)
ESCAPE = fault(
    "a token leads out of the namespace that it was made for",
    LIST,
    'if not start.startswith(scope) or ".." in token.start.split("/") or token.start.startswith("/"):',
    "if False:",
)
NO_WAY_ON = fault(
    "an expired token is refused without a way to go on",
    LIST,
    "raise ContinueExpired(_write_token(-1, token.start)) from None",
    "raise Gone(EXPIRED) from None",
)
NO_ERROR = fault(
    "a watch of lost history ends without a word",
    WATCH,
    '            sink.push(self._form.error(Gone(f"too old resource version: {since} ({gone.oldest})")))\n',
    "            del gone\n",
)
SAME_REVISION = fault(
    "a client told that its revision is gone tries it again for ever (dotnet-operator-sdk #724)",
    "client/http.py",
    "            except Gone:\n                revision = None\n",
    "            except Gone:\n                await asyncio.sleep(0.05)\n",
)
ITEM_REVISION = fault(
    "a client watches from its last item's revision, not from the list's (python client #819, airflow #23504)",
    "client/http.py",
    "revision = listing.revision\n",
    "revision = int(listing.items[-1].metadata.resource_version) if listing.items else 1\n",
)
NO_MARK = fault(
    "the end of the initial events is not marked",
    WATCH,
    "if options.send_initial and options.bookmarks:",
    "if False:",
)
ANY_MATCH = fault(
    "sendInitialEvents is taken without resourceVersionMatch=NotOlderThan",
    "apiserver/verbs/options.py",
    'if options.send_initial is not None and match != "NotOlderThan":',
    "if False:",
)
LEADING_ZERO = fault(
    "resource versions have leading zeros",
    ENTRY,
    'b\'%b"resourceVersion":"%d"%b%b\'',
    'b\'%b"resourceVersion":"%09d"%b%b\'',
)
BY_ITEM = fault(
    "a list's revision is that of its newest item",
    LIST,
    'out: dict[str, Any] = {"resourceVersion": str(self.page.revision)}',
    'out: dict[str, Any] = {"resourceVersion": str(max((e.revision for e in self.page.items), default=1))}',
)
UNNOTICED = fault(
    "fields that occur twice are not noticed (Python's json keeps the last)",
    DECODE,
    'if written and validation != "Ignore" and _key_count(body) > found.keys:',
    "if False:",
)
UNKNOWN_TAKEN = fault(
    "unknown fields are not noticed",
    DECODE,
    "problems = [f'unknown field \"{path}\"' for path in found.unknown]",
    "problems: list[str] = []",
)
TOO_BIG = fault(
    "a number over 64 bits is kept",
    DECODE,
    "        if found.too_big:\n",
    "        if False:\n",
)
DEEP = fault(
    "a document of any depth is read with Python's json",
    DECODE,
    "raw = msgspec.json.decode(data)",
    "raw = json.loads(data)",
)
NO_CONFLICT = fault(
    "an apply takes what another manager owns",
    "machinery/patch/apply.py",
    "    if not force:\n        _refuse_conflicts(others, gained)\n",
    "",
)
KEEPS_UNOWNED = fault(
    "fields that nobody applies any more stay",
    "machinery/patch/apply.py",
    "        merged = _pruned(merged, mine.fields_v1 or {}, managed, info)\n",
    "",
)
KEEPS_OWNER = fault(
    "who forces a field leaves the other one its owner",
    "machinery/patch/apply.py",
    "left = difference(difference(fields, diff[0]), diff[1])",
    "left = fields",
)
WIPED = fault(
    "a plain write wipes managedFields (kubernetes #121575)",
    "apiserver/ownership.py",
    "before = sent_or_live(new.metadata.managed_fields, old.metadata.managed_fields, ctx.subresource)",
    "before = new.metadata.managed_fields",
)
UNBOUNDED = fault(
    "clients that do not read may be as far behind as they like",
    "apiserver/server.py",
    "            if self._behind.too_far(self, size):",
    "            if False:",
)
UNSHARED = fault(
    "every client that does not read may hold as much as a single one",
    "apiserver/server.py",
    "return size > min(STREAM_BACKLOG, STREAMS_BACKLOG // len(self._sinks))",
    "return size > STREAM_BACKLOG",
)

ROWS = (
    Row(
        "0.delete-and-finalizers",
        "A deletion never races a finalizer that is added at the same time: when both are answered 200, the object is "
        "still there",
        (
            Proof(
                "tests/integration/apiserver/test_races.py::test_a_delete_never_loses_a_finalizer_that_was_just_added",
                (STALE_DELETE,),
            ),
        ),
        longer="10,000 rounds: WHERRY_FINALIZER_ROUNDS=10000 (`make test` makes 100)",
    ),
    Row(
        "2.resource-versions",
        "Resource versions are decimal numbers without leading zeros, and grow with each write, of whatever kind",
        (Proof(REVISIONS + "test_every_write_of_whatever_kind_has_a_higher_revision", (LEADING_ZERO, BY_ITEM)),),
    ),
    Row(
        "2.lists",
        "Every combination of resourceVersion, resourceVersionMatch, limit and continue is answered as upstream does: "
        "no revision is the newest, 0 any, Exact that one, one from the future 504",
        (
            Proof(MATRIX + "test_lists", (REQUESTED_HEADER, FUTURE_NOW, EXACT_NOW)),
            Proof(READING + "test_lists_at_a_revision", (EXACT_NOW,)),
        ),
    ),
    Row(
        "2.list-then-watch",
        "A watch from a list's revision has no gap and repeats nothing",
        (
            Proof(READING + "test_a_watch_tells_everything_from_where_it_began", (SKIPPED,)),
            Proof(
                "tests/integration/client/test_http.py::test_a_watch_begins_at_the_list_not_at_its_last_item",
                (ITEM_REVISION,),
            ),
        ),
    ),
    Row(
        "2.gone",
        "Where history is gone the answer is 410 (a watch: an ERROR event and the end), and our client lists again",
        (
            Proof(READING + "test_a_watch_from_lost_history_says_so", (GAP, NO_ERROR)),
            Proof(
                "tests/integration/client/test_http.py::test_watch_survives_a_server_that_comes_back_without_history",
                (SAME_REVISION, GAP),
            ),
        ),
    ),
    Row(
        "2.bookmarks",
        "Bookmarks advance on quiet resources too; initial events end with one that says so",
        (
            Proof(READING + "test_initial_events_end_with_a_bookmark", (NO_MARK,)),
            Proof(MATRIX + "test_watches", (NO_MARK, ANY_MATCH)),
            Proof("tests/unit/store/test_window.py::test_quiet_windows_advance_with_the_store", (SILENT, AHEAD)),
        ),
    ),
    Row(
        "2.pages",
        "All pages show the first one's revision; an expired token is 410 with a way to go on; a forged one 400",
        (
            Proof(READING + "test_pages_show_one_moment", (PAGE_NOW, TOKEN_OFF, REMAINING)),
            Proof(MATRIX + "test_tokens_that_are_none", (ESCAPE,)),
            Proof(READING + "test_a_token_of_another_place_is_refused", (ESCAPE,)),
            Proof(MATRIX + "test_a_token_that_is_too_old", (NO_WAY_ON,)),
            Proof(READING + "test_a_page_of_lost_history_gives_a_way_on", (NO_WAY_ON,)),
        ),
    ),
    Row(
        "2.conflicts",
        "An old resourceVersion is 409, increments from many are all counted, patches that race are tried again, "
        "preconditions of a deletion hold",
        (
            Proof(OBJECTS + "test_an_old_revision_is_a_conflict", (STALE_WRITE,)),
            Proof(RACES + "test_increments_from_many_are_all_counted", (BLIND_WRITE,)),
            Proof(RACES + "test_patches_that_race_are_tried_again", (ONE_ATTEMPT,)),
            Proof(OBJECTS + "test_delete_with_preconditions", (NO_UID,)),
        ),
        longer="50 clients with 200 increments each: WHERRY_CLIENTS=50 WHERRY_INCREMENTS=200 (`make test`: 8 with 10)",
    ),
    Row(
        "2.generation",
        "The generation grows with the spec alone, status is written through /status alone, a write that changes "
        "nothing keeps the revision",
        (
            Proof(OBJECTS + "test_generation_and_revision_of_updates", (ALWAYS_COUNTS, STATUS_BY_PUT, NOOP_WRITES)),
            Proof(OBJECTS + "test_status_is_written_through_its_own_door", (STATUS_COUNTS, SPEC_BY_STATUS)),
            Proof(CONTRACT + "test_generation_counts_specs_and_status_is_apart", (STATUS_COUNTS, SPEC_BY_STATUS)),
            Proof(CONTRACT + "test_a_write_that_changes_nothing_is_no_revision", (NOOP_WRITES,)),
        ),
    ),
    Row(
        "2.finalizers",
        "What has finalizers is marked and stays until they are gone; none is added to what is being deleted",
        (
            Proof(OBJECTS + "test_finalizers_keep_an_object_until_they_are_gone", (NEW_FINALIZERS, NOT_MARKED)),
            Proof(CONTRACT + "test_finalizers_hold_what_is_deleted", (NOT_MARKED,)),
        ),
    ),
    Row(
        "2.propagation",
        "However often and by whatever policy something is deleted, it comes to an end",
        (
            Proof(OBJECTS + "test_repeated_deletes_of_any_policy_come_to_an_end", (ADDED_BACK,)),
            Proof("tests/unit/apiserver/test_delete_mark.py::test_policies_set_finalizers", (NOT_MARKED,)),
        ),
    ),
    Row(
        "2.field-validation",
        "Unknown and duplicate fields are refused, warned of or ignored, as asked; odd numbers, surrogates and any "
        "depth are 4xx",
        (
            Proof(BAD + "test_unknown_and_duplicate_fields", (UNNOTICED, UNKNOWN_TAKEN)),
            Proof(BAD + "test_a_bad_body_is_refused", (TOO_BIG, DEEP)),
        ),
    ),
    Row(
        "2.server-side-apply",
        "An apply conflicts with other managers' fields (409, named), forced it takes them; what nobody applies any "
        "more goes; the same again changes nothing; plain writes keep managedFields",
        (
            Proof(
                OBJECTS + "test_server_side_apply_creates_owns_and_conflicts",
                (NO_CONFLICT, KEEPS_UNOWNED, KEEPS_OWNER),
            ),
            Proof(OBJECTS + "test_a_plain_write_keeps_the_owners_of_other_fields", (WIPED,)),
            Proof(APPLY + "test_against_sets_of_paths", (NO_CONFLICT, KEEPS_UNOWNED)),
        ),
    ),
    Row(
        "2.slow-watchers",
        "Clients that do not read are cut off and hold a bounded share of memory; the others notice nothing",
        (
            Proof(SLOW + "test_a_watcher_that_never_reads_is_cut_off", (UNBOUNDED,)),
            Proof(SLOW + "test_many_that_never_read_hold_a_bounded_share_together", (UNBOUNDED, UNSHARED)),
        ),
    ),
)
