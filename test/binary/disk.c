/* Preloaded before the C library: a disk that loses what was not flushed, is slow, breaks or fills.

   All is about the files below the folder DISK_OF, which must be a real path; without it, faults are
   of every file. Where FLUSHED names a
   file, the name of every file and folder that was flushed is added to it, wherever it is.

   Power cuts: where SHADOW_DIR names a folder, it keeps copies that hold exactly what was flushed.
   It starts as a copy of DISK_OF, made before the program; the program is killed whenever the power
   shall be cut, and SHADOW_DIR is what its disk then holds. Each change of a file is logged with
   its bytes. A flush that succeeds plays the log, as it was when the flush was called, into the
   copy before it returns: what is written while a flush runs is not covered by it. What a failed
   flush should have taken never comes to the disk, because a kernel may call those pages clean; and
   as Linux does since 4.13 (errseq_t), a flush through each other descriptor of the file, under way
   at that moment or the next one, fails as well, once.
   Two variables make another disk of it:
   SHADOW_KEEPS=PERCENT  so much of what is not flushed survives all the same, whole or torn at a
                         sector: a real disk and its kernel write when and in which order they like.
   SHADOW_SKIP_FLUSH=wal flushes of files that end with -wal do nothing and say that they did: the
                         program as it would be without its flush before an answer.

   Faults: the file that DISK_FAULT names holds one line, which is looked at anew in every call.
   Empty or gone: no fault.
   delay MS              every flush takes so much longer: whoever does not wait for it is nearly
                         always found out.
   fail                  every flush fails.
   full                  every write fails as on a full disk, overwriting included.
   nth N CALL END ERROR  the Nth CALL on a file whose name ends so, counted from when the line first
                         was seen, fails with EIO, ENOSPC or EMFILE; a write with ENOSPC has written
                         the half. CALL is open, write, ftruncate, fdatasync or fsync, END is "*" for
                         every file. As it fails, the file is renamed to one with .fired behind its
                         name, and tells there what was hit.

   A removed or renamed file is so on the shadow at once. That is the hard case: a removal that came
   late would only leave more to recover from, and a name that is not flushed yet brings no bytes.
   A new file is there as soon as it was flushed once, for SQLite flushes the folder as well. The
   -shm file holds nothing that must survive and is left out. Only one process may change the files:
   what another one wrote is flushed by this one too, but is not in its log.

   These are the calls by which bun, and the SQLite in it, change files through the C library
   (nm -D). node:fs flushes through it too, but writes by bare system calls: keys and configuration,
   which only commands write, and the zeros of a new WAL. What is not seen is missing in the copy, so
   it can only make a test fail, never pass; that nothing of the database is missing is a test of its
   own. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { SECTOR = 512 };

/* One change of a file that is not flushed yet. */
struct change {
  struct change *next;
  unsigned long number;
  enum { WRITTEN, CUT, GROWN } kind;
  off_t offset; /* Where bytes were written, or the size that the file has then. */
  size_t length;
  char bytes[];
};

