"""Client trust: tokens that are really signed, keys from a real server, through the application."""

from __future__ import annotations

import base64
import json
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from client_keys import ClientKey, Token, base64url, claims, key, signed
from contract.clients import Answer, Client, client_with
from fhir_stub import FhirStub
from key_server import KeyServer, jwks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ISSUER = "https://ehr.example.org/fhir"
AUDIENCE = "https://cds.example.org/lbp"
VIEW = "/cds-services/low-back-pain-patient-view"
SIGN = "/cds-services/low-back-pain-order-sign"
ES, RS = key("es", "ES384"), key("rs", "RS384")
STRANGER = key("stranger", "ES384")


@pytest.fixture(scope="module")
def key_server() -> Iterator[KeyServer]:
    with KeyServer() as server:
        server.answers["/jwks.json"] = jwks(ES.jwk(), RS.jwk())
        server.answers["/other.json"] = jwks(key("other", "ES384").jwk())
        yield server


@pytest.fixture(scope="module")
def application(key_server: KeyServer, tmp_path_factory: pytest.TempPathFactory) -> Client:
    """Three tenants: keys by jku; static keys and an issuer of its own; demo keys."""
    folder = tmp_path_factory.mktemp("trust")
    (folder / "static.json").write_text(json.dumps({"keys": [key("static").jwk()]}))
    (folder / "tenants.toml").write_text(f"""
        [tenants.hospital]
        issuers = ["{ISSUER}"]
        audience = "{AUDIENCE}"
        more_audiences = ["typed-by-hand"]
        jwks_urls = ["{key_server.url()}"]
        fhir_servers = ["{ISSUER}"]
        client_ids = ["us", "us-too"]
        language = "de"
        profile = "nl"

        [tenants.practice]
        issuers = ["https://practice.example.org"]
        audience = "{AUDIENCE}"
        jwks_file = "static.json"
        subjects = ["client-1"]
        services = ["low-back-pain-patient-view"]
        algorithms = ["ES384"]
        token_life_s = 300

        [tenants.north]
        issuers = ["https://shared.example.org"]
        audience = "{AUDIENCE}"
        token_tenants = ["n"]
        jwks_file = "static.json"

        [tenants.south]
        issuers = ["https://shared.example.org"]
        audience = "{AUDIENCE}"
        token_tenants = ["s"]
        jwks_file = "static.json"
    """)
    return client_with(
        TENANTS=str(folder / "tenants.toml"), DATABASE_URL=f"sqlite:///{folder / 'db.sqlite3'}"
    )


@pytest.fixture
def app(application: Client) -> Client:
    application.log.seek(0)
    application.log.truncate()
    return application


def token(path: str = VIEW, by: ClientKey = ES, issuer: str = ISSUER, **members: Any) -> Token:
    return Token(by, claims(AUDIENCE + path, issuer, **members))


def practice(path: str = VIEW, **members: Any) -> Token:
    given = {"sub": "client-1", **members}
    return token(path, key("static"), "https://practice.example.org", **given)


def call(app: Client, bearer: str | None, path: str = VIEW, body: Any = None) -> Answer:
    headers = {} if bearer is None else {"Authorization": f"Bearer {bearer}"}
    data = json.dumps(body or {}).encode()
    return app.open("POST", path, data=data, content_type="application/json", headers=headers)


def let_in(answer: Answer) -> bool:
    """An empty message is a 400 once its caller is let in."""
    assert answer.status in {400, 401}
    return answer.status == 400


# --- who is let in ---

GOOD: dict[str, Callable[[], Token]] = {
    "ES384": token,
    "RS384": lambda: token(by=RS),
    "a life of one hour": lambda: token(exp=int(time.time()) + 3600),
    "expired within the leeway": lambda: token(
        iat=int(time.time()) - 330, exp=int(time.time()) - 30
    ),
    "issued a little ahead of us": lambda: token(iat=int(time.time()) + 30),
    "times with fractions": lambda: token(iat=time.time(), exp=time.time() + 60.5),
    "an audience with a slash": lambda: token(aud=f"{AUDIENCE}{VIEW}/"),
    "a list of one audience": lambda: token(aud=[AUDIENCE + VIEW]),
    "an audience typed by hand": lambda: token(aud="typed-by-hand"),
    "a subject nobody asked for": lambda: token(sub="anybody"),
    "static keys": practice,
    "a tenant claim": lambda: token(
        by=key("static"), issuer="https://shared.example.org", tenant="n"
    ),
}


