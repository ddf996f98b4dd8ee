# syntax=docker/dockerfile:1
# One image for every role: `serve` (the API), `index follow`, `work`, `db init`, and every other command.

FROM python:3.11.14-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY requirements.lock requirements.image.lock ./
# Only wheels, with the versions and hashes in the lock files: nothing is compiled here. pip reads hashes from
# requirements files only, not from constraints.
RUN sed -n '/^setuptools==/,/[^\\]$/p' requirements.lock > build.lock \
 && pip install --quiet --only-binary :all: --require-hashes --requirement build.lock
RUN python -m venv --without-pip /opt/assetry \
 && pip --python /opt/assetry/bin/python install --quiet --no-deps --only-binary :all: \
      --require-hashes --requirement requirements.image.lock
COPY pyproject.toml README.md LICENSE ./
COPY mappings mappings
COPY query query
COPY indexer indexer
COPY service service
RUN pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /wheels . \
 && pip --python /opt/assetry/bin/python install --quiet --no-deps --no-index /wheels/*.whl \
 && pip --python /opt/assetry/bin/python check \
 && /opt/assetry/bin/python -m compileall -q -x olefile2 /opt/assetry/lib

FROM python:3.11.14-slim-bookworm
LABEL org.opencontainers.image.title="Assetry" org.opencontainers.image.licenses="Apache-2.0"
# The service installs nothing, so the installers are removed. /data is for the embedded engines, /scratch for uploads in
# progress.
RUN pip uninstall --quiet --yes --root-user-action ignore setuptools wheel pip \
 && groupadd --gid 10001 assetry \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /scratch --shell /usr/sbin/nologin assetry \
 && install --directory --owner assetry --group assetry --mode 0700 /data /scratch
COPY --from=build /opt/assetry /opt/assetry
ENV PATH=/opt/assetry/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    TMPDIR=/scratch \
    ASSETRY_DATA=/data \
    ASSETRY_HOST=0.0.0.0 \
    ASSETRY_PORT=8080 \
    ASSETRY_OPS_PORT=8080
USER 10001:10001
WORKDIR /data
VOLUME ["/data", "/scratch"]
EXPOSE 8080
STOPSIGNAL SIGTERM
# Liveness, not readiness: restarting the service does not fix an unavailable engine. /readyz says which one it is.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python", "-I", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/healthz', timeout=4)"]
ENTRYPOINT ["assetry"]
CMD ["serve"]
