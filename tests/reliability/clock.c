/* Sleeps as the kernel does, below libfaketime: its version 0.9.10 makes EINVAL of an absolute sleep
 * on the monotonic clock, which is how Python sleeps. */

#define _GNU_SOURCE
#include <errno.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *request,
                    struct timespec *remaining) {
    return syscall(SYS_clock_nanosleep, clock, flags, request, remaining) == 0 ? 0 : errno;
}