@pytest.mark.requirement("SEC-3", "SEC-18", "SEC-21", "SEC-32", "C13", "SEC-11", "SEC-17")
@pytest.mark.parametrize("name", GOOD)
def test_a_right_token_is_let_in(app: Client, name: str) -> None:
    assert let_in(call(app, GOOD[name]().text()))


@pytest.mark.requirement("C13")
@pytest.mark.parametrize(
    "shape",
    [
        # sandbox: ES384, five minutes, exact URL
        lambda jku: Token(ES, claims(AUDIENCE + VIEW, ISSUER), {"jku": jku}),
        # Epic: RS384, 15 minutes, nbf five minutes before, sub, jku
        lambda jku: Token(
            RS,
            claims(
                AUDIENCE + VIEW,
                ISSUER,
                exp=int(time.time()) + 900,
                nbf=int(time.time()) - 300,
                sub="registered-client",
            ),
            {"jku": jku},
        ),
        # Inferno: five minutes, no jku
        lambda _: Token(RS, claims(AUDIENCE + VIEW, ISSUER)),
        # Oracle Health: one issuer for many tenants
        lambda _: token(by=key("static"), issuer="https://shared.example.org", tenant="s"),
    ],
    ids=["sandbox", "epic", "inferno", "oracle-health"],
)
def test_the_tokens_of_real_clients_are_let_in(
    app: Client, key_server: KeyServer, shape: Callable[[str], Token]
) -> None:
    assert let_in(call(app, shape(key_server.url()).text()))


# --- who is not ---


def header(**members: Any) -> Callable[[], str]:
    return lambda: Token(ES, claims(AUDIENCE + VIEW, ISSUER), members).text()


def claim(by: ClientKey = ES, **members: Any) -> Callable[[], str]:
    return lambda: token(by=by, **members).text()


def times(**ages: float) -> Callable[[], str]:
    return lambda: token(**{name: int(time.time() + age) for name, age in ages.items()}).text()


def hmac_with(secret: bytes, algorithm: str) -> Callable[[], str]:
    return lambda: token(by=RS).text(algorithm=algorithm, secret=secret)


def unsigned(algorithm: str) -> Callable[[], str]:
    def make() -> str:
        start = Token(ES, claims(AUDIENCE + VIEW, ISSUER)).text(algorithm="ES384").split(".")[1]
        return f"{base64url(json.dumps({'alg': algorithm, 'kid': 'es'}).encode())}.{start}."

    return make


def tampered() -> str:
    head, body, signature = token().text().split(".")
    wanted = json.loads(base64.urlsafe_b64decode(body + "==")) | {"sub": "somebody-else"}
    return f"{head}.{base64url(json.dumps(wanted).encode())}.{signature}"


def raw(body: bytes) -> Callable[[], str]:
    return lambda: signed({"alg": "ES384", "kid": "es", "typ": "JWT"}, body, ES)


