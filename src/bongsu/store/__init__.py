"""The only folder that knows the database: connections, the commit barrier, migrations, and every query."""
