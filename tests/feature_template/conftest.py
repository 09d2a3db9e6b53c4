"""The template of `flask feature`: `test_template.py` runs its tests in a copied repository."""

collect_ignore_glob = ['*']
