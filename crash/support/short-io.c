/*
 * Preloaded into a process: the STRATALOG_SHORT_AT-th call of the function STRATALOG_SHORT_CALL on a
 * file below STRATALOG_SHORT_UNDER really transfers half of what was asked, and says so, as the
 * kernel may do. strace cannot: a call it answers is not executed at all.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static int is_chosen(const char *call, int fd) {
  static int count = 0;
  const char *wanted = getenv("STRATALOG_SHORT_CALL");
  const char *under = getenv("STRATALOG_SHORT_UNDER");
  const char *at = getenv("STRATALOG_SHORT_AT");
  if (wanted == NULL || under == NULL || at == NULL || strcmp(wanted, call) != 0) return 0;
  char name[64], path[4096];
  snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(name, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  if (strncmp(path, under, strlen(under)) != 0) return 0;
  if (__sync_add_and_fetch(&count, 1) != atoi(at)) return 0;
  fprintf(stderr, "INJECTED a short %s of %s\n", call, path);
  return 1;
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t position) {
  static ssize_t (*real)(int, const void *, size_t, off64_t);
  if (real == NULL) *(void **)&real = dlsym(RTLD_NEXT, "pwrite64");
  if (count > 1 && is_chosen("pwrite64", fd)) count /= 2;
  return real(fd, bytes, count, position);
}

ssize_t pread64(int fd, void *bytes, size_t count, off64_t position) {
  static ssize_t (*real)(int, void *, size_t, off64_t);
  if (real == NULL) *(void **)&real = dlsym(RTLD_NEXT, "pread64");
  if (count > 1 && is_chosen("pread64", fd)) count /= 2;
  return real(fd, bytes, count, position);
}