BAD: dict[str, tuple[str, Callable[[], str | None]]] = {
    # algorithms, as in C1
    "none": ("form", unsigned("none")),
    "none with a signature": ("algorithm", header(alg="none")),
    "None": ("algorithm", header(alg="None")),
    "nOnE": ("algorithm", header(alg="nOnE")),
    "HS256 by PEM": ("algorithm", hmac_with(RS.pem(), "HS256")),
    "HS384 by PEM": ("algorithm", hmac_with(RS.pem(), "HS384")),
    "HS512 by PEM": ("algorithm", hmac_with(RS.pem(), "HS512")),
    "HS256 by JWK": ("algorithm", hmac_with(json.dumps(RS.jwk()).encode(), "HS256")),
    "HS256 by nothing": ("algorithm", hmac_with(b"", "HS256")),
    "RS256": ("algorithm", claim(ClientKey("rs", RS.private, "RS256"))),
    "ES256": ("algorithm", claim(key("es", "ES256"))),
    "RS512": ("algorithm", claim(ClientKey("rs", RS.private, "RS512"))),
    "no algorithm": ("algorithm", header(alg=None)),
    "algorithms in a list": ("algorithm", header(alg=["ES384"])),
    "RS384 with the kid of an EC key": ("key", claim(ClientKey("es", RS.private, "RS384"))),
    "ES384 with the kid of an RSA key": ("key", claim(ClientKey("rs", ES.private, "ES384"))),
    # signatures
    "another key under our kid": ("signature", claim(ClientKey("es", STRANGER.private, "ES384"))),
    "changed claims": ("signature", tampered),
    "a cut signature": ("signature", lambda: token().text()[:-10]),
    "no signature": ("form", lambda: token().text().rsplit(".", 1)[0] + "."),
    # kid and keys in the header
    "an unknown kid": ("key", header(kid="unknown")),
    "no kid": ("key", header(kid=None)),
    "an empty kid": ("key", header(kid="")),
    "a kid that is a path": ("key", header(kid="../../../dev/null")),
    "a kid that is SQL": ("key", header(kid="' OR 1=1 --")),
    "a kid that is a list": ("key", header(kid=["es"])),
    "a kid that is a number": ("key", header(kid=1)),
    "an embedded key": ("header", header(jwk=STRANGER.jwk())),
    "a certificate": ("header", header(x5c=["AAAA"])),
    "the address of a certificate": ("header", header(x5u="https://evil.test/c")),
    "critical members": ("header", header(crit=["exp"])),
    "an unencoded payload": ("header", header(b64=False)),
    "another type": ("header", header(typ="at+jwt")),
    # claims, as in C3
    "no issuer": ("issuer", claim(iss=None)),
    "an unknown issuer": ("issuer", claim(iss="https://evil.test")),
    "an issuer with a slash": ("issuer", claim(iss=f"{ISSUER}/")),
    "an issuer in capitals": ("issuer", claim(iss=ISSUER.upper())),
    "issuers in a list": ("issuer", claim(iss=[ISSUER])),
    "no audience": ("audience", claim(aud=None)),
    "an empty audience": ("audience", claim(aud="")),
    "an empty list of audiences": ("audience", claim(aud=[])),
    "the audience of another service": ("audience", claim(aud=AUDIENCE + SIGN)),
    "the audience of discovery": ("audience", claim(aud=f"{AUDIENCE}/cds-services")),
    "the audience of feedback": ("audience", claim(aud=f"{AUDIENCE}{VIEW}/feedback")),
    "our base as audience": ("audience", claim(aud=AUDIENCE)),
    "the path as audience": ("audience", claim(aud=VIEW)),
    "another host in the audience": ("audience", claim(aud=f"https://evil.test/lbp{VIEW}")),
    "http in the audience": ("audience", claim(aud=f"http://cds.example.org/lbp{VIEW}")),
    "another case in the audience": ("audience", claim(aud=(AUDIENCE + VIEW).upper())),
    "two slashes at the audience": ("audience", claim(aud=f"{AUDIENCE}{VIEW}//")),
    "more behind the audience": ("audience", claim(aud=f"{AUDIENCE}{VIEW}?x")),
    "an audience that is an object": ("audience", claim(aud={"url": AUDIENCE + VIEW})),
    "audiences in a list in a list": ("audience", claim(aud=[[AUDIENCE + VIEW]])),
    "no expiry": ("times", claim(exp=None)),
    "an expiry in text": ("times", lambda: token(exp=str(int(time.time()) + 300)).text()),
    "an expiry that is true": ("times", claim(exp=True)),
    "an expiry in a list": ("times", claim(exp=[2_000_000_000])),
    "an expiry before 1970": ("times", claim(exp=-1)),
    "an expiry beyond time": ("times", claim(exp=10**20)),
    "an expiry that is no number": ("form", raw(b'{"exp": NaN}')),
    "an expiry without end": ("form", raw(b'{"exp": Infinity}')),
    "expired beyond the leeway": ("expired", times(iat=-400, exp=-61)),
    "no time of issue": ("times", claim(iat=None)),
    "a time of issue in text": ("times", claim(iat="now")),
    "issued in the future": ("not-yet-valid", times(iat=120, exp=300)),
    "expires before it was issued": ("life", times(iat=30, exp=20)),
    "a life over an hour": ("life", times(iat=0, exp=3661)),
    "a life of 300 years": ("life", times(iat=0, exp=9_460_800_000)),
    "not valid yet": ("not-yet-valid", times(nbf=120)),
    "a beginning in text": ("times", claim(nbf="soon")),
    "no jti": ("jti", claim(jti=None)),
    "an empty jti": ("jti", claim(jti="")),
    "a jti that is a number": ("jti", claim(jti=7)),
    "a jti in a list": ("jti", claim(jti=["a"])),
    "a jti without end": ("jti", claim(jti="x" * 2000)),
    # another tenant (C12)
    "another tenant's key": ("key", claim(ClientKey("static", key("static").private, "ES384"))),
    "no tenant claim where one is needed": (
        "tenant",
        lambda: token(by=key("static"), issuer="https://shared.example.org").text(),
    ),
    "an unknown tenant claim": (
        "tenant",
        lambda: token(by=key("static"), issuer="https://shared.example.org", tenant="x").text(),
    ),
    "tenant claims in a list": (
        "tenant",
        lambda: token(by=key("static"), issuer="https://shared.example.org", tenant=["n"]).text(),
    ),
    "another subject": ("subject", lambda: practice(sub="client-2").text()),
    "no subject": ("subject", lambda: practice(sub=None).text()),
    "longer than this tenant may": ("life", lambda: practice(exp=int(time.time()) + 600).text()),
    # what is no token
    "no header": ("no-token", lambda: None),
    "an empty token": ("no-token", lambda: ""),
    "text": ("form", lambda: "secret"),
    "two parts": ("form", lambda: "a.b"),
    "five parts": ("form", lambda: "a.b.c.d.e"),
    "no base64": ("form", lambda: "a+b/.c=.d"),
    "no JSON": ("form", lambda: f"{base64url(b'x')}.{base64url(b'y')}.AA"),
    "lists": ("form", lambda: f"{base64url(b'[]')}.{base64url(b'[]')}.AA"),
    "deep nesting": ("form", raw(b'{"a":' * 50 + b"1" + b"}" * 50)),
    "a kid of a megabyte": ("form", header(kid="k" * 1_000_000)),
    "no UTF-8": ("form", raw(b'{"iss": "\xff"}')),
}


