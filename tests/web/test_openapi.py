"""`/openapi.json`: a valid document of every route, that asks for what the service asks for."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from client_keys import Token, claims, key
from contract.clients import client_with
from jsonschema import Draft202012Validator
from key_server import KeyServer, jwks
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

if TYPE_CHECKING:
    from collections.abc import Iterator

REQUESTS = Path(__file__).parent.parent.parent / "examples" / "requests"
ISSUER, AUDIENCE = "https://ehr.example.org/fhir", "https://cds.example.org/lbp"
CLIENT = key("openapi", "ES384")


@pytest.fixture
def document(client) -> dict[str, Any]:
    return client.get("/openapi.json").json


@pytest.fixture
def tenant_app(tmp_path):
    """Makes an application with one client, that may call one service."""
    with KeyServer() as server:
        server.answers["/jwks.json"] = jwks(CLIENT.jwk())
        (tmp_path / "tenants.toml").write_text(
            f'[tenants.a]\nissuers = ["{ISSUER}"]\naudience = "{AUDIENCE}"\n'
            f'jwks_urls = ["{server.url()}"]\nservices = ["low-back-pain-patient-view"]\n'
        )
        yield lambda **settings: client_with(
            TENANTS=str(tmp_path / "tenants.toml"),
            DATABASE_URL=f"sqlite:///{tmp_path / 'db.sqlite3'}",
            **settings,
        )


def bearer(path: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {Token(CLIENT, claims(AUDIENCE + path, ISSUER)).text()}"}


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method in ("get", "post"):
            if method in item:
                yield path, method, item[method]


def body_schema(document: dict[str, Any], path: str) -> Draft202012Validator:
    (media,) = document["paths"][path]["post"]["requestBody"]["content"].values()
    return Draft202012Validator({**media["schema"], "components": document["components"]})


def test_the_document_is_valid_openapi_3_1(document):
    validate(document, cls=OpenAPIV31SpecValidator)


def test_every_route_is_in_the_document_and_nothing_else(client, document):
    def shape(path: str) -> str:
        path = re.sub(r"^/(<profile>|\{profile\})/", "/*/", path)
        return re.sub(r"<[^>]+>|\{[^}]+\}|low-back-pain-[a-z-]+", "*", path)

    routes = {
        (shape(rule.rule), method.lower())
        for rule in client.app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if not rule.rule.startswith("/static/")
    }
    documented = set()
    for path, method, _ in operations(document):
        read = re.fullmatch(r"/fhir/[A-Z][A-Za-z]+(/\{id\}|/_search)?", path)
        generic = "/fhir/*" + ((read and read[1]) or "").replace("{id}", "*")
        documented.add((generic if read else shape(path), method))

    assert documented == routes


def test_every_operation_has_a_name_of_its_own(document):
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("path", sorted(REQUESTS.glob("*.json")), ids=lambda path: path.stem)
def test_the_example_requests_are_valid_by_the_document(document, path):
    message = json.loads(path.read_text(encoding="utf-8"))
    if path.stem == "feedback":
        address = "/cds-services/low-back-pain-order-sign/feedback"
    else:
        address = f"/cds-services/low-back-pain-{message['hook']}"
    assert list(body_schema(document, address).iter_errors(message)) == []


@pytest.mark.parametrize(
    "change",
    [
        {"hook": "order-sign"},
        {"hookInstance": ""},
        {"hookInstance": 5},
        {"context": None},
        {"context": {"userId": "Practitioner/1"}},
        {"context": {"userId": "Practitioner/1", "patientId": "a/b"}},
        {"prefetch": []},
        {"fhirServer": {}},
        {"fhirAuthorization": {"expires_in": "soon"}},
    ],
    ids=str,
)
def test_what_the_document_refuses_the_service_refuses(client, document, message, change):
    address = "/cds-services/low-back-pain-patient-view"
    body = message() | change
    assert not body_schema(document, address).is_valid(body)
    assert client.open("POST", address, json=body).status == 400


def test_the_example_of_every_body_works_as_it_stands(client, document):
    for path, method, operation in operations(document):
        place = path.replace("{profile}", "nl")
        for parameter in document["paths"][path].get("parameters", ()):
            place = place.replace("{id}", parameter.get("example", ""))
        for media_type, media in operation.get("requestBody", {}).get("content", {}).items():
            if "example" in media:
                example = media["example"]
                is_form = media_type == "application/x-www-form-urlencoded"
                body = example if is_form else json.dumps(example)
                answer = client.open(method, place, data=body, content_type=media_type)
                assert answer.status == 200, path


def test_the_document_may_be_kept_and_asked_for_again(client):
    first = client.get("/openapi.json")
    assert first.headers["Cache-Control"] == "max-age=300"
    again = client.get("/openapi.json", headers={"If-None-Match": first.headers["ETag"]})
    assert again.status == 304


def test_without_clients_no_operation_asks_for_a_token(document):
    assert "securitySchemes" not in document["components"]
    assert not any("security" in operation for _, _, operation in operations(document))


def test_with_clients_calls_need_the_token_and_discovery_takes_it(tenant_app):
    document = tenant_app().get("/openapi.json").json
    validate(document, cls=OpenAPIV31SpecValidator)
    asked = {path: operation.get("security") for path, _, operation in operations(document)}
    assert asked["/cds-services/low-back-pain-patient-view"] == [{"cdsClient": []}]
    assert asked["/cds-services"] == [{}, {"cdsClient": []}]
    assert asked["/health"] is None


@pytest.mark.requirement("DISC-18")
def test_where_discovery_is_protected_so_is_the_document(tenant_app):
    app = tenant_app(DISCOVERY="protected")
    assert app.get("/openapi.json").status == 401
    assert app.get("/openapi.json", headers=bearer("/openapi.json")).status == 200


def test_a_client_sees_the_services_that_it_may_call(tenant_app):
    answer = tenant_app().get("/openapi.json", headers=bearer("/openapi.json"))
    services = {
        path.split("/")[2] for path in answer.json["paths"] if path.startswith("/cds-services/")
    }
    assert services == {"low-back-pain-patient-view"}
    assert "private" in answer.headers["Cache-Control"]
