# The application. Build from the repository's root: docker build -f deploy/images/app.Dockerfile .
# CI gives the base by digest: --build-arg PYTHON_IMAGE=docker.io/library/python@sha256:...
ARG PYTHON_IMAGE=docker.io/library/python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 HF_HUB_OFFLINE=1
WORKDIR /opt/sidecoach/app
RUN python -m venv /opt/sidecoach/venv
ENV PATH=/opt/sidecoach/venv/bin:$PATH
COPY requirements.lock pyproject.toml ./
# Everything by its digest; then the tools of development go again.
RUN pip install --require-hashes -r requirements.lock \
 && python -c "import re, tomllib; \
extra = tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies']['dev']; \
print('\n'.join(re.split(r'[\[=<>~]', name)[0] for name in extra))" > /tmp/development \
 && pip uninstall --yes -r /tmp/development
COPY manage.py ./
COPY coach coach
COPY consent consent
COPY rag rag
COPY safety safety
COPY static static
COPY templates templates
COPY deploy/objectives.yaml deploy/models.toml deploy/
# A build's own secrets, used by nothing: pages and the embedder need none.
RUN DEMO=1 python manage.py collectstatic --noinput \
 && DEMO=1 DATA_DIR=/opt/sidecoach python manage.py export_embedder \
 && DEMO=1 DATA_DIR=/opt/sidecoach python manage.py models verify \
 && python -m compileall -q coach consent rag safety

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title=sidecoach org.opencontainers.image.licenses=Apache-2.0
RUN groupadd --gid 1001 sidecoach \
 && useradd --uid 1001 --gid 1001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin sidecoach \
 && install -d -o 1001 -g 1001 /data
COPY --from=build /opt/sidecoach /opt/sidecoach
ENV PATH=/opt/sidecoach/venv/bin:$PATH HOST=0.0.0.0 PORT=8000 DATA_DIR=/data \
    HF_HUB_OFFLINE=1 PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 TOKENIZERS_PARALLELISM=false
WORKDIR /opt/sidecoach/app
USER 1001:1001
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD \
    ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
ENTRYPOINT ["python", "manage.py"]
CMD ["serve", "--no-migrate", "--quiet"]