@pytest.mark.requirement(
    *("SEC-19", "SEC-20", "SEC-24", "SEC-28", "SEC-30", "SEC-31", "SEC-32", "SEC-33"),
    *("SEC-6", "SEC-7", "SEC-8", "SEC-9", "SEC-22"),
    *("C1", "C3", "C4", "C6", "C9", "C12", "SEC-12", "SEC-13", "SEC-14", "SEC-15", "SEC-16"),
)
@pytest.mark.parametrize("name", BAD)
def test_a_wrong_token_is_refused_and_only_the_log_says_why(app: Client, name: str) -> None:
    reason, make = BAD[name]
    bearer = make()

    answer = call(app, bearer)

    assert answer.status == 401
    (event,) = app.events
    assert event["refused"] == reason
    assert event["level"] == "warning"
    assert not bearer or bearer not in app.log.getvalue()


@pytest.mark.requirement("SEC-28", "C9")
def test_every_refusal_is_the_same_answer(app: Client) -> None:
    answers = [call(app, make()) for _, make in BAD.values()]

    assert len(answers) >= 60
    assert len({answer.body for answer in answers}) == 1
    assert {answer.headers["WWW-Authenticate"] for answer in answers} == {"Bearer"}
    assert len({tuple(sorted(set(answer.headers) - {"Date"})) for answer in answers}) == 1
    assert answers[0].text == "the caller is not known here"


@pytest.mark.requirement("C6")
@pytest.mark.parametrize(
    "value",
    ["Basic dXNlcjpwYXNz", "Bearer", "Token abc", "bearer", "Bearer  ", "DPoP x"],
)
def test_another_authorization_is_no_token(app: Client, value: str) -> None:
    answer = app.open(
        "POST", VIEW, data=b"{}", content_type="application/json", headers={"Authorization": value}
    )

    assert answer.status == 401


@pytest.mark.requirement("C4", "SEC-31")
def test_the_host_header_plays_no_part_in_the_audience(app: Client) -> None:
    answer = app.open(
        "POST",
        VIEW,
        data=b"{}",
        content_type="application/json",
        headers={
            "Authorization": f"Bearer {token(aud=f'https://evil.test{VIEW}').text()}",
            "Host": "evil.test",
            "X-Forwarded-Host": "evil.test",
            "X-Forwarded-Proto": "https",
        },
    )

    assert answer.status == 401


# --- addresses of keys ---

