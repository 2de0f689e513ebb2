/* check-bounds - what keeps a plugin that runs wild from doing harm.
 *
 * Everything here is the kernel's to enforce, since the code that is bounded
 * shares the process.  Knows no plugin. */
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include "check-bounds.h"

#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif

#if defined(__has_feature)
#define HAS_FEATURE(f) __has_feature (f)
#else
#define HAS_FEATURE(f) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || HAS_FEATURE (address_sanitizer)
#define UNDER_ASAN
/* As <sanitizer/allocator_interface.h> has it, which not every compiler has. */
size_t __sanitizer_get_current_allocated_bytes (void);
#endif
#if defined(__SANITIZE_THREAD__) || HAS_FEATURE (thread_sanitizer)
#define UNDER_TSAN
#endif

/* What a plugin may print before it is ended. */
#define MAX_PRINTED ((rlim_t) 1 << 20)
/* The last resort, should the parent be stopped for ever. */
#define MAX_CPU_S 3600

/* What everything takes times as long under; 1: nothing slows it down. */
static int
slowness (void)
{
#if defined(UNDER_ASAN) || defined(UNDER_TSAN)
  return 5;
#else
#if defined(RUNNING_ON_VALGRIND)
  if (RUNNING_ON_VALGRIND)
    return 50;
#endif
  return 1;
#endif
}

int64_t
kwi_bounds_slowed (int64_t ms)
{
  return ms * slowness ();
}

/* The sanitizers and valgrind map terabytes, and die when they get none. */
int
kwi_bounds_memory (void)
{
  return slowness () == 1;
}

uint64_t
kwi_bounds_heap (void)
{
#if defined(UNDER_ASAN)
  return __sanitizer_get_current_allocated_bytes ();
#elif defined(__GLIBC__) && defined(__GLIBC_PREREQ)
#if __GLIBC_PREREQ(2, 33)
  struct mallinfo2 m = mallinfo2 ();
  return (uint64_t) m.uordblks + (uint64_t) m.hblkhd;
#else
  return 0;
#endif
#else
  return 0;
#endif
}

static void
lower (struct rlimit *l, rlim_t most)
{
  if (l->rlim_max == RLIM_INFINITY || most < l->rlim_max)
    l->rlim_max = most;
  l->rlim_cur = l->rlim_max;
}

/* A macro, since the type of a resource's name is the C library's secret. */
#define LIMIT(resource, most)                   \
  do {                                          \
    struct rlimit l_;                           \
    if (getrlimit (resource, &l_) == 0) {       \
      lower (&l_, most);                        \
      (void) setrlimit (resource, &l_);         \
    }                                           \
  } while (0)

/* Bytes of address space in use: the first number of statm, in pages. */
static uint64_t
address_space (void)
{
  FILE *f = fopen ("/proc/self/statm", "re");
  unsigned long pages = 0;

  if (f == NULL)
    return (uint64_t) 512 << 20;
  if (fscanf (f, "%lu", &pages) != 1)
    pages = 0;
  (void) fclose (f);
  return (uint64_t) pages * (uint64_t) sysconf (_SC_PAGESIZE);
}

static void
forget_signals (void)
{
  struct sigaction action = { .sa_handler = SIG_DFL };
  sigset_t none;

  sigemptyset (&action.sa_mask);
  for (int s = 1; s < NSIG; s++)
    (void) sigaction (s, &action, NULL);        /* fails for some; fine */
  sigemptyset (&none);
  (void) pthread_sigmask (SIG_SETMASK, &none, NULL);
}

static void
set_descriptors (const int printed[2])
{
  int null = open ("/dev/null", O_RDONLY);

  if (null >= 0) {
    (void) dup2 (null, 0);
    if (null > 2)
      (void) close (null);
  }
  for (int i = 0; i < 2; i++)
    if (printed[i] >= 0)
      (void) dup2 (printed[i], 1 + i);
}

void
kwi_bounds_child (int parent, const int printed[2], uint64_t memory)
{
  (void) prctl (PR_SET_PDEATHSIG, SIGKILL);
  if (getppid () != (pid_t) parent)
    _exit (EXIT_FAILURE);       /* it is gone already */
  forget_signals ();
  set_descriptors (printed);
  if (kwi_bounds_memory ())
    LIMIT (RLIMIT_AS, (rlim_t) (address_space () + memory));
  LIMIT (RLIMIT_FSIZE, MAX_PRINTED);
  LIMIT (RLIMIT_CPU, MAX_CPU_S);
  /* A core_pattern that is a pipe does not ask for RLIMIT_CORE. */
  LIMIT (RLIMIT_CORE, 0);
  (void) prctl (PR_SET_DUMPABLE, 0);
}

/* Processor time and not the clock's: on a busy machine a plugin that does
 * nothing wrong would be late. */
void
kwi_bounds_time (int64_t ms)
{
  struct itimerval t = {
    .it_value = { .tv_sec = (time_t) (ms / 1000),
                  .tv_usec = (suseconds_t) (ms % 1000 * 1000) }
  };
  (void) setitimer (ITIMER_PROF, &t, NULL);
}
