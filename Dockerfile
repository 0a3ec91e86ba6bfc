# The service alone. Inside the container it listens on loopback only, as everywhere:
# docker-compose.yml shows how a gateway in the same network namespace makes it reachable.
FROM python:3.12.12-slim-bookworm AS build

WORKDIR /build
COPY requirements/run.txt requirements/run.txt
RUN python -m venv /opt/cds \
    && /opt/cds/bin/pip install --no-cache-dir --disable-pip-version-check \
       --require-hashes --requirement requirements/run.txt
COPY pyproject.toml README.md LICENSE ./
COPY cds_service cds_service
RUN /opt/cds/bin/pip install --no-cache-dir --disable-pip-version-check \
       --no-deps --no-build-isolation . \
    && /opt/cds/bin/pip uninstall --quiet --yes setuptools wheel pip


FROM python:3.12.12-slim-bookworm

RUN python -m pip uninstall --quiet --yes pip \
    && useradd --system --uid 10001 --user-group --home-dir /srv/cds cds \
    && install --directory --owner cds --group cds /srv/cds /srv/cds/var
COPY --from=build /opt/cds /opt/cds
WORKDIR /srv/cds
COPY plan_definitions plan_definitions

ENV PATH=/opt/cds/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
# By number: Kubernetes can tell then that it is not root.
USER 10001

HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ.get('CDS_PORT', '8080') + '/health', timeout=2)"]

ENTRYPOINT ["cds-service"]
CMD ["serve"]