UNLISTED = [
    "https://evil.test/jwks.json",
    "http://127.0.0.1:1/jwks.json",
    "file:///etc/passwd",
    "http://169.254.169.254/latest",
    "",
    "jwks.json",
    "//127.0.0.1/jwks.json",
    "ftp://127.0.0.1/jwks.json",
    "data:application/json,%7B%7D",
    "javascript:1",
]
NEAR = [
    "{url}?x", "{url}#x", "{url}/", "{url}/../jwks.json", "{url} ", "{origin}//jwks.json",
    "{origin}/other.json", "{origin}/%6awks.json", "{userinfo}/jwks.json", "{suffix}/jwks.json",
    "{upper}",
]  # fmt: skip


@pytest.mark.requirement("C5", "SEC-18", "SEC-29")
@pytest.mark.parametrize("jku", [*UNLISTED, *NEAR])
def test_an_unlisted_jku_is_never_fetched(app: Client, key_server: KeyServer, jku: str) -> None:
    url = key_server.url()
    origin = url.removesuffix("/jwks.json")
    named = jku.format(
        url=url,
        origin=origin,
        userinfo=origin.replace("//", "//a@"),
        suffix=f"{origin}.evil.test",
        upper=url.upper(),
    )
    key_server.asked.clear()

    answer = call(app, Token(ES, claims(AUDIENCE + VIEW, ISSUER), {"jku": named}).text())

    assert answer.status == 401
    assert app.events[0]["refused"] == "jku"
    assert key_server.asked == []


@pytest.mark.requirement("C5")
@pytest.mark.parametrize("jku", [1, ["x"], {"url": "x"}, True])
def test_a_jku_that_is_no_text_is_refused(app: Client, jku: Any) -> None:
    answer = call(app, Token(ES, claims(AUDIENCE + VIEW, ISSUER), {"jku": jku}).text())

    assert answer.status == 401


# --- once ---


@pytest.mark.requirement("C8", "SEC-25", "SEC-35")
def test_a_token_is_used_once(app: Client) -> None:
    bearer = token().text()

    answers = [call(app, bearer) for _ in range(3)]

    assert [answer.status for answer in answers] == [400, 401, 401]
    assert Counter(event.get("refused") for event in app.events)["replay"] == 2


@pytest.mark.requirement("C8")
def test_a_token_that_was_not_right_is_not_used_up(app: Client) -> None:
    right = token(SIGN)

    assert call(app, right.text()).status == 401
    assert let_in(call(app, right.text(), SIGN))


# --- routes ---


@pytest.mark.requirement("DISC-18", "CORS-2")
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/health"),
        ("GET", "/ready"),
        ("GET", "/cds-services"),
        ("GET", "/fhir/metadata"),
        ("GET", "/fhir/PlanDefinition"),
        ("OPTIONS", VIEW),
    ],
)
def test_what_is_no_call_is_open(app: Client, method: str, path: str) -> None:
    assert app.open(method, path).status == 200


@pytest.mark.requirement("C10", "SEC-5")
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", VIEW),
        ("POST", f"{VIEW}/"),
        ("POST", f"/nl{VIEW}"),
        ("POST", f"{VIEW}/feedback"),
        ("POST", "/cds-services/unknown"),
        ("POST", "/fhir/PlanDefinition/$apply"),
        ("POST", "/fhir/ValueSet/$expand"),
        ("GET", "/fhir/ValueSet/$expand"),
    ],
)
def test_everything_else_needs_a_token(app: Client, method: str, path: str) -> None:
    assert app.open(method, path).status == 401


@pytest.mark.requirement("FB-15", "FB-14")
@pytest.mark.parametrize("audience", [f"{VIEW}/feedback", VIEW])
def test_feedback_takes_its_own_address_or_the_services(app: Client, audience: str) -> None:
    bearer = token(audience).text()

    assert let_in(call(app, bearer, f"{VIEW}/feedback"))


@pytest.mark.requirement("SEC-33", "C12")
def test_a_tenant_calls_only_its_services(app: Client) -> None:
    assert let_in(call(app, practice().text()))
    assert call(app, practice(SIGN).text(), SIGN).status == 401
    assert app.events[-1]["refused"] == "service"


@pytest.mark.requirement("DISC-17", "DISC-18")
def test_discovery_shows_a_tenant_its_services(app: Client) -> None:
    bearer = practice("/cds-services").text()

    answer = app.get("/cds-services", headers={"Authorization": f"Bearer {bearer}"})

    assert [service["hook"] for service in answer.json["services"]] == ["patient-view"]
    assert "private" in answer.headers["Cache-Control"]
    assert "Authorization" in answer.headers["Vary"]


