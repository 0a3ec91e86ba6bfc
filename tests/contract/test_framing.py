"""Where a message ends, and what it is: no two readings, so nothing can be smuggled in (E6)."""

from __future__ import annotations

import json

import pytest
from contract import wire

HIDDEN = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
LENGTHS = ("-1", "+5", "0x10", "5e1", "1_0", " ", "abc", "5, 5", "5, 6", "\u0663", "5 5")
CODINGS = (
    b"Transfer-Encoding: chunked\r\nContent-Length: 6\r\n",
    b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
    b"Transfer-Encoding: chunked, identity\r\n",
    b"Transfer-Encoding: chunked, chunked\r\n",
    b"Transfer-Encoding: identity\r\n",
    b"Transfer-Encoding: xchunked\r\n",
    b"Transfer-Encoding: chunked\r\n , identity\r\n",
    b"Transfer-Encoding : chunked\r\n",
    b"Transfer-Encoding\x0b: chunked\r\n",
    b"X: y\r\n Transfer-Encoding: chunked\r\n",
    b"X: y\rTransfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: \x0bchunked\r\n",
)
ADDRESSES = (
    "X-Original-URL",
    "X-Rewrite-URL",
    "X-Forwarded-Prefix",
    "X-Forwarded-Path",
    "SCRIPT_NAME",
    "PATH_INFO",
    "Script-Name",
)
NO_HOSTS = (
    b"", b"a b", b"a, b c", b"a/b", b"a?b", b"a#b", b"u@a", b"a:b", b"a:80:81", b":80", b"[::1",
    b"::1", b"<a>", b'"a"', b"a\\b", b"{a}", b"caf\xc3\xa9",
)  # fmt: skip
HOSTS = (
    b"a", b"A.example:8080", b"127.0.0.1", b"[::1]:80", b"[::1]", b"lbp_1.example", b"a.", b"a:",
)  # fmt: skip
OVERRIDES = ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override")


def open_ended(target: str, head: bytes, body: bytes) -> bytes:
    """A request on a connection that would stay open, with something hidden behind it."""
    asked = wire.request(target, head=wire.JSON + head, body=body + HIDDEN, length=False)
    return asked.replace(b"Connection: close\r\n", b"")


@pytest.mark.requirement("E6")
@pytest.mark.parametrize("length", LENGTHS)
def test_a_length_that_is_no_number_ends_the_connection(server, address, length):
    head = f"Content-Length: {length}\r\n".encode()
    reply = wire.send(server, open_ended(address(), head, b"{}   "))
    assert (reply.status, reply.answers) == (400, 1)
    assert "not a usable HTTP request" in reply.text


@pytest.mark.requirement("E6")
@pytest.mark.parametrize(("first", "second"), [(2, 2), (2, 40), (40, 2)])
def test_two_lengths_end_the_connection(server, address, first, second):
    head = b"Content-Length: %d\r\nContent-Length: %d\r\n" % (first, second)
    reply = wire.send(server, open_ended(address(), head, b"{}"))
    assert (reply.status, reply.answers) == (400, 1)


@pytest.mark.requirement("E6")
@pytest.mark.parametrize("head", CODINGS)
def test_an_end_that_can_be_read_in_two_ways_ends_the_connection(server, address, head):
    reply = wire.send(server, open_ended(address(), head, b"0\r\n\r\n"))
    assert reply.status in {400, 501}
    assert reply.answers == 1
    assert "not a usable HTTP request" in reply.text


@pytest.mark.requirement("E6")
@pytest.mark.parametrize("size", [b"-2", b"+2", b"0x2", b"2 ", b"2_0", b"g", b"", b"\xb2"])
def test_a_chunk_of_no_readable_size_ends_the_connection(server, address, size):
    head = b"Transfer-Encoding: chunked\r\n"
    reply = wire.send(server, open_ended(address(), head, size + b"\r\n{}\r\n0\r\n\r\n"))
    assert (reply.status, reply.answers) == (400, 1)
    assert reply.text


@pytest.mark.requirement("E6")
@pytest.mark.parametrize(
    "body",
    [
        b"zz\r\n{}\r\n0\r\n\r\n",
        b"2\r\n{}XX0\r\n\r\n",
        b"2\n{}\n0\n\n",
        b"2;\n\r\n{}\r\n0\r\n\r\n",
        b"2\r\n{}\r\n0\r\nContent-Length: 5\r\n\r\n",
        b"2\r\n{}\r\n0\r\nX : y\r\n\r\n",
    ],
)
def test_a_broken_body_that_nobody_reads_gets_no_second_answer(server, body):
    head = b"Transfer-Encoding: chunked\r\n"
    reply = wire.send(server, open_ended("/nothing-here", head, body))
    assert (reply.status, reply.answers) == (404, 1)


