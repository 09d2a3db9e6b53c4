"""`@task` for tests, with a value for `idempotent=`, so that tests need not give one."""

from functools import partial

from project.core.tasks.registry import task as product_task

task = partial(product_task, idempotent='tests run it once, or count its runs')
