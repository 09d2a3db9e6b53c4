"""Numbers under which `workload.py` records runs of tasks.

Tests may import this module, but not `workload.py`.
"""

# The task `archive` records its runs under this number plus the id of its owner.
ARCHIVES = 1000

# The periodic task `tick` records its runs under this number.
TICK = -100