@pytest.mark.requirement("E6")
def test_a_member_with_an_underscore_is_not_the_one_with_a_hyphen(server, address, message):
    body = json.dumps(message()).encode()
    head = wire.JSON + b"Transfer_Encoding: chunked\r\nContent_Length: 1\r\n"
    reply = wire.send(server, wire.request(address(), head=head, body=body))
    assert (reply.status, reply.answers) == (200, 1)


@pytest.mark.requirement("E6")
@pytest.mark.parametrize(
    "head", [b"Host: y\r\n", b"Content-Type: text/plain\r\n", b"Content-Type: application/json\r\n"]
)
def test_a_header_that_may_stand_once_and_stands_twice_is_refused(server, address, head):
    reply = wire.send(server, wire.request(address(), head=wire.JSON + head))
    assert (reply.status, reply.answers) == (400, 1)


@pytest.mark.requirement("E6")
def test_a_client_that_waits_is_told_to_continue(server, address, message):
    body = json.dumps(message()).encode()
    head = wire.JSON + b"Expect: 100-continue\r\n"
    reply = wire.send(server, wire.request(address(), head=head, body=body))
    assert (reply.status, reply.json, reply.answers) == (200, {"cards": []}, 2)


@pytest.mark.requirement("E6")
def test_another_expectation_is_refused(server, address):
    reply = wire.send(server, wire.request(address(), head=wire.JSON + b"Expect: a-miracle\r\n"))
    assert reply.status == 417
    assert "not a usable HTTP request" in reply.text


@pytest.mark.requirement("E6", "REQ-14")
@pytest.mark.parametrize("header", OVERRIDES)
def test_no_header_changes_the_method(server, header):
    head = wire.JSON + f"{header}: GET\r\n".encode()
    for target in ("/cds-services", "/cds-services?_method=GET"):
        assert wire.send(server, wire.request(target, head=head)).status == 405


@pytest.mark.requirement("E6")
@pytest.mark.parametrize("header", ADDRESSES)
@pytest.mark.parametrize("value", ["/ready", "/health", "/"])
def test_no_header_changes_the_address(server, header, value):
    head = f"{header}: {value}\r\n".encode()
    asked = wire.request("/health", method="GET", head=head, body=b"")
    assert wire.send(server, asked).json == {"status": "up"}


def for_host(head: bytes, target: str = "/health", version: bytes = b"1.1") -> bytes:
    """A request with these headers in the place of Host."""
    asked = wire.request(target, method="GET", head=b"", body=b"")
    return asked.replace(b"Host: x\r\n", head).replace(b" HTTP/1.1", b" HTTP/" + version)


@pytest.mark.requirement("E6")
@pytest.mark.parametrize("head", [b"", *(b"Host: " + host + b"\r\n" for host in NO_HOSTS)])
def test_a_request_that_names_no_host_ends_the_connection(server, head):
    """As RFC 9112 wants it in 3.2."""
    reply = wire.send(server, for_host(head).replace(b"Connection: close\r\n", b""))
    assert (reply.status, reply.answers) == (400, 1)
    assert "not a usable HTTP request" in reply.text


@pytest.mark.requirement("E6")
@pytest.mark.parametrize("host", HOSTS)
def test_any_host_that_can_be_is_taken(server, host):
    assert wire.send(server, for_host(b"Host: " + host + b"\r\n")).status == 200


@pytest.mark.requirement("E6")
def test_http_1_0_need_not_name_a_host(server):
    assert wire.send(server, for_host(b"", version=b"1.0")).status == 200


@pytest.mark.requirement("E6")
def test_the_host_of_an_absolute_address_counts_and_not_the_header(server):
    target = "http://there.example:81/fhir/PlanDefinition?_summary=count"
    reply = wire.send(server, for_host(b"Host: here.example\r\n", target))
    assert reply.json["link"][0]["url"] == target


@pytest.mark.requirement("E6")
@pytest.mark.parametrize(
    "target",
    ["ftp://x/health", "x://y/health", "http:///health", "http://a@b/health", "http://a b/health"],
)
def test_an_absolute_address_of_no_host_is_no_http(server, target):
    reply = wire.send(server, for_host(b"Host: x\r\n", target))
    assert (reply.status, reply.answers) == (400, 1)
    assert "not a usable HTTP request" in reply.text


@pytest.mark.requirement("E6")
def test_an_absolute_address_does_not_stand_for_the_header(server):
    assert wire.send(server, for_host(b"", "http://x/health")).status == 400


@pytest.mark.requirement("E6")
@pytest.mark.parametrize(
    ("method", "status"), [("TRACE", 405), ("CONNECT", 404), ("PRI", 405), ("post", 400)]
)
def test_other_methods_of_http_are_not_served(server, address, method, status):
    target = "evil.test:443" if method == "CONNECT" else address()
    reply = wire.send(server, wire.request(target, method=method, head=b"", body=b""))
    assert (reply.status, reply.answers) == (status, 1)
    assert reply.text
