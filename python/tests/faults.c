// SPDX-License-Identifier: Apache-2.0
// A machine with faults, for one process: preloaded before the C library, it lets calls that change
// files in one folder fail and sets the clock wrong, as a file that the tests share with it says
// (python/tests/faults.py). Threads read the file's words without locks; each is one aligned number.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

struct control {
  volatile int64_t clock_nanoseconds;  // added to the clock that people read
  volatile int64_t write_errno;        // of calls that change files; 0: they work
  volatile int64_t sync_errno;         // of fsync and fdatasync
  volatile int64_t failed;             // how many calls were made to fail
};

static struct control nothing, *control = &nothing;
static char folder[PATH_MAX];
static size_t folder_length;

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("WEIR_TEST_FAULTS"), *root = getenv("WEIR_TEST_FAULTS_FOLDER");
  if (!path || !root || !realpath(root, folder)) return;
  folder_length = strlen(folder);
  int file = open(path, O_RDWR);
  if (file < 0) return;
  void *shared = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (shared != MAP_FAILED) control = shared;
  close(file);
}

#define NEXT(name) \
  static __typeof__(&name) next; \
  if (!next) next = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static int is_inside(const char *path) {
  return folder_length && !strncmp(path, folder, folder_length) &&
         (path[folder_length] == '/' || !path[folder_length]);
}

static int fails_at(const char *path, int64_t error) {
  if (!error || !is_inside(path)) return 0;
  __atomic_add_fetch(&control->failed, 1, __ATOMIC_RELAXED);
  errno = (int)error;
  return 1;
}

static int fails(int file, int64_t error) {
  if (!error) return 0;
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return fails_at(path, error);
}

#define FILE_CALL(type, name, parameters, arguments, error) \
  type name parameters { \
    NEXT(name); \
    return fails(file, control->error) ? -1 : next arguments; \
  }

FILE_CALL(ssize_t, write, (int file, const void *from, size_t count), (file, from, count),
          write_errno)
FILE_CALL(ssize_t, pwrite, (int file, const void *from, size_t count, off_t at),
          (file, from, count, at), write_errno)
FILE_CALL(ssize_t, pwrite64, (int file, const void *from, size_t count, off64_t at),
          (file, from, count, at), write_errno)
FILE_CALL(ssize_t, writev, (int file, const struct iovec *from, int count), (file, from, count),
          write_errno)
FILE_CALL(ssize_t, pwritev, (int file, const struct iovec *from, int count, off_t at),
          (file, from, count, at), write_errno)
FILE_CALL(int, ftruncate, (int file, off_t size), (file, size), write_errno)
FILE_CALL(int, ftruncate64, (int file, off64_t size), (file, size), write_errno)
FILE_CALL(int, fallocate, (int file, int mode, off_t from, off_t count), (file, mode, from, count),
          write_errno)
FILE_CALL(int, fsync, (int file), (file), sync_errno)
FILE_CALL(int, fdatasync, (int file), (file), sync_errno)

int posix_fallocate(int file, off_t from, off_t count) {
  NEXT(posix_fallocate);
  return fails(file, control->write_errno) ? errno : next(file, from, count);
}

#define PATH_CALL(name, parameters, arguments) \
  int name parameters { \
    NEXT(name); \
    return fails_at(path, control->write_errno) ? -1 : next arguments; \
  }

PATH_CALL(mkdir, (const char *path, mode_t mode), (path, mode))
PATH_CALL(rename, (const char *path, const char *to), (path, to))
PATH_CALL(link, (const char *path, const char *to), (path, to))

// A disk that is full lets files be deleted; one that is read-only does not.
int unlink(const char *path) {
  NEXT(unlink);
  return fails_at(path, control->write_errno == EROFS ? EROFS : 0) ? -1 : next(path);
}

#define OPEN_CALL(name) \
  int name(const char *path, int flags, ...) { \
    NEXT(name); \
    va_list rest; \
    va_start(rest, flags); \
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
    va_end(rest); \
    int64_t error = control->write_errno; \
    int changes = error == EROFS ? flags & (O_WRONLY | O_RDWR | O_CREAT) : flags & O_CREAT; \
    if (changes && error == ENOSPC && !access(path, F_OK)) changes = 0; \
    return changes && fails_at(path, error) ? -1 : next(path, flags, mode); \
  }

OPEN_CALL(open)
OPEN_CALL(open64)

int clock_gettime(clockid_t clock, struct timespec *time) {
  NEXT(clock_gettime);
  int result = next(clock, time);
  if (result || clock != CLOCK_REALTIME || !control->clock_nanoseconds) return result;
  int64_t sum = time->tv_sec * INT64_C(1000000000) + time->tv_nsec + control->clock_nanoseconds;
  time->tv_sec = sum / 1000000000;
  time->tv_nsec = sum % 1000000000;
  return 0;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
  (void)zone;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  time->tv_sec = now.tv_sec;
  time->tv_usec = now.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *to) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (to) *to = now.tv_sec;
  return now.tv_sec;
}
