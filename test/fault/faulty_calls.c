/* Loaded into a node with LD_PRELOAD: makes syncs fail or take long, and shifts the wall clock. The test and the node share one
 * page, the file that MILLRACE_FAULTY_CALLS names, in which the test turns the faults on while the node runs (faulty_calls.py).
 *
 * A sync that fails also drops what was written since the last good one, as a kernel may: the file is cut to the size it had then.
 * A sync of the same descriptor after that, without closing it, is counted as `again`: it would be believed and must not be.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct control {
  volatile int64_t fail_in;      /* the n-th sync from now fails, once; 0: none */
  volatile int64_t delay_us;     /* of each sync */
  volatile int64_t clock_shift;  /* seconds */
  volatile int64_t syncs, failed, again;
};

enum { kDescriptorsMax = 65536 };
static struct control* control;
static int64_t synced_size[kDescriptorsMax]; /* size + 1 at the last good sync; 0: none yet */
static volatile char has_failed[kDescriptorsMax];

__attribute__((constructor)) static void open_control(void) {
  const char* path = getenv("MILLRACE_FAULTY_CALLS");
  int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
  if (fd < 0) return;
  void* page = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (page != MAP_FAILED) control = page;
}

static int faulty_sync(int fd, int (*real)(int)) {
  if (!control || fd < 0 || fd >= kDescriptorsMax) return real(fd);
  __atomic_add_fetch(&control->syncs, 1, __ATOMIC_SEQ_CST);
  if (has_failed[fd]) __atomic_add_fetch(&control->again, 1, __ATOMIC_SEQ_CST);
  for (int64_t waited = 0; waited < control->delay_us; waited += 10000) usleep(10000);
  if (control->fail_in > 0 && __atomic_sub_fetch(&control->fail_in, 1, __ATOMIC_SEQ_CST) == 0) {
    if (synced_size[fd] > 0 && ftruncate(fd, synced_size[fd] - 1) != 0) abort();
    has_failed[fd] = 1;
    __atomic_add_fetch(&control->failed, 1, __ATOMIC_SEQ_CST);
    errno = EIO;
    return -1;
  }
  int result = real(fd);
  struct stat status;
  if (result == 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) synced_size[fd] = status.st_size + 1;
  return result;
}

int fsync(int fd) {
  static int (*real)(int);
  if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
  return faulty_sync(fd, real);
}

int fdatasync(int fd) {
  static int (*real)(int);
  if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
  return faulty_sync(fd, real);
}

int close(int fd) {
  static int (*real)(int);
  if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "close");
  if (fd >= 0 && fd < kDescriptorsMax) {
    has_failed[fd] = 0;
    synced_size[fd] = 0;
  }
  return real(fd);
}

int clock_gettime(clockid_t clock, struct timespec* at) {
  static int (*real)(clockid_t, struct timespec*);
  if (!real) real = (int (*)(clockid_t, struct timespec*))dlsym(RTLD_NEXT, "clock_gettime");
  int result = real(clock, at);
  if (result == 0 && control && clock == CLOCK_REALTIME) at->tv_sec += control->clock_shift;
  return result;
}

int gettimeofday(struct timeval* restrict at, void* restrict zone) {
  static int (*real)(struct timeval*, void*);
  if (!real) real = (int (*)(struct timeval*, void*))dlsym(RTLD_NEXT, "gettimeofday");
  int result = real(at, zone);
  if (result == 0 && control) at->tv_sec += control->clock_shift;
  return result;
}

time_t time(time_t* at) {
  static time_t (*real)(time_t*);
  if (!real) real = (time_t(*)(time_t*))dlsym(RTLD_NEXT, "time");
  time_t now = real(NULL) + (control ? control->clock_shift : 0);
  if (at) *at = now;
  return now;
}