@pytest.mark.requirement("DISC-18")
def test_a_wrong_token_on_open_discovery_is_refused(app: Client) -> None:
    assert app.get("/cds-services", headers={"Authorization": "Bearer x"}).status == 401


@pytest.mark.requirement("SEC-27", "PHI-1", "PHI-4", "H4")
def test_the_log_names_who_called_and_holds_no_token(app: Client) -> None:
    made = token()
    bearer = made.text()

    call(app, bearer)

    (event,) = app.events
    assert event["tenant"] == "hospital"
    assert event["issuer"] == ISSUER
    assert event["jti"] == made.claims["jti"]
    assert bearer.split(".")[2] not in app.log.getvalue()


@pytest.mark.requirement("AUTHZ-6", "AUTHZ-15")
@pytest.mark.parametrize(
    ("subject", "noted"), [("us", None), ("them", "another client"), (None, None)]
)
def test_an_access_token_for_another_client_is_noted(
    app: Client, message: Callable[..., Any], subject: str | None, noted: str | None
) -> None:
    body = message("patient-view", fhirServer="https://fhir.example.org/r4")
    body["fhirAuthorization"] = {"access_token": "s3cret", "subject": subject}

    answer = call(app, token().text(), body=body)

    assert answer.status == 200
    assert app.events[-1].get("access_for") == noted


@pytest.mark.requirement("PHI-4", "A2")
def test_the_log_names_where_the_data_came_from_and_what_is_missing(
    app: Client, message: Callable[..., Any]
) -> None:
    body = message("patient-view")
    del body["prefetch"]["obs"]

    call(app, token().text(), body=body)

    assert app.events[-1]["fetched"] == []
    assert app.events[-1]["unknown"] == ["obs"]


def test_a_tenant_gets_its_profile_and_language(app: Client, message: Callable[..., Any]) -> None:
    body = message("patient-view")
    patient = {
        "resourceType": "Condition",
        "id": "c",
        "clinicalStatus": {"coding": [{"code": "active"}]},
        "subject": {"reference": "Patient/p"},
        "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": "G83.4"}]},
    }
    body["prefetch"]["conditions"] = {
        "resourceType": "Bundle", "type": "searchset", "entry": [{"resource": patient}],
    }  # fmt: skip

    answer = call(app, token().text(), body=body)

    assert answer.status == 200
    assert app.events[-1]["profile"] == "nl"
    assert "Verdacht auf Cauda-equina-Syndrom" in answer.json["cards"][0]["summary"]


@pytest.mark.requirement("SEC-33", "C12", "OUT-1")
def test_a_fhir_server_that_is_not_the_tenants_is_not_read(
    app: Client, message: Callable[..., Any], key_server: KeyServer
) -> None:
    body = message("patient-view", fhirServer=key_server.url("/fhir"))
    body["fhirAuthorization"] = {"access_token": "s3cret", "token_type": "Bearer", "expires_in": 9}
    body["prefetch"] = {}
    call(app, token().text())
    key_server.asked.clear()

    answer = call(app, token().text(), body=body)

    assert answer.status == 412
    assert key_server.asked == []
    assert app.events[-1]["fhir_server_refused"] == "fhirServer is not on this client's list"
    assert "s3cret" not in app.log.getvalue()


# --- settings ---


def small(folder: Path, key_set: str, *, extra: str = "") -> str:
    path = folder / "tenants.toml"
    path.write_text(
        f'[tenants.a]\nissuers = ["{ISSUER}"]\naudience = "{AUDIENCE}"\n'
        f'jwks_urls = ["{key_set}"]\n{extra}'
    )
    return str(path)


def started(folder: Path, key_set: str, *, extra: str = "", **environ: str) -> Client:
    tenants = small(folder, key_set, extra=extra)
    database = f"sqlite:///{folder / 'db.sqlite3'}"
    # A machine with much to do may need more than two seconds for thirteen reads.
    return client_with(TENANTS=tenants, DATABASE_URL=database, **environ)