/* A file that is followed; it stays in the list, so that a flush may hold on to it. */
struct file {
  struct file *next;
  dev_t device;
  ino_t inode;
  int gone;
  unsigned failures; /* Flushes of it that failed. */
  char copy[PATH_MAX];
  struct change *first;
  struct change *last;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct file *files;
static unsigned long changes;
enum { DESCRIPTORS = 65536 };
/* How many failed flushes of its file each descriptor was told of. */
static unsigned told[DESCRIPTORS];
static const char *of;
static const char *copies;
static const char *faults;
static const char *notes;
static unsigned keeps;
static int skips_wal;
static unsigned dice = 1;

static void die(const char *what, const char *name) {
  fprintf(stderr, "disk: %s %s: %s\n", what, name, strerror(errno));
  abort();
}

__attribute__((constructor)) static void start(void) {
  const char *percent = getenv("SHADOW_KEEPS");
  const char *skip = getenv("SHADOW_SKIP_FLUSH");
  copies = getenv("SHADOW_DIR");
  keeps = percent == NULL ? 0 : (unsigned)atoi(percent);
  skips_wal = skip != NULL && strcmp(skip, "wal") == 0;
  faults = getenv("DISK_FAULT");
  notes = getenv("FLUSHED");
  of = getenv("DISK_OF");
}

static int ends_with(const char *text, const char *end) {
  size_t length = strlen(text), tail = strlen(end);
  return length >= tail && strcmp(text + length - tail, end) == 0;
}

/* True for what is below the folder that all of this is about. */
static int is_ours(const char *name) {
  size_t length = of == NULL ? 0 : strlen(of);
  return of == NULL || (strncmp(name, of, length) == 0 && name[length] == '/');
}

/* Gives the name of a followed file's copy; 0 for a file that is not followed. */
static int copy_of(const char *name, char copy[PATH_MAX]) {
  if (copies == NULL || of == NULL || !is_ours(name) || ends_with(name, "-shm")) return 0;
  if (snprintf(copy, PATH_MAX, "%s%s", copies, name + strlen(of)) >= PATH_MAX) {
    die("too long:", name);
  }
  return 1;
}

static int name_of(int fd, char name[PATH_MAX]) {
  char link[64];
  ssize_t length;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  length = readlink(link, name, PATH_MAX - 1);
  if (length == -1) return 0;
  name[length] = 0;
  return 1;
}

/* ---- The faults. ---- */

enum { LINE = 96 };

/* Gives the line that holds now; 0 where there is none. */
static int fault_line(char line[LINE]) {
  FILE *file = faults == NULL ? NULL : fopen(faults, "re");
  int read;
  if (file == NULL) return 0;
  read = fgets(line, LINE, file) != NULL;
  fclose(file);
  return read;
}

/* Says what was hit, under the name that tells that it happened. */
static void fired(const char *call, const char *name) {
  char to[PATH_MAX];
  FILE *file = fopen(faults, "we");
  if (file == NULL) die("cannot write", faults);
  fprintf(file, "%s %s\n", call, of == NULL ? name : name + strlen(of) + 1);
  fclose(file);
  snprintf(to, sizeof to, "%s.fired", faults);
  syscall(SYS_renameat2, AT_FDCWD, faults, AT_FDCWD, to, 0);
}

static int number_of(const char *error) {
  if (strcmp(error, "ENOSPC") == 0) return ENOSPC;
  return strcmp(error, "EMFILE") == 0 ? EMFILE : EIO;
}

/* Counts one call, and gives the error with which it shall fail, or 0. */
static int nth_fault(const char *line, const char *call, const char *name) {
  static pthread_mutex_t counting = PTHREAD_MUTEX_INITIALIZER;
  static char counted[LINE];
  static unsigned seen;
  char wanted[16], end[16], error[16];
  unsigned nth;
  int result = 0;
  if (sscanf(line, "nth %u %15s %15s %15s", &nth, wanted, end, error) != 4) return 0;
  if (strcmp(call, wanted) != 0) return 0;
  if (strcmp(end, "*") != 0 && !ends_with(name, end)) return 0;
  pthread_mutex_lock(&counting);
  if (strcmp(counted, line) != 0) seen = 0;
  strcpy(counted, line);
  if (++seen == nth) {
    result = number_of(error);
    fired(call, name);
  }
  pthread_mutex_unlock(&counting);
  return result;
}

/* The error with which a call on a file shall fail, or 0; a flush may be kept waiting here. */
static int fault_on(const char *call, const char *name) {
  char line[LINE];
  int is_flush = strcmp(call, "fsync") == 0 || strcmp(call, "fdatasync") == 0;
  long ms;
  if (!is_ours(name) || !fault_line(line)) return 0;
  if (is_flush && sscanf(line, "delay %ld", &ms) == 1) usleep(ms * 1000);
  if (is_flush && strncmp(line, "fail", 4) == 0) return EIO;
  if (strcmp(call, "write") == 0 && strncmp(line, "full", 4) == 0) return ENOSPC;
  return nth_fault(line, call, name);
}

static int fault(const char *call, int fd) {
  char name[PATH_MAX];
  int error = errno, result;
  if (faults == NULL || !name_of(fd, name)) return 0;
  result = fault_on(call, name);
  errno = error;
  return result;
}

static int failed(int error) {
  errno = error;
  return -1;
}

/* ---- The copy: everything from here to the calls runs under the lock, and calls the kernel
   directly, so that nothing comes back into this library. ---- */

static void play(const struct file *file, int copy, const struct change *change) {
  struct stat now;
  if (change->kind == WRITTEN) {
    long written =
        syscall(SYS_pwrite64, copy, change->bytes, change->length, change->offset);
    if (written != (long)change->length) die("cannot write", file->copy);
    return;
  }
  if (fstat(copy, &now) != 0) die("cannot stat", file->copy);
  if (change->kind == GROWN && now.st_size >= change->offset) return;
  if (syscall(SYS_ftruncate, copy, change->offset) != 0) die("cannot resize", file->copy);
}

static int open_copy(const struct file *file) {
  int copy = (int)syscall(SYS_openat, AT_FDCWD, file->copy, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (copy == -1) die("cannot open", file->copy);
  return copy;
}

/* Takes the changes up to a number out of the log; those that came to the disk go to the copy. */
static void settle(struct file *file, unsigned long upto, int flushed) {
  int copy = flushed && !file->gone ? open_copy(file) : -1;
  while (file->first != NULL && file->first->number <= upto) {
    struct change *change = file->first;
    if (copy != -1) play(file, copy, change);
    file->first = change->next;
    if (file->first == NULL) file->last = NULL;
    free(change);
  }
  if (copy != -1) close(copy);
}

/* Lets some changes survive without a flush. The log keeps them: played again they do no harm. */
static void keep_some(struct file *file, struct change *change) {
  size_t length = change->length;
  int copy;
  if ((unsigned)rand_r(&dice) % 100 >= keeps) return;
  if (change->kind == WRITTEN && rand_r(&dice) % 2 == 0) {
    off_t end = change->offset + (off_t)((size_t)rand_r(&dice) % length);
    end -= end % SECTOR;
    if (end <= change->offset) return;
    change->length = (size_t)(end - change->offset);
  }
  copy = open_copy(file);
  play(file, copy, change);
  close(copy);
  change->length = length;
}

static struct change *record(struct file *file, int kind, off_t offset, size_t length) {
  struct change *change = malloc(sizeof(struct change) + length);
  if (change == NULL) die("no memory for", file->copy);
  change->next = NULL;
  change->number = ++changes;
  change->kind = kind;
  change->offset = offset;
  change->length = length;
  if (file->last == NULL) file->first = change;
  else file->last->next = change;
  file->last = change;
  return change;
}

static void record_bytes(struct file *file, off_t offset, const void *bytes, size_t length) {
  struct change *change = record(file, WRITTEN, offset, length);
  memcpy(change->bytes, bytes, length);
  keep_some(file, change);
}

static void record_size(struct file *file, int kind, off_t size) {
  keep_some(file, record(file, kind, size, 0));
}

/* Finds the file behind a descriptor: SQLite writes by one and the program flushes by another. */
static struct file *find(int fd, const struct stat *is) {
  char name[PATH_MAX], copy[PATH_MAX];
  struct file *file;
  for (file = files; file != NULL; file = file->next) {
    if (!file->gone && file->inode == is->st_ino && file->device == is->st_dev) return file;
  }
  if (!name_of(fd, name) || !copy_of(name, copy)) return NULL;
  file = calloc(1, sizeof(struct file));
  if (file == NULL) die("no memory for", name);
  file->device = is->st_dev;
  file->inode = is->st_ino;
  strcpy(file->copy, copy);
  file->next = files;
  files = file;
  return file;
}

/* The file is no more; what is written to it from now on is nobody's, and its inode is free. */
static void forget(const char *copy) {
  struct file *file;
  for (file = files; file != NULL; file = file->next) {
    if (file->gone || strcmp(file->copy, copy) != 0) continue;
    settle(file, changes, 0);
    file->gone = 1;
  }
}

/* ---- The calls. ---- */

/* Takes the lock and gives the followed file of a descriptor; NULL, without it, for any other.
   The lock is held over a write, so that the log has the order that the file has. */
static struct file *enter(int fd) {
  struct stat is;
  struct file *file;
  int error = errno;
  if (copies == NULL || fstat(fd, &is) != 0 || !S_ISREG(is.st_mode) || is.st_nlink == 0) {
    errno = error;
    return NULL;
  }
  pthread_mutex_lock(&lock);
  file = find(fd, &is);
  if (file == NULL) pthread_mutex_unlock(&lock);
  errno = error;
  return file;
}

static void leave(int error) {
  pthread_mutex_unlock(&lock);
  errno = error;
}

static void note(int fd) {
  char name[PATH_MAX];
  FILE *file = notes == NULL || !name_of(fd, name) ? NULL : fopen(notes, "ae");
  if (file == NULL) return;
  fprintf(file, "%s\n", name);
  fclose(file);
}

static int flush(const char *name, long call, int fd) {
  struct file *file = enter(fd);
  unsigned long upto = changes;
  int skipped = 0, result, error;
  if (file != NULL) {
    skipped = skips_wal && ends_with(file->copy, "-wal");
    if (skipped) settle(file, upto, 0);
    leave(errno);
  }
  if (skipped) return 0;
  error = fault(name, fd);
  result = error == 0 ? (int)syscall(call, fd) : failed(error);
  error = errno;
  if (result == 0) note(fd);
  errno = error;
  if (file == NULL) return result;
  pthread_mutex_lock(&lock);
  if (result != 0) file->failures += 1;
  else if (fd < DESCRIPTORS && told[fd] < file->failures) {
    result = -1;
    error = EIO;
  }
  if (fd < DESCRIPTORS) told[fd] = file->failures;
  settle(file, upto, result == 0);
  leave(error);
  return result;
}

int fdatasync(int fd) { return flush("fdatasync", SYS_fdatasync, fd); }
int fsync(int fd) { return flush("fsync", SYS_fsync, fd); }

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
  int broken = fault("write", fd), error;
  size_t whole = broken == 0 ? length : broken == ENOSPC ? length / 2 : 0;
  struct file *file = enter(fd);
  ssize_t written = broken != 0 && whole == 0 ? 0 : syscall(SYS_pwrite64, fd, bytes, whole, offset);
  error = broken == 0 ? errno : broken;
  if (file != NULL && written > 0) record_bytes(file, offset, bytes, (size_t)written);
  if (file != NULL) leave(error);
  return broken == 0 ? written : failed(broken);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
  return pwrite64(fd, bytes, length, offset);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
  int broken = fault("write", fd), error, part;
  struct file *file;
  ssize_t written;
  if (broken != 0) return failed(broken);
  file = enter(fd);
  written = syscall(SYS_writev, fd, parts, count);
  error = errno;
  if (file == NULL) return written;
  if (written > 0) {
    /* The file's own position: behind what was written, where it is open for appending as well. */
    off_t offset = lseek(fd, 0, SEEK_CUR) - written;
    size_t left = (size_t)written;
    for (part = 0; left > 0 && part < count; part += 1) {
      size_t length = parts[part].iov_len < left ? parts[part].iov_len : left;
      if (length > 0) record_bytes(file, offset, parts[part].iov_base, length);
      offset += (off_t)length;
      left -= length;
    }
  }
  leave(error);
  return written;
}

ssize_t write(int fd, const void *bytes, size_t length) {
  struct iovec whole = {(void *)bytes, length};
  return writev(fd, &whole, 1);
}

int ftruncate64(int fd, off64_t size) {
  int broken = fault("ftruncate", fd), result, error;
  struct file *file;
  if (broken != 0) return failed(broken);
  file = enter(fd);
  result = (int)syscall(SYS_ftruncate, fd, size);
  error = errno;
  if (file == NULL) return result;
  if (result == 0) record_size(file, CUT, size);
  leave(error);
  return result;
}

int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

int fallocate(int fd, int mode, off_t offset, off_t length) {
  struct file *file = enter(fd);
  int result = (int)syscall(SYS_fallocate, fd, mode, offset, length);
  int error = errno;
  if (file == NULL) return result;
  if (result == 0 && mode == 0) record_size(file, GROWN, offset + length);
  /* Holes and moved ranges are not modelled, and must not pass unseen. */
  if (result == 0 && (mode & ~FALLOC_FL_KEEP_SIZE) != 0) die("fallocate is new here:", file->copy);
  leave(error);
  return result;
}

/* Names are followed where they are absolute, as SQLite's and the program's own are. */

int openat(int folder, const char *name, int flags, ...) {
  int mode = 0, broken;
  if ((flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE) {
    va_list rest;
    va_start(rest, flags);
    mode = va_arg(rest, int);
    va_end(rest);
  }
  broken = faults == NULL ? 0 : fault_on("open", name);
  if (broken != 0) return failed(broken);
  return (int)syscall(SYS_openat, folder, name, flags, mode);
}

int open(const char *name, int flags, ...) {
  int mode;
  va_list rest;
  va_start(rest, flags);
  mode = va_arg(rest, int);
  va_end(rest);
  return openat(AT_FDCWD, name, flags, mode);
}

int open64(const char *name, int flags, ...) {
  int mode;
  va_list rest;
  va_start(rest, flags);
  mode = va_arg(rest, int);
  va_end(rest);
  return openat(AT_FDCWD, name, flags | O_LARGEFILE, mode);
}

int unlinkat(int folder, const char *name, int flags) {
  char copy[PATH_MAX];
  int result = (int)syscall(SYS_unlinkat, folder, name, flags);
  int error = errno;
  if (result == 0 && copy_of(name, copy)) {
    pthread_mutex_lock(&lock);
    forget(copy);
    syscall(SYS_unlinkat, AT_FDCWD, copy, flags);
    leave(error);
  }
  return result;
}

int unlink(const char *name) { return unlinkat(AT_FDCWD, name, 0); }

int renameat(int from_folder, const char *from, int to_folder, const char *to) {
  char copy[PATH_MAX];
  struct file *file;
  int result = (int)syscall(SYS_renameat2, from_folder, from, to_folder, to, 0);
  int error = errno;
  if (result != 0) return result;
  /* The new name has what was flushed under the old one, and the rest with the next flush. */
  pthread_mutex_lock(&lock);
  if (copy_of(to, copy)) {
    char from_copy[PATH_MAX];
    forget(copy);
    syscall(SYS_unlinkat, AT_FDCWD, copy, 0);
    if (copy_of(from, from_copy)) {
      syscall(SYS_renameat2, AT_FDCWD, from_copy, AT_FDCWD, copy, 0);
      for (file = files; file != NULL; file = file->next) {
        if (!file->gone && strcmp(file->copy, from_copy) == 0) strcpy(file->copy, copy);
      }
    }
  } else if (copy_of(from, copy)) {
    forget(copy);
    syscall(SYS_unlinkat, AT_FDCWD, copy, 0);
  }
  leave(error);
  return result;
}

int rename(const char *from, const char *to) {
  return renameat(AT_FDCWD, from, AT_FDCWD, to);
}
