"""Sections 0 and 3: an upgrade in place, and what an agent that is started anew must not do."""

from __future__ import annotations

from tests.guarantees.row import Proof, Row, fault

ROWS = (
    Row(
        "0.upgrade-in-place",
        "An upgrade is in place: no container is restarted, no pod stops being Ready; what is killed half-way is"
        " finished by the next run",
        (
            Proof(
                "tests/golden/node/test_hashes.py::test_marks_of_earlier_releases_are_understood",
                (
                    fault(
                        "the mark of a container covers its whole definition, new defaults too (kubernetes #53644)",
                        "node/facts.py",
                        "    return spec.name, spec.image\n",
                        "    return spec.name, spec.image, str(spec)\n",
                    ),
                ),
            ),
            Proof(
                "tests/golden/node/test_hashes.py::test_a_mark_of_a_later_release_restarts_nothing",
                (
                    fault(
                        "a mark that is not understood means another definition (kubernetes #63814)",
                        "node/facts.py",
                        "return number in _DEFINING and made_from != container_hash(spec, number)",
                        "return number not in _DEFINING or made_from != container_hash(spec, number)",
                    ),
                ),
            ),
            Proof(
                "tests/integration/app/test_store_defaults.py::test_templates_stay_equal_and_pods_may_be_updated",
                (
                    fault(
                        "a default that is new is filled in when a client writes: pods are refused, templates differ",
                        "app/store_defaults.py",
                        "return None if full is obj or full == obj else codec.encode(full)",
                        "return None",
                    ),
                ),
            ),
            Proof(
                "tests/unit/controllers/test_daemonset.py"
                "::test_a_revision_from_before_a_default_was_known_is_still_of_its_template",
                (
                    fault(
                        "a new default makes a new revision, and all pods of a DaemonSet are replaced",
                        "controllers/revisions.py",
                        "return there is not None and (there == template or default_template(there) == template)",
                        "return there == template",
                    ),
                ),
            ),
            Proof(
                "tests/contracts/store/test_sqlite.py::test_all_values_are_amended_or_none",
                (
                    fault(
                        "a server that is killed while it fills in defaults leaves some of them",
                        "store/database.py",
                        "        with self._db:\n            for key, (revision, _)",
                        "        if self._db:\n            for key, (revision, _)",
                    ),
                ),
            ),
            Proof(
                "tests/contracts/store/test_sqlite.py::test_what_another_version_left_is_amended_where_it_lies",
                (
                    fault(
                        "the copy for going back is made of what is amended already",
                        "store/database.py",
                        "            if takeover.copy is not None:\n                self._copy(takeover.copy)\n"
                        "            self._configure(synchronous)\n            self._load()\n"
                        "            if takeover.mark not in (0, self._mark):\n                self._amend(takeover)\n",
                        "            self._configure(synchronous)\n            self._load()\n"
                        "            if takeover.mark not in (0, self._mark):\n                self._amend(takeover)\n"
                        "            if takeover.copy is not None:\n                self._copy(takeover.copy)\n",
                    ),
                ),
            ),
            Proof(
                "tests/contracts/store/test_sqlite.py::test_amended_values_are_sealed_and_what_cannot_be_unsealed_stays",
                (
                    fault(
                        "a Secret whose key is lost is written over with the little that is read instead",
                        "store/sqlite.py",
                        "value = None if plain == UNREADABLE else amend(key, plain)",
                        "value = amend(key, plain)",
                    ),
                ),
            ),
            Proof(
                "tests/unit/app/test_supervise.py::test_what_takes_a_place_loads_before_that_is_empty",
                (
                    fault(
                        "the API is away while the new server loads its program",
                        "app/supervise.py",
                        "if not unit.ahead or self.descriptor is None:",
                        "if unit.ahead or self.descriptor is None:",
                    ),
                ),
            ),
            Proof(
                "tests/unit/app/test_supervise.py::test_what_has_loaded_and_does_not_get_the_word_ends",
                (
                    fault(
                        "a server that waits for its turn begins when the supervisor is killed: there are two",
                        "app/ahead.py",
                        "return own.recv(len(GO)) == GO\n        except OSError:\n            return False",
                        "return own.recv(len(GO)) != LOADED\n        except OSError:\n            return True",
                    ),
                ),
            ),
            Proof(
                "tests/unit/app/test_supervise.py"
                "::test_another_version_takes_over_in_the_same_process_and_keeps_the_children",
                (
                    fault(
                        "a signal ends the supervisor while it becomes another version",
                        "app/supervise.py",
                        "        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)\n",
                        "        signal.pthread_sigmask(signal.SIG_BLOCK, ())\n",
                    ),
                ),
            ),
            Proof(
                "tests/unit/app/test_keeper.py::test_what_was_asked_for_and_never_told_is_done_by_the_next",
                (
                    fault(
                        "what runs is taken for what is asked after an interruption",
                        "app/supervise.py",
                        "return mark == self.mark if mark else daemons.words(process) == self.argv",
                        "return True",
                    ),
                ),
            ),
            Proof(
                "tests/unit/app/test_upgrade_plan.py::test_the_server_goes_first_upwards_and_the_agents_downwards",
                (
                    fault(
                        "agents are newer than their server for a while on the way back",
                        "app/upgrade/plan.py",
                        "    sign = -1 if goes_back(found) else 1\n",
                        "    sign = 1\n",
                    ),
                ),
            ),
            Proof(
                "tests/contracts/store/test_sqlite.py::test_a_copy_holds_all_that_was_acknowledged_and_nothing_later",
                (
                    fault(
                        "the copy of the store lacks what only the log of writes has",
                        "store/database.py",
                        'with target.backup("main", self._db, "main") as job:',
                        'with target.backup("main", apsw.Connection(f"file:{to.parent}/s.db?immutable=1",'
                        ' flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI), "main") as job:',
                    ),
                ),
            ),
        ),
    ),
    Row(
        "3.formats",
        "State of a format that is not known is refused in a sentence and left as it is; settings of other versions of"
        " the same format are passed over",
        (
            Proof(
                "tests/unit/app/test_config.py::test_a_later_format_is_refused_before_anything_else_is_read",
                (
                    fault(
                        "a later format is read as if it were ours",
                        "app/config.py",
                        "    if known.format > FORMAT:\n",
                        "    if known.format < 0:\n",
                    ),
                ),
            ),
            Proof(
                "tests/unit/app/test_config.py::test_settings_of_another_version_are_passed_over",
                (
                    fault(
                        "going back fails at a setting that the later version has written",
                        "app/config.py",
                        '        if written.version in ("", version.wherry()):\n            raise\n',
                        "        raise\n",
                    ),
                ),
            ),
        ),
    ),
)