@pytest.mark.requirement("DISC-17", "DISC-18", "SEC-5")
@pytest.mark.parametrize("path", ["/cds-services", "/nl/cds-services", "/fhir/metadata"])
def test_protected_discovery_needs_a_token(
    tmp_path: Path, key_server: KeyServer, path: str
) -> None:
    app = started(tmp_path, key_server.url(), DISCOVERY="protected")

    assert app.get(path).status == 401
    bearer = f"Bearer {token(path).text()}"
    assert app.get(path, headers={"Authorization": bearer}).status == 200


@pytest.mark.requirement("C8")
def test_a_restart_forgets_no_token(tmp_path: Path, key_server: KeyServer) -> None:
    bearer = token().text()

    assert let_in(call(started(tmp_path, key_server.url()), bearer))
    assert call(started(tmp_path, key_server.url()), bearer).status == 401


@pytest.mark.requirement("C8", "C10")
def test_while_the_store_is_away_a_token_still_works_only_once(
    tmp_path: Path, key_server: KeyServer
) -> None:
    tenants = small(tmp_path, key_server.url())
    app = client_with(TENANTS=tenants, DATABASE_URL=f"sqlite:///{tenants}/db.sqlite3")
    bearer = token().text()

    assert [call(app, bearer).status for _ in range(2)] == [400, 401]
    assert "known to this process only" in app.log.getvalue()


# --- keys that everybody has ---


@pytest.mark.requirement("C11")
def test_a_key_with_a_published_private_half_is_refused_beyond_the_demo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cds_service.tenants import jwk  # noqa: PLC0415

    public = key("published")
    known = {jwk.thumbprint(public.jwk())}
    monkeypatch.setattr(jwk, "PUBLICLY_KNOWN", frozenset(known))
    with KeyServer() as server:
        server.answers["/jwks.json"] = jwks(public.jwk())
        for name in ("default", "demo"):
            (tmp_path / name).mkdir()
        default = started(tmp_path / "default", server.url())
        demo = started(tmp_path / "demo", server.url(), extra="demo = true")

        assert call(default, token(by=public).text()).status == 401
        assert let_in(call(demo, token(by=public).text()))


# --- a tenant's FHIR server ---


@pytest.mark.requirement(*("AUTHZ-10", "AUTHZ-11", "AUTHZ-12", "AUTHZ-13", "SEC-34", "D8", "PHI-3"))
def test_missing_data_are_read_from_the_tenants_server_with_its_token_alone(
    tmp_path: Path, key_server: KeyServer, message: Callable[..., Any]
) -> None:
    patient = {"resourceType": "Patient", "id": "p", "birthDate": "1980-01-01"}
    with FhirStub([patient], token="access-t0ken") as fhir:
        extra = f'fhir_servers = ["{fhir.base}"]'
        app = started(tmp_path, key_server.url(), extra=extra)
        body = message("patient-view", fhirServer=fhir.base, prefetch={})
        body["fhirAuthorization"] = {"access_token": "access-t0ken", "token_type": "Bearer"}
        bearer = token().text()

        answer = call(app, bearer, body=body)

    assert answer.status == 200
    assert {seen.headers["Authorization"] for seen in fhir.seen} == {"Bearer access-t0ken"}
    assert all(seen.method == "GET" for seen in fhir.seen)
    assert {"patient", "conditions"} <= set(app.events[-1]["fetched"])
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    for secret in ("access-t0ken", bearer, bearer.split(".")[2]):
        assert secret not in app.log.getvalue()
        assert secret.encode() not in kept


@pytest.mark.requirement("AUTHZ-17", "OUT-1")
@pytest.mark.parametrize(("extra", "status"), [("", 412), ("\nreads_without_token = true", 200)])
@pytest.mark.requirement("AUTHZ-1")
def test_a_server_is_read_without_a_token_only_where_the_tenant_says_so(
    tmp_path: Path, key_server: KeyServer, message: Callable[..., Any], extra: str, status: int
) -> None:
    patient = {"resourceType": "Patient", "id": "p", "birthDate": "1980-01-01"}
    with FhirStub([patient]) as fhir:
        listed = f'fhir_servers = ["{fhir.base}"]{extra}'
        app = started(tmp_path, key_server.url(), extra=listed)
        body = message("patient-view", fhirServer=fhir.base, prefetch={})

        answer = call(app, token().text(), body=body)

    assert answer.status == status
    assert all("Authorization" not in seen.headers for seen in fhir.seen)
    assert bool(fhir.seen) is (status == 200)
