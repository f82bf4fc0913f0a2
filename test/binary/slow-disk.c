/* Preloaded before the C library: makes the disk slow or broken while a test wants it so.
   The file that SLOW_DISK names holds "delay MILLISECONDS" or "fail"; empty or gone: no fault.
   Where FLUSHED names a file, the name of each file and folder that is flushed is added to it. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static void note(int fd) {
  const char *notes = getenv("FLUSHED");
  char link[64], name[PATH_MAX];
  FILE *file = notes == NULL ? NULL : fopen(notes, "a");
  if (file == NULL) return;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, name, sizeof name);
  if (length > 0) fprintf(file, "%.*s\n", (int)length, name);
  fclose(file);
}

static int faulty(long call, int fd) {
  const char *name = getenv("SLOW_DISK");
  char word[16] = "";
  long delay_ms = 0;
  FILE *file = name == NULL ? NULL : fopen(name, "r");
  if (file != NULL) {
    if (fscanf(file, "%15s %ld", word, &delay_ms) < 1) word[0] = 0;
    fclose(file);
  }
  if (strcmp(word, "delay") == 0) usleep(delay_ms * 1000);
  if (strcmp(word, "fail") == 0) {
    errno = EIO;
    return -1;
  }
  note(fd);
  return (int)syscall(call, fd);
}

int fdatasync(int fd) { return faulty(SYS_fdatasync, fd); }
int fsync(int fd) { return faulty(SYS_fsync, fd); }
