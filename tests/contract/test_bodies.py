"""Bodies in other encodings, packed, or of other types, over a real server: refused with words."""

from __future__ import annotations

import ast
import gzip
import json
import zlib

import pytest
from contract import wire
from contract.clients import REPOSITORY

BOMB = gzip.compress(b" " * 50_000_000)
ENCODINGS = ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be")
TYPES = (
    "application/xml",
    "application/fhir+xml",
    "application/x-www-form-urlencoded",
    "application/x-ndjson",
    "application/json, text/plain",
    "application/octet-stream",
    "multipart/form-data; boundary=application/json",
    "text/plain; application/json",
    "text/html",
    "json",
    "*/*",
    "",
)


@pytest.fixture
def send(server, address):
    """Posts to a real service, with headers of the test's own."""

    def post(body: bytes, head: bytes = wire.JSON, tail: str = "") -> wire.Reply:
        return wire.send(server, wire.request(address() + tail, head=head, body=body))

    return post


@pytest.mark.requirement("GEN-1", "GEN-12", "E1")
@pytest.mark.parametrize("tail", ["", "/feedback"])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_json_in_another_unicode_encoding_is_told_to_be_utf_8(send, message, encoding, tail):
    reply = send(json.dumps(message()).encode(encoding), tail=tail)
    assert reply.status == 400
    assert reply.text == (
        "The message is not usable JSON at line 1, column 1: it is UTF-16 or UTF-32; write UTF-8"
    )


def test_a_compressed_body_without_its_header_is_told_so(send, message):
    reply = send(gzip.compress(json.dumps(message()).encode()))
    assert reply.status == 400
    assert "it is compressed (gzip); send it as it is" in reply.text


@pytest.mark.requirement("GEN-1", "E1")
@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_naming_the_encoding_does_not_help_it(send, message, encoding):
    head = f"Content-Type: application/json; charset={encoding}\r\n".encode()
    reply = send(json.dumps(message()).encode(encoding), head)
    assert (reply.status, "write UTF-8" in reply.text) == (400, True)


@pytest.mark.requirement("GEN-1", "E1")
def test_latin_1_is_told_where_it_is_not_utf_8(send):
    reply = send('{"hook": "é"}'.encode("latin-1"))
    assert reply.status == 400
    assert "line 1, column 11: it is not UTF-8" in reply.text


@pytest.mark.requirement("GEN-1", "GEN-12", "E1")
def test_a_byte_order_mark_is_refused_by_name(send, message):
    reply = send(b"\xef\xbb\xbf" + json.dumps(message()).encode())
    assert reply.status == 400
    assert "it starts with a byte order mark; write UTF-8 without the mark" in reply.text


@pytest.mark.requirement("E4", "REQ-14")
@pytest.mark.parametrize("tail", ["", "/feedback"])
@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("gzip", gzip.compress),
        ("GZIP", gzip.compress),
        ("x-gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("br", lambda _: b"\x0b\x02\x80{}\x03"),
        ("zstd", lambda _: b"\x28\xb5\x2f\xfd"),
        ("gzip, gzip", lambda body: gzip.compress(gzip.compress(body))),
        ("identity, gzip", gzip.compress),
        ("gzip", lambda _: BOMB),
    ],
)
def test_a_packed_body_is_refused_unopened(send, message, encoding, pack, tail):
    head = wire.JSON + f"Content-Encoding: {encoding}\r\n".encode()
    reply = send(pack(json.dumps(message()).encode()), head, tail)
    assert reply.status == 415
    assert "compressed (Content-Encoding)" in reply.text


@pytest.mark.requirement("E4")
@pytest.mark.parametrize(
    "body",
    [BOMB, gzip.compress(b"{}"), b"PK\x03\x04", zlib.compress(b"{}")],
    ids=["bomb", "gzip", "zip", "zlib"],  # gzip writes the time into its head
)
def test_a_packed_body_that_does_not_say_so_is_no_json(send, body):
    reply = send(body)
    assert (reply.status, "not usable JSON" in reply.text) == (400, True)


@pytest.mark.requirement("E4", "REQ-14")
@pytest.mark.parametrize("tail", ["", "/feedback"])
@pytest.mark.parametrize("sent", TYPES)
def test_another_type_is_refused_whatever_the_body_is(send, message, sent, tail):
    head = f"Content-Type: {sent}\r\n".encode()
    reply = send(json.dumps(message()).encode(), head, tail)
    assert reply.status == 415
    assert "Content-Type: application/json" in reply.text


@pytest.mark.requirement("E4")
def test_entities_of_an_xml_body_are_not_expanded(send):
    body = b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'
    reply = send(body, b"Content-Type: application/fhir+xml\r\n")
    assert (reply.status, "root:" in reply.text) == (415, False)


@pytest.mark.requirement("E4")
def test_the_service_has_no_parser_of_xml_archives_or_pickles():
    """What is not there cannot be talked into anything."""
    package = REPOSITORY / "cds_service"
    trees = [ast.parse(path.read_text()) for path in package.rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    names = {each.name for node in nodes if isinstance(node, ast.Import) for each in node.names}
    names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    parsers = {"xml", "lxml", "pickle", "marshal", "shelve", "yaml", "zipfile", "tarfile", "gzip"}
    assert {name for name in names if name.partition(".")[0] in parsers} == set()
    assert "json" in names


@pytest.mark.requirement("GEN-11", "REQ-14")
@pytest.mark.parametrize(
    "sent", ['application/json; a="b;c"', "application/json;", "Application/FHIR+JSON;q=1"]
)
def test_parameters_of_a_json_type_change_nothing(send, message, sent):
    reply = send(json.dumps(message()).encode(), f"Content-Type: {sent}\r\n".encode())
    assert (reply.status, reply.json) == (200, {"cards": []})
