"""The numbers under which the workload records runs. Beside it, because nothing may import it."""

# Of an archive; the id of its owner comes on top.
ARCHIVES = 1000

# Of the task with a schedule.
TICK = -100
