/*
 * Loaded in front of libc: writes down what a process does to files whose path holds DISK_WATCH, and what it prints, in one
 * order, into DISK_TRACE; and fails the operation that DISK_FAIL names (`sync9`: the ninth sync; `sync9+4`: every fourth
 * after that too) with DISK_ERRNO. Each sync takes DISK_SLOW_MS longer. Both only while there is a file DISK_WHILE, if given.
 * A record: kind, path length, data length (0 but of `w`, `a` and `r`), offset, path, data.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/syscall.h>
#include <unistd.h>

static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;
static int trace = -1;
static long syncs, writes;

static void to_trace(const void *bytes, size_t length) {
  const char *at = bytes;
  while (length > 0) {
    ssize_t written = syscall(SYS_write, trace, at, length);
    if (written < 0) abort();
    at += written;
    length -= written;
  }
}

static void record(char kind, const char *path, const void *data, size_t length, uint64_t offset) {
  if (trace < 0) {
    const char *name = getenv("DISK_TRACE");
    if (name == NULL) return;
    trace = syscall(SYS_openat, AT_FDCWD, name, O_CREAT | O_APPEND | O_WRONLY | O_CLOEXEC, 0600);
    if (trace < 0) abort();
  }
  uint32_t path_length = strlen(path), data_length = length;
  to_trace(&kind, 1);
  to_trace(&path_length, 4);
  to_trace(&data_length, 4);
  to_trace(&offset, 8);
  to_trace(path, path_length);
  to_trace(data, length);
}

static int watched(int file, char *path) {
  const char *watch = getenv("DISK_WATCH");
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t length = readlink(link, path, 4095);
  if (watch == NULL || length < 0) return 0;
  path[length] = 0;
  return strstr(path, watch) != NULL;
}

static int now(void) {
  const char *during = getenv("DISK_WHILE");
  return during == NULL || access(during, F_OK) == 0;
}

static int fails(char kind, const char *operation, long count, const char *path) {
  const char *fail = getenv("DISK_FAIL"), *name = getenv("DISK_ERRNO");
  size_t length = strlen(operation);
  if (fail == NULL || strncmp(fail, operation, length) != 0 || !now()) return 0;
  char *end;
  long first = strtol(fail + length, &end, 10), every = *end == '+' ? atol(end + 1) : 0;
  if (count != first && (every == 0 || count < first || (count - first) % every != 0)) return 0;
  record(kind, path, NULL, 0, 0);
  errno = name != NULL && strcmp(name, "ENOSPC") == 0 ? ENOSPC : EIO;
  return 1;
}

static int synced(int file, int number) {
  char path[4096];
  if (!watched(file, path)) return syscall(number, file);
  const char *slow = getenv("DISK_SLOW_MS");
  if (slow != NULL && now()) usleep(1000 * atol(slow));
  pthread_mutex_lock(&order);
  int result = fails('g', "sync", ++syncs, path) ? -1 : syscall(number, file);
  if (result == 0) record('s', path, NULL, 0, 0);
  int saved = errno;
  pthread_mutex_unlock(&order);
  errno = saved;
  return result;
}

int fsync(int file) { return synced(file, SYS_fsync); }
int fdatasync(int file) { return synced(file, SYS_fdatasync); }

ssize_t pwrite64(int file, const void *data, size_t length, off64_t offset) {
  char path[4096];
  if (!watched(file, path)) return syscall(SYS_pwrite64, file, data, length, offset);
  pthread_mutex_lock(&order);
  ssize_t result = fails('f', "write", ++writes, path) ? -1 : syscall(SYS_pwrite64, file, data, length, offset);
  if (result > 0) record('w', path, data, result, offset);
  int saved = errno;
  pthread_mutex_unlock(&order);
  errno = saved;
  return result;
}

ssize_t pwrite(int file, const void *data, size_t length, off_t offset) { return pwrite64(file, data, length, offset); }

int ftruncate64(int file, off64_t length) {
  char path[4096];
  if (!watched(file, path)) return syscall(SYS_ftruncate, file, length);
  pthread_mutex_lock(&order);
  int result = syscall(SYS_ftruncate, file, length);
  if (result == 0) record('t', path, NULL, 0, length);
  pthread_mutex_unlock(&order);
  return result;
}

int ftruncate(int file, off_t length) { return ftruncate64(file, length); }

/* From a path to one that stands in its place, as the data. */
int rename(const char *from, const char *to) {
  const char *watch = getenv("DISK_WATCH");
  if (watch == NULL || strstr(from, watch) == NULL) return syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
  pthread_mutex_lock(&order);
  int result = syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
  int saved = errno;
  if (result == 0) record('r', from, to, strlen(to), 0);
  pthread_mutex_unlock(&order);
  errno = saved;
  return result;
}

/* What goes to standard output is what the process has acknowledged. */
ssize_t write(int file, const void *data, size_t length) {
  char path[4096] = "";
  int printed = file == 1;
  if (!printed && !watched(file, path)) return syscall(SYS_write, file, data, length);
  pthread_mutex_lock(&order);
  ssize_t result = !printed && fails('f', "write", ++writes, path) ? -1 : syscall(SYS_write, file, data, length);
  int saved = errno;
  if (result > 0) record(printed ? 'a' : 'w', path, data, result, printed ? 0 : lseek(file, 0, SEEK_CUR) - result);
  pthread_mutex_unlock(&order);
  errno = saved;
  return result;
}
