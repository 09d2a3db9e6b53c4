"""Pages and OpenAPI documents of the features, generated from the code.

Each feature has its own files in `docs/features`, so that two features never change the same file.
"""
