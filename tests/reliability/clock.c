/* Calls the sleep of the kernel, below libfaketime. Version 0.9.10 of libfaketime fails with EINVAL
 * for an absolute sleep on the monotonic clock, and Python sleeps this way. */

#define _GNU_SOURCE
#include <errno.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *request,
                    struct timespec *remaining) {
    return syscall(SYS_clock_nanosleep, clock, flags, request, remaining) == 0 ? 0 : errno;
}
