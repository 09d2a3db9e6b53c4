/* Between a process and its C library: a disk that does as it was ordered.
 *
 * strace injects faults too, but knows files by their whole path only, and what comes in lies under
 * a name that nobody can know before; and it counts in each thread. Here a folder is enough, and
 * all processes count together. Orders come through a file that all of them have mapped.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OPEN, WRITE, FSYNC, RENAME, LINK, MKDIR, UNLINK, KINDS };
enum { PASS, FAIL, LIE, KILL_BEFORE, KILL_AFTER };

/* As in disk.py: `Disk`. */
struct orders {
    int is_armed, action, error, kinds, first, lasts, matched, struck, seen[KINDS];
    char below[2][PATH_MAX];
};
static volatile struct orders *orders;

static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

__attribute__((constructor)) static void listen_to_orders(void) {
    const char *path = getenv("DISK_ORDERS");
    int (*real_open)(const char *, int, ...) = real("open");
    int file = path ? real_open(path, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *mapped = mmap(0, sizeof *orders, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (mapped != MAP_FAILED) orders = mapped;
}

static int is_below(const char *path) {
    for (int i = 0; i < 2; i++) {
        const char *prefix = (const char *)orders->below[i];
        if (*prefix && !strncmp(path, prefix, strlen(prefix))) return 1;
    }
    return 0;
}

/* What is to happen to this call. */
static int ordered(int kind, const char *path) {
    if (!orders || !orders->is_armed || !is_below(path)) return PASS;
    __sync_fetch_and_add(&orders->seen[kind], 1);
    if (!(orders->kinds >> kind & 1)) return PASS;
    int number = __sync_fetch_and_add(&orders->matched, 1);
    if (orders->lasts ? number < orders->first : number != orders->first) return PASS;
    __sync_fetch_and_add(&orders->struck, 1);
    if (orders->action == KILL_BEFORE) kill(getpid(), SIGKILL);
    return orders->action;
}

static int ordered_at(int kind, int file) {
    char link[32], path[PATH_MAX];
    if (!orders || !orders->is_armed) return PASS;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    path[length < 0 ? 0 : length] = 0;
    return ordered(kind, path);
}

#define OBEY(order, type, call)                                    \
    do {                                                           \
        int what = (order);                                        \
        if (what == FAIL) return errno = orders->error, (type)-1;  \
        if (what == LIE) return 0;                                 \
        type result = (call);                                      \
        if (what == KILL_AFTER) kill(getpid(), SIGKILL);           \
        return result;                                             \
    } while (0)

/* Only one that may make a file: what is there costs no room to open. */
#define OPENING(name)                                                                       \
    int name(const char *path, int flags, ...) {                                            \
        static int (*next)(const char *, int, ...);                                         \
        if (!next) next = real(#name);                                                      \
        va_list more;                                                                       \
        va_start(more, flags);                                                              \
        mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(more, mode_t) : 0;           \
        va_end(more);                                                                       \
        OBEY(flags & O_CREAT ? ordered(OPEN, path) : PASS, int, next(path, flags, mode));   \
    }
OPENING(open)
OPENING(open64)

#define WRAPPED(asked, type, name, typed, named) \
    type name typed {                            \
        static type(*next) typed;                \
        if (!next) next = real(#name);           \
        OBEY(asked, type, next named);           \
    }
#define WITH_FILE(kind, type, name, typed, named) \
    WRAPPED(ordered_at(kind, file), type, name, typed, named)
#define WITH_PATH(kind, name, typed, named) \
    WRAPPED(ordered(kind, path), int, name, typed, named)

WITH_FILE(WRITE, ssize_t, write, (int file, const void *data, size_t size), (file, data, size))
WITH_FILE(WRITE, ssize_t, pwrite, (int file, const void *data, size_t size, off_t at),
          (file, data, size, at))
WITH_FILE(WRITE, ssize_t, pwrite64, (int file, const void *data, size_t size, off64_t at),
          (file, data, size, at))
WITH_FILE(WRITE, ssize_t, sendfile, (int file, int from, off_t *at, size_t size),
          (file, from, at, size))
WITH_FILE(WRITE, ssize_t, sendfile64, (int file, int from, off64_t *at, size_t size),
          (file, from, at, size))
WITH_FILE(FSYNC, int, fsync, (int file), (file))
WITH_FILE(FSYNC, int, fdatasync, (int file), (file))
WITH_PATH(RENAME, rename, (const char *old, const char *path), (old, path))
WITH_PATH(RENAME, renameat, (int a, const char *old, int b, const char *path), (a, old, b, path))
WITH_PATH(LINK, link, (const char *old, const char *path), (old, path))
WITH_PATH(LINK, linkat, (int a, const char *old, int b, const char *path, int flags),
          (a, old, b, path, flags))
WITH_PATH(MKDIR, mkdir, (const char *path, mode_t mode), (path, mode))
WITH_PATH(MKDIR, mkdirat, (int folder, const char *path, mode_t mode), (folder, path, mode))
WITH_PATH(UNLINK, unlink, (const char *path), (path))
WITH_PATH(UNLINK, unlinkat, (int folder, const char *path, int flags), (folder, path, flags))
