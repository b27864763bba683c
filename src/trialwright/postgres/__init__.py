"""The ledger on a PostgreSQL server, for studies that several machines look at: needs psycopg."""
