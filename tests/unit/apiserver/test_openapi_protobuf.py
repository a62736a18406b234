"""OpenAPI v2 as protobuf: the bytes that gnostic's messages have."""

from wherry.apiserver.openapi_protobuf import encode


def test_a_small_document() -> None:
    schema = {"type": "object", "properties": {"a": {"$ref": "#/x"}}, "maxLength": 300, "x-k": [1]}
    document = {"swagger": "2.0", "info": {"title": "K"}, "definitions": {"X": schema}, "unknown": 1}
    a = b"\x0a\x01a" + b"\x12\x05" + b"\x0a\x03#/x"
    properties = b"\x0a\x0a" + a
    body = b"\xb2\x01\x08\x0a\x06object" + b"\xca\x01\x0c" + properties + b"\x58\xac\x02"
    body += b"\xfa\x01\x0c" + b"\x0a\x03x-k" + b"\x12\x05\x12\x03[1]"
    named = b"\x0a\x01X" + b"\x12" + bytes([len(body)]) + body
    wanted = (
        b"\x0a\x032.0"
        + b"\x12\x03\x0a\x01K"
        + b"\x4a"
        + bytes([len(named) + 2])
        + b"\x0a"
        + bytes([len(named)])
        + named
    )
    assert encode(document) == wanted


def test_parameters_and_operations() -> None:
    operation = {"parameters": [{"name": "dryRun", "in": "query", "type": "string", "uniqueItems": True}]}
    query = b"\x22\x06dryRun" + b"\x12\x05query" + b"\x32\x06string" + b"\xa0\x01\x01"
    parameter = b"\x1a" + bytes([len(query)]) + query
    parameter = b"\x12" + bytes([len(parameter)]) + parameter
    parameter = b"\x0a" + bytes([len(parameter)]) + parameter
    operation_bytes = b"\x42" + bytes([len(parameter)]) + parameter
    item = b"\x42" + bytes([len(operation_bytes)]) + operation_bytes
    named = b"\x0a\x02/a" + b"\x12" + bytes([len(item)]) + item
    paths = b"\x12" + bytes([len(named)]) + named
    assert encode({"paths": {"/a": {"patch": operation}}}) == b"\x42" + bytes([len(paths)]) + paths


def test_shared_parameters_and_references_to_them() -> None:
    body = b"\x12\x04body" + b"\x1a\x04body" + b"\x20\x01"
    body = b"\x0a" + bytes([len(body)]) + body
    named = b"\x0a\x01b" + b"\x12" + bytes([len(body)]) + body
    shared = b"\x0a" + bytes([len(named)]) + named
    document = {"parameters": {"b": {"name": "body", "in": "body", "required": True}}}
    assert encode(document) == b"\x52" + bytes([len(shared)]) + shared
    reference = b"\x12\x06" + b"\x0a\x04#/pb"
    item = b"\x32\x00" + b"\x3a\x00" + b"\x4a" + bytes([len(reference)]) + reference
    named = b"\x0a\x02/a" + b"\x12" + bytes([len(item)]) + item
    paths = b"\x12" + bytes([len(named)]) + named
    content = {"options": {}, "head": {}, "parameters": [{"$ref": "#/pb"}]}
    assert encode({"paths": {"/a": content}}) == b"\x42" + bytes([len(paths)]) + paths
