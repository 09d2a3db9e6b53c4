/* Injects faults into calls of the C library.
 *
 * strace can inject faults as well, but it needs complete paths, and the names of incoming files
 * are unknown before; and it counts per thread. This library needs a folder only, and counts the
 * calls of all processes together. All processes map the file with the faults.
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
enum { PASS, FAIL, FAKE_SUCCESS, KILL_BEFORE, KILL_AFTER };

/* The same fields as in disk.py: `FaultInjector._form`. */
struct faults {
    int is_armed, action, error, kinds, first, is_permanent, matched, hit_count, seen[KINDS];
    char below[2][PATH_MAX];
};
static volatile struct faults *faults;

static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

__attribute__((constructor)) static void map_faults(void) {
    const char *path = getenv("DISK_FAULTS");
    int (*real_open)(const char *, int, ...) = real("open");
    int file = path ? real_open(path, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *mapped = mmap(0, sizeof *faults, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (mapped != MAP_FAILED) faults = mapped;
}

static int is_below(const char *path) {
    for (int i = 0; i < 2; i++) {
        const char *prefix = (const char *)faults->below[i];
        if (*prefix && !strncmp(path, prefix, strlen(prefix))) return 1;
    }
    return 0;
}

/* Return the action for this call; kill the process if the action is KILL_BEFORE. */
static int action_of(int kind, const char *path) {
    if (!faults || !faults->is_armed || !is_below(path)) return PASS;
    __sync_fetch_and_add(&faults->seen[kind], 1);
    if (!(faults->kinds >> kind & 1)) return PASS;
    int number = __sync_fetch_and_add(&faults->matched, 1);
    if (faults->is_permanent ? number < faults->first : number != faults->first) return PASS;
    __sync_fetch_and_add(&faults->hit_count, 1);
    if (faults->action == KILL_BEFORE) kill(getpid(), SIGKILL);
    return faults->action;
}

static int action_of_file(int kind, int file) {
    char link[32], path[PATH_MAX];
    if (!faults || !faults->is_armed) return PASS;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    path[length < 0 ? 0 : length] = 0;
    return action_of(kind, path);
}

#define APPLY(chosen, type, call)                                   \
    do {                                                            \
        int action = (chosen);                                      \
        if (action == FAIL) return errno = faults->error, (type)-1; \
        if (action == FAKE_SUCCESS) return 0;                       \
        type result = (call);                                       \
        if (action == KILL_AFTER) kill(getpid(), SIGKILL);          \
        return result;                                              \
    } while (0)

/* Only calls that may create a file count: opening an existing one needs no space. */
#define WRAP_OPEN(name)                                                                      \
    int name(const char *path, int flags, ...) {                                             \
        static int (*next)(const char *, int, ...);                                          \
        if (!next) next = real(#name);                                                       \
        va_list more;                                                                        \
        va_start(more, flags);                                                               \
        mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(more, mode_t) : 0;            \
        va_end(more);                                                                        \
        APPLY(flags & O_CREAT ? action_of(OPEN, path) : PASS, int, next(path, flags, mode)); \
    }
WRAP_OPEN(open)
WRAP_OPEN(open64)

#define WRAP(chosen, type, name, typed, named) \
    type name typed {                          \
        static type(*next) typed;              \
        if (!next) next = real(#name);         \
        APPLY(chosen, type, next named);       \
    }
#define WITH_FILE(kind, type, name, typed, named) \
    WRAP(action_of_file(kind, file), type, name, typed, named)
#define WITH_PATH(kind, name, typed, named) \
    WRAP(action_of(kind, path), int, name, typed, named)

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
