# The Python version of the tests.
ARG PYTHON=3.11

FROM python:${PYTHON}-slim AS packages
# The same folder as in the final image, because the editable installation stores its path.
WORKDIR /app
COPY requirements/app.txt .
# Exactly the locked packages, without further dependencies.
RUN python -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --require-hashes --no-deps -r app.txt
# The package name, its entry points (such as `flask secret-key`) and the path of the code. The
# code itself changes often and is not in this layer.
COPY pyproject.toml .
RUN /venv/bin/pip install --no-cache-dir --no-deps --no-build-isolation \
        --config-settings editable_mode=compat --editable . \
    && /venv/bin/pip uninstall --yes pip

FROM python:${PYTHON}-slim
# The git commit: `docker build --build-arg REVISION=$(git rev-parse HEAD)`.
ARG REVISION=
# libmagic detects more file types; the service also works without it. The release of the base
# image decides its version.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libmagic1 \
    && rm -rf /var/lib/apt/lists/*
RUN groupadd --gid 10001 api \
    && useradd --uid 10001 --gid 10001 --home-dir /app --no-create-home --shell /usr/sbin/nologin api
WORKDIR /app
COPY --from=packages /venv /venv
# Large temporary files are written to TMPDIR, because /tmp may be in memory. The volume is a disk.
ENV PATH=/venv/bin:$PATH \
    TMPDIR=/app/var \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    APP_REVISION=${REVISION} \
    HOST=0.0.0.0 \
    PORT=8000
COPY wsgi.py pyproject.toml ./
# `flask doctor` compares the installed packages with it.
COPY requirements/app.txt requirements/
COPY config config
COPY deploy/healthcheck.py deploy/
COPY migrations migrations
COPY project project
# The code belongs to root: the service can write below var/ only.
RUN python -m compileall -q wsgi.py config deploy migrations project \
    && install --directory --owner=api --group=api --mode=0750 var
USER 10001:10001
VOLUME /app/var
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "deploy/healthcheck.py"]
CMD ["python", "-m", "config.start", "gunicorn", "-c", "config/gunicorn.py", "wsgi:create_app()"]
