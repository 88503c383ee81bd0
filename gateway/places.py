"""Where things lie in a data directory."""

LOG_FOLDER = "log"
EVENTS_FOLDER = "events"
SNAPSHOT_FOLDER = "snapshots"
VAULT_FILE = "sealed.keys"
PROJECTION_FILE = "projection.sqlite"
STATUS_FILE = "follow.status"
SERVE_STATUS_FILE = "serve.status"


def sink_status_file(name: str) -> str:
    return f"sink-{name}.status"
