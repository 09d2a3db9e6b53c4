"""`@task` for tests, which run no task twice unless they say so."""

from functools import partial

from project.core.tasks.registry import task as product_task

task = partial(product_task, idempotent='tests run it once, or count its runs')
