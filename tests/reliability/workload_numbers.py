"""Numbers of runs recorded by the workload, in a module that tests may import."""

# An archive has this number plus the id of its owner.
ARCHIVES = 1000

# The task with a schedule.
TICK = -100
