/* Preloaded before the C library: makes each flush of a file slower by FLUSH_DELAY_US microseconds
   and counts it in the file FLUSH_COUNT_FILE, eight bytes that every process with this library
   shares, so that the many processes of PostgreSQL have one count and it can be read at any time. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static _Atomic uint64_t unread;
static _Atomic uint64_t *count = &unread;
static long delay_us;

__attribute__((constructor)) static void prepare(void) {
  const char *delay = getenv("FLUSH_DELAY_US");
  const char *name = getenv("FLUSH_COUNT_FILE");
  int fd = name == NULL ? -1 : open(name, O_RDWR | O_CLOEXEC);
  delay_us = delay == NULL ? 0 : atol(delay);
  if (fd < 0) return;
  void *shared = mmap(NULL, sizeof *count, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (shared != MAP_FAILED) count = shared;
  close(fd);
}

static int flush(long call, int fd) {
  int result = (int)syscall(call, fd);
  struct timespec delay = {delay_us / 1000000, delay_us % 1000000 * 1000};
  /* A signal must not make the disk faster. */
  while (delay_us > 0 && clock_nanosleep(CLOCK_MONOTONIC, 0, &delay, &delay) == EINTR) continue;
  atomic_fetch_add(count, 1);
  return result;
}

/* sync_file_range and msync are left alone: neither makes a commit durable. */
int fdatasync(int fd) { return flush(SYS_fdatasync, fd); }
int fsync(int fd) { return flush(SYS_fsync, fd); }
