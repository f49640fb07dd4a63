"""The paths on which one process is asked how it is."""

PROBES = ("/api/health", "/api/health-mongo", "/api/health-redis", "/api/ready", "/metrics")
