# Tag and digest name the same image; Dependabot moves them together.
FROM python:3.13.14-slim-bookworm@sha256:67a1e1f215ccda113cfc024e8639049257e88f273898f595b61476d128d387e8 AS python

FROM python AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ONLY_BINARY=:all: \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY requirements.lock requirements-build.lock ./
RUN python -m venv --without-pip /opt/openai-proxy \
    && pip install --require-hashes --no-deps -r requirements-build.lock \
    && pip --python /opt/openai-proxy install --no-compile --require-hashes --no-deps -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY src/ src/
RUN pip wheel --no-build-isolation --no-deps --wheel-dir dist . \
    && pip --python /opt/openai-proxy install --no-compile --no-index --no-deps dist/*.whl \
    && pip --python /opt/openai-proxy check \
    && python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/openai-proxy

FROM python
# The base image strips the standard library's bytecode, and a read-only root
# would have every start compile it anew.
RUN python -m compileall -q -j 0 --invalidation-mode unchecked-hash /usr/local/lib/python3.*
COPY --from=build /opt/openai-proxy /opt/openai-proxy
ENV PATH=/opt/openai-proxy/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0 \
    PORT=8080 \
    LOG_FORMAT=json
# A number, so that an orchestrator can see that it is not root.
USER 65532:65532
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
    CMD ["python", "-c", "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', int(os.environ['PORT']), timeout=2); c.request('GET', '/health'); sys.exit(c.getresponse().status != 200)"]
ENTRYPOINT ["openai-proxy"]
CMD ["serve"]
