"""Runs migrations on the connection that `lakegate.metastore.migrate` hands over, inside its transaction."""

from alembic import context

from lakegate.metastore.schema import metadata

# SQLite undoes its DDL with the transaction, too, where the transaction was begun explicitly, as ours are.
context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
