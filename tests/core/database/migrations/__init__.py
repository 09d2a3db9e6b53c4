"""Tests of migrations: folders, new migrations, rules, and running them."""
