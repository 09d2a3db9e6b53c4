"""The database: engines, sessions, transactions, queries, column types and migrations."""
