"""Section 4: a fuzzer on every parser of what strangers send. Each refuses in its own words, soon, and in bounds."""

from __future__ import annotations

from tests.guarantees.row import Edit, Fault, Proof, Row, fault

PARSERS = "tests/unit/apiserver/test_parsers.py"
FRAMES = "tests/unit/node/test_session_frames.py"
CEL = "tests/unit/machinery/cel/test_robustness.py"
SESSIONS_PY = "node/streaming/sessions.py"

ROWS = (
    Row(
        "4.fuzz.bodies",
        "Whatever bytes a body has, in JSON, YAML or protobuf, it is read or refused, never a failure of ours",
        (
            Proof(
                f"{PARSERS}::test_json",
                (
                    fault(
                        "text that is no JSON is a failure of ours",
                        "apiserver/decode.py",
                        "    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:\n"
                        "        raise _unrecognised(kind,",
                        "    except RecursionError as error:\n        raise _unrecognised(kind,",
                    ),
                ),
            ),
            Proof(
                f"{PARSERS}::test_yaml",
                (
                    fault(
                        "text that is no YAML is a failure of ours",
                        "apiserver/yaml_reader.py",
                        "    except yaml.YAMLError as error:",
                        "    except yaml.constructor.ConstructorError as error:",
                    ),
                ),
            ),
            Proof(
                f"{PARSERS}::test_protobuf",
                (
                    fault(
                        "a message that is cut off is a failure of ours",
                        "apiserver/protobuf.py",
                        "    except (ValueError, IndexError, TypeError, AttributeError, struct.error, "
                        "OverflowError) as error:",
                        "    except (TypeError, AttributeError, struct.error, OverflowError) as error:",
                    ),
                ),
            ),
            Proof(
                "tests/integration/apiserver/test_bombs.py::test_a_bomb_is_refused_soon_and_takes_little[deep flow]",
                (
                    fault(
                        "depth exhausts the stack of the C library: the server dies",
                        "apiserver/yaml_reader.py",
                        "            if depth > _DEPTH:\n                raise BadRequest(",
                        "            if depth > 1_000_000_000:\n                raise BadRequest(",
                    ),
                ),
            ),
        ),
    ),
    Row(
        "4.fuzz.words",
        "Selectors, quantities, patches, expressions and paths of any text are read or refused in their own words",
        (
            Proof(
                f"{PARSERS}::test_selectors",
                (
                    fault(
                        "a selector that ends early is a failure of ours",
                        "machinery/selectors.py",
                        'return self._tokens[self._at] if self._at < len(self._tokens) else ""',
                        "return self._tokens[self._at]",
                    ),
                ),
            ),
            Proof(
                f"{PARSERS}::test_quantities",
                (
                    fault(
                        "a suffix that is none ends in another failure than the one that is answered",
                        "machinery/quantity.py",
                        "        raise ValueError(_SUFFIX_WRONG)",
                        "        raise ArithmeticError(_SUFFIX_WRONG)",
                    ),
                ),
            ),
            Proof(
                f"{PARSERS}::test_json_patches",
                (
                    fault(
                        "an index may be anything",
                        "machinery/patch/json.py",
                        "    if isinstance(value, list) and _INDEX.fullmatch(token) and int(token) < len(value):",
                        "    if isinstance(value, list) and _INDEX.fullmatch(token):",
                    ),
                ),
            ),
            Proof(
                f"{PARSERS}::test_request_lines",
                (
                    fault(
                        "a segment may be dots or hold a slash",
                        "apiserver/routes.py",
                        'if text in ("", ".", "..") or "/" in text or "\\0" in text:',
                        'if text == "":',
                    ),
                ),
            ),
            Proof(
                f"{CEL}::test_deep_nesting_is_refused",
                (
                    Fault(
                        "a deep expression is a failure of ours",
                        (
                            Edit("machinery/cel/parser.py", "    except RecursionError:", "    except MemoryError:"),
                            Edit(
                                "machinery/cel/program.py",
                                "    except RecursionError:\n        raise CompileError",
                                "    except MemoryError:\n        raise CompileError",
                            ),
                        ),
                    ),
                ),
            ),
            Proof(
                f"{CEL}::test_any_characters_are_refused_or_compile",
                (
                    fault(
                        "an expression that is none is a failure of ours",
                        "machinery/cel/parser.py",
                        "    except _Stop:\n        pass\n",
                        "    except MemoryError:\n        pass\n",
                    ),
                ),
            ),
        ),
    ),
    Row(
        "4.fuzz.frames",
        "Whatever frames a client or a runtime sends in a session, it ends with its peer, in "
        "bounds, and harms no other",
        (
            Proof(
                f"{FRAMES}::test_whatever_a_client_sends_its_session_ends_with_it",
                (
                    fault(
                        "an empty message ends in a failure of ours",
                        "node/streaming/portforward.py",
                        "            if data and data[0] in to_stream:",
                        "            if data[0] in to_stream:",
                    ),
                    fault(
                        "what is not base64 ends in a failure of ours",
                        "node/streaming/remotecommand.py",
                        "    except binascii.Error:",
                        "    except LookupError:",
                    ),
                    fault(
                        "the runtime's side of a session stays when its client has gone",
                        "node/streaming/both_ways.py",
                        "    finally:\n        remote.close()\n",
                        "    finally:\n        pass\n",
                    ),
                ),
            ),
            Proof(
                f"{FRAMES}::test_whatever_a_runtime_says_its_session_ends_with_it",
                (
                    fault(
                        "a short frame is a failure of ours",
                        "node/streaming/spdy.py",
                        "        elif kind == RST_STREAM and len(body) >= 8:",
                        "        elif kind == RST_STREAM:",
                    ),
                    fault(
                        "another version of SPDY is a failure of ours",
                        "node/streaming/spdy.py",
                        "class ProtocolError(ConnectionError):",
                        "class ProtocolError(Exception):",
                    ),
                ),
            ),
            Proof(
                f"{FRAMES}::test_a_message_without_end_takes_no_memory",
                (
                    fault(
                        "messages to commands may be of any size",
                        SESSIONS_PY,
                        "protocols=remotecommand.PROTOCOLS, compress=False, max_msg_size=LARGEST_MESSAGE)",
                        "protocols=remotecommand.PROTOCOLS, compress=False, max_msg_size=0)",
                    ),
                    fault(
                        "messages to ports may be of any size",
                        SESSIONS_PY,
                        "protocols=portforward.PROTOCOLS, compress=False, max_msg_size=LARGEST_MESSAGE)",
                        "protocols=portforward.PROTOCOLS, compress=False, max_msg_size=0)",
                    ),
                ),
            ),
        ),
    ),
)
