# The Python the tests run on.
ARG PYTHON=3.11

FROM python:${PYTHON}-slim AS packages
# Where the code will lie, for the last step notes it down.
WORKDIR /app
COPY requirements/app.txt .
# Exactly the files that were locked, and nothing they would have brought along.
RUN python -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --require-hashes --no-deps -r app.txt
# Our name and entry points (`flask secret-key` is one), and a pointer to the code: what changes
# every day stays out of this layer.
COPY pyproject.toml .
RUN /venv/bin/pip install --no-cache-dir --no-deps --no-build-isolation \
        --config-settings editable_mode=compat --editable . \
    && /venv/bin/pip uninstall --yes pip

FROM python:${PYTHON}-slim
# It knows more types of files than Python does; the service does without it as well. Which
# version of it there is, the base image's release decides.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libmagic1 \
    && rm -rf /var/lib/apt/lists/*
RUN groupadd --gid 10001 api \
    && useradd --uid 10001 --gid 10001 --home-dir /app --no-create-home --shell /usr/sbin/nologin api
WORKDIR /app
COPY --from=packages /venv /venv
# What is temporary and large goes to TMPDIR: /tmp may be memory, the volume is a disk.
ENV PATH=/venv/bin:$PATH \
    TMPDIR=/app/var \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0 \
    PORT=8000
COPY wsgi.py ./
COPY config config
COPY deploy/healthcheck.py deploy/
COPY migrations migrations
COPY project project
# The code belongs to root: who runs it can write under var/ and nowhere else.
RUN python -m compileall -q wsgi.py config deploy migrations project \
    && install --directory --owner=api --group=api --mode=0750 var
USER 10001:10001
VOLUME /app/var
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "deploy/healthcheck.py"]
CMD ["gunicorn", "-c", "config/gunicorn.py", "wsgi:create_app()"]
