/* Moves the wall clock of one process: loaded into a member of MongoDB by LD_PRELOAD, it adds the
   nanoseconds that the file TORTURE_CLOCK says to what the process reads. libfaketime does the same,
   but makes an insert 25 times slower, since it asks a semaphore and a file at every look. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL
/* Deadlines by a monotonic clock count from the machine's start. */
#define IS_WALL_TIME(at) ((at)->tv_sec > 1000000000)

static const int64_t nothing;
static volatile const int64_t *ahead_ns = &nothing;
static int (*real_clock_gettime)(clockid_t, struct timespec *);
static int (*real_cond_timedwait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
static int (*real_sem_timedwait)(sem_t *, const struct timespec *);

static void *find(const char *name, const char *version) {
    void *found = dlvsym(RTLD_NEXT, name, version);
    return found ? found : dlsym(RTLD_NEXT, name);
}

__attribute__((constructor)) static void begin(void) {
    real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
    real_cond_timedwait = find("pthread_cond_timedwait", "GLIBC_2.3.2");
    real_sem_timedwait = dlsym(RTLD_NEXT, "sem_timedwait");
    const char *path = getenv("TORTURE_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *mapped = mmap(NULL, sizeof *ahead_ns, PROT_READ, MAP_SHARED, file, 0);
    if (mapped != MAP_FAILED) ahead_ns = mapped;
    close(file);
}

static struct timespec moved(struct timespec at, int64_t by_ns) {
    int64_t ns = at.tv_sec * SECOND + at.tv_nsec + by_ns;
    return (struct timespec){.tv_sec = ns / SECOND, .tv_nsec = ns % SECOND};
}

int clock_gettime(clockid_t clock, struct timespec *at) {
    /* Others may ask before this library begins. */
    if (!real_clock_gettime) begin();
    int failed = real_clock_gettime(clock, at);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        *at = moved(*at, *ahead_ns);
    return failed;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    (void)zone;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    *at = (struct timeval){.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
    return 0;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}

/* The process took these deadlines from the moved clock; the kernel keeps the real one. */

int pthread_cond_timedwait(pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict until) {
    if (!IS_WALL_TIME(until)) return real_cond_timedwait(cond, mutex, until);
    struct timespec really = moved(*until, -*ahead_ns);
    return real_cond_timedwait(cond, mutex, &really);
}

int sem_timedwait(sem_t *restrict sem, const struct timespec *restrict until) {
    if (!IS_WALL_TIME(until)) return real_sem_timedwait(sem, until);
    struct timespec really = moved(*until, -*ahead_ns);
    return real_sem_timedwait(sem, &really);
}
