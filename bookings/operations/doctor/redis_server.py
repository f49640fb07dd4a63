"""Whether Redis is set up as claims, locks and the worker need it.

Redis only accelerates, so nothing here can break a promise about bookings. But a Redis that forgets
or refuses makes clients wait, and may turn a repeated refusal into another answer.
"""

from redis.exceptions import ResponseError

from bookings.operations.doctor.findings import Finding, fail, ok, warn
from locks.connection import GuardedRedis

# The oldest major versions that have every command the scripts use.
OLDEST_MAJOR = {"Redis": 7, "Valkey": 8}


def server(client: GuardedRedis) -> Finding:
    """The server must be a primary, outside a cluster, of a version that the scripts support."""
    about = client.info("server")
    engine = "Valkey" if "valkey_version" in about else "Redis"
    version = str(about["valkey_version" if engine == "Valkey" else "redis_version"])
    if int(version.split(".")[0]) < OLDEST_MAJOR[engine]:
        return fail(f"{engine} {version} is too old; use {OLDEST_MAJOR[engine]}.0 or newer.")
    if client.info("replication")["role"] != "master":
        return fail(f"{engine} {version} is a read-only replica; name its primary instead.")
    if client.info("cluster").get("cluster_enabled"):
        return fail(
            f"{engine} {version} is a cluster, which the scripts cannot use; name a single server."
        )
    return ok(f"{engine} {version}.")


def persistence(client: GuardedRedis) -> Finding:
    """A restart should not forget which keys were refused, or the worker's tasks."""
    about = client.info("persistence")
    if about["aof_enabled"]:
        if about["aof_last_write_status"] != "ok":
            return warn("The append-only file could not be written; check the disk and the log.")
        return ok("An append-only file.")
    if about["rdb_last_bgsave_status"] != "ok":
        return warn("The last snapshot could not be written; check the disk and the log.")
    try:
        snapshots = client.config_get("save")["save"]
    except ResponseError:
        return warn("No append-only file, and Redis does not say whether it takes snapshots.")
    if snapshots:
        return ok(f"Snapshots (save {snapshots}).")
    return warn(
        "None, so a restart forgets claims and refusals (never bookings); run CONFIG SET "
        "appendonly yes, and add it to redis.conf."
    )


def eviction(client: GuardedRedis) -> Finding:
    """Redis must refuse writes rather than throw data away."""
    about = client.info("memory")
    policy, limit_bytes = about["maxmemory_policy"], about["maxmemory"]
    if policy == "noeviction":
        return ok("noeviction.")
    text = (
        f"Under {policy} Redis throws claims, locks and tasks away when its memory is full; run "
        "CONFIG SET maxmemory-policy noeviction, and add it to redis.conf."
    )
    return fail(text) if limit_bytes else warn(f"{text} Its memory has no limit yet.")


def lock_server(client: GuardedRedis) -> Finding:
    """A member of the quorum need not remember anything, so its persistence is not checked."""
    found = server(client)
    if found.level != "ok":
        return found
    evicts = eviction(client)
    return found if evicts.level == "ok" else evicts
