# One image for web, worker, beat and every `manage.py` command; the command says which.

FROM python:3.13.16-slim-bookworm AS build
WORKDIR /app

# The environment is moved as it is, so it must not bring an installer along. Wheels alone: what
# had to be compiled would need a compiler here.
COPY requirements.txt .
RUN python -m venv --without-pip /opt/venv \
    && pip --python /opt/venv/bin/python install --no-cache-dir --only-binary :all: \
        --require-hashes --requirement requirements.txt

# What comes along is listed in .dockerignore.
COPY . .

# Production's settings know where the files go, and ask for more than that takes. Nothing of this
# is in the image, which takes only files from this stage.
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

# The base brings an installer, which nothing here needs and an intruder might; and no bytecode,
# which a read-only root could not take later. What does not compile stays as it is.
RUN rm -rf /usr/local/lib/python3.*/site-packages/pip /usr/local/lib/python3.*/site-packages/pip-* \
        /usr/local/lib/python3.*/ensurepip /usr/local/bin/pip* \
    && (python -m compileall -q /usr/local/lib || true)

# A new volume that is mounted there takes its owner from this folder.
RUN install -d -o 10001 -g 10001 -m 700 /backup

# The root file system may be read-only: nothing but /tmp is written to. WEB_CONCURRENCY is
# gunicorn's own variable for the number of its processes.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    WEB_CONCURRENCY=2

WORKDIR /app
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app

# By number, so that Kubernetes can see that it is not root.
USER 10001:10001

# gunicorn finishes what it has begun, a worker its task. Both are process 1 themselves: gunicorn
# reaps its children, and no other process here has any.
STOPSIGNAL SIGTERM

EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/api/health', timeout=2)"]
CMD ["gunicorn", "bookingsite.wsgi", "--bind", "0.0.0.0:8000"]
