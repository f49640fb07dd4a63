# One image for web, worker, beat and every `manage.py` command; the command chooses which.

FROM python:3.13.16-slim-bookworm AS build
WORKDIR /app

# The environment is copied as it is, so it must not contain an installer. Only wheels: anything else
# would need a compiler here.
COPY requirements.txt .
RUN python -m venv --without-pip /opt/venv \
    && pip --python /opt/venv/bin/python install --no-cache-dir --only-binary :all: \
        --require-hashes --requirement requirements.txt

# .dockerignore lists what is copied.
COPY . .

# Only production's settings name the folder of static files, and they ask for more than this step
# uses. None of these values is in the final image, which copies only files from this stage.
RUN SECRET_KEY=used-once-while-the-files-are-collected-and-then-forgotten \
    MONGODB_URI=mongodb://127.0.0.1:1/ REDIS_URL=redis://127.0.0.1:1/0 \
    SITE_URL=https://bookings.example EMAIL_HOST=127.0.0.1 EMAIL_FROM=bookings@bookings.example \
    /opt/venv/bin/python manage.py collectstatic --no-input --verbosity 0 \
    && /opt/venv/bin/python -m compileall -q /app \
    && chmod -R a+rX /app


FROM python:3.13.16-slim-bookworm

LABEL org.opencontainers.image.title="bookingsite" \
      org.opencontainers.image.description="A self-hosted booking engine that never sells a night twice." \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"

# The base has an installer, which nothing here needs and an intruder could use. It has no bytecode,
# which a read-only root could not write later. Files that do not compile stay as they are.
RUN rm -rf /usr/local/lib/python3.*/site-packages/pip /usr/local/lib/python3.*/site-packages/pip-* \
        /usr/local/lib/python3.*/ensurepip /usr/local/bin/pip* \
    && (python -m compileall -q /usr/local/lib || true)

# A new volume that is mounted on one of these folders takes its owner from it.
RUN install -d -o 10001 -g 10001 -m 700 /backup /photos

# The root file system may be read-only: the site writes only to /tmp. WEB_CONCURRENCY is gunicorn's
# own variable for its number of processes.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    WEB_CONCURRENCY=2

WORKDIR /app
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app

# A number lets Kubernetes see that this is not root.
USER 10001:10001

# gunicorn finishes its requests, and a worker its task. Both run as process 1 without an init:
# gunicorn reaps its children, and no other process here has any.
STOPSIGNAL SIGTERM

EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/api/health', timeout=2)"]
CMD ["gunicorn", "bookingsite.wsgi", "--bind", "0.0.0.0:8000"]
