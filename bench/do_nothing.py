"""The reference: a Flask handler that decodes the body, looks at nothing and answers one card.

The same decoder, the same encoder and the very same gunicorn set-up as the service, so that what
the service takes longer is its own work: checking, evaluating, recording, logging.
"""

from __future__ import annotations

from flask import Flask, Response, request

from cds_service import config, fhir_json
from cds_service.web.reloading import Reloading
from cds_service.web.server import _Server, tell  # the same server, not a copy of it

ANSWER = {
    "cards": [
        {
            "uuid": "00000000-0000-4000-8000-000000000000",
            "summary": "Nothing was looked at.",
            "indicator": "info",
            "source": {"label": "bench"},
        }
    ]
}


def create_app() -> Flask:
    app = Flask(__name__)

    @app.post("/cds-services/<_service>")
    def call(_service: str) -> Response:
        fhir_json.decode(request.get_data(cache=False))
        return Response(fhir_json.encode(ANSWER), content_type="application/json")

    return app


if __name__ == "__main__":
    _Server(Reloading(create_app, tell), config.from_environment()).run()
