"""How Alembic runs the steps here: on the connection it is handed, in that one's transaction."""

from __future__ import annotations

from alembic import context

from arbit.persistence.tables import metadata

if context.is_offline_mode():
    raise SystemExit("arbit db upgrade: migrations run on a database, not as a script")
connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
context.run_migrations()
