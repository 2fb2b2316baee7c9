"""What all sites agree on: read once, when the cluster is made.

From then on it lives in etcd, where `patronictl edit-config` changes it for all.
"""

from typing import Any, Final

from bongsu.store.backups import SLOT

_DURABLE: Final = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "wal_log_hints": "on",
    "wal_compression": "on",
    "wal_keep_size": "1GB",
    "max_slot_wal_keep_size": "8GB",  # an archive or a site that is gone for long must not fill the leader's disk
    "summarize_wal": "on",  # so that a backup can hold what changed, and no more
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
}
_PROMPT: Final = {
    "wal_retrieve_retry_interval": "200ms",
    "wal_receiver_timeout": "5s",
    "wal_sender_timeout": "5s",
    "wal_receiver_status_interval": "1s",
    "tcp_user_timeout": "3s",
    "tcp_keepalives_idle": 1,
    "tcp_keepalives_interval": 1,
    "tcp_keepalives_count": 3,
    "client_connection_check_interval": "1s",
    "max_standby_streaming_delay": "5s",
}
_ORDINARY: Final = {
    "max_connections": 200,
    "max_wal_senders": 10,
    "max_replication_slots": 10,
    "jit": "off",
    "random_page_cost": 1.1,
    "log_lock_waits": "on",
    "log_min_duration_statement": "2s",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


def shared() -> dict[str, Any]:
    return {
        "ttl": 5,
        "loop_wait": 1,
        "retry_timeout": 2,
        "maximum_lag_on_failover": 1048576,
        "synchronous_mode": "quorum",
        "synchronous_mode_strict": True,
        "synchronous_node_count": 1,
        "failsafe_mode": True,
        "primary_start_timeout": 0,
        "primary_stop_timeout": 5,
        "ignore_slots": [{"name": SLOT, "type": "physical"}],  # of each site's own archive
        "postgresql": {
            "use_pg_rewind": True,
            "use_slots": True,
            "remove_data_directory_on_rewind_failure": True,
            "remove_data_directory_on_diverged_timelines": True,
            "parameters": {**_DURABLE, **_PROMPT, **_ORDINARY},
        },
    }
