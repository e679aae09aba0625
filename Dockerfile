# The image of every Airflow service, from the lock, each package by its hash.
FROM python:3.11.14-slim-bookworm AS packages
WORKDIR /opt/strata
COPY requirements/uv.lock requirements/deploy.lock requirements/
RUN python -m venv /opt/uv \
    && /opt/uv/bin/python -m pip install --no-cache-dir --require-hashes \
        -r requirements/uv.lock \
    && python -m venv /opt/venv \
    && /opt/uv/bin/uv pip install --no-cache --python /opt/venv/bin/python \
        --require-hashes --compile-bytecode -r requirements/deploy.lock
COPY pyproject.toml README.md ./
COPY plugins plugins
RUN /opt/uv/bin/uv pip install --no-cache --python /opt/venv/bin/python \
        --no-deps --no-build-isolation -e . \
    && /opt/venv/bin/python -m compileall -q plugins

FROM python:3.11.14-slim-bookworm
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1
WORKDIR /opt/strata
COPY --from=packages /opt/venv /opt/venv
COPY --from=packages /opt/strata /opt/strata
COPY config config
COPY dags dags
COPY dbt_project dbt_project
COPY deploy deploy
COPY expectations expectations
# Nothing here is written to; docker-compose.yml mounts what is.
RUN mkdir -p /var/lib/strata /var/log/strata /data
USER 1000:1000
CMD ["airflow", "version"]
