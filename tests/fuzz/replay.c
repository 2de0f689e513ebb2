/* replay - gives files to a fuzzer's entry without libFuzzer, for debuggers and
 * valgrind, and for compilers that have none.
 * Usage: replay_NAME [-t SECONDS] FILE|FOLDER... */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int LLVMFuzzerInitialize (int *argc, char ***argv);
int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static int64_t ends;            /* 0: when all is done                    */

static int64_t
seconds (void)
{
  struct timespec t;

  (void) clock_gettime (CLOCK_MONOTONIC, &t);
  return (int64_t) t.tv_sec;
}

static int
replay (const char *path)
{
  FILE *f = fopen (path, "r");
  char *data = NULL;
  size_t size = 0, got;

  if (ends != 0 && seconds () >= ends) {
    if (f != NULL)
      (void) fclose (f);
    return 0;
  }
  if (f == NULL) {
    perror (path);
    return 0;
  }
  do {
    char *more = realloc (data, size + 4096);
    if (more == NULL)
      abort ();
    data = more;
    got = fread (data + size, 1, 4096, f);
    size += got;
  } while (got > 0);
  (void) fclose (f);
  printf ("%s\n", path);
  (void) fflush (stdout);
  /* Exactly sized, for whoever watches. */
  char *exact = malloc (size > 0 ? size : 1);
  if (exact == NULL)
    abort ();
  memcpy (exact, data, size);
  free (data);
  (void) LLVMFuzzerTestOneInput ((const uint8_t *) exact, size);
  free (exact);
  return 1;
}

int
main (int argc, char **argv)
{
  struct dirent **names;
  char path[4096];
  int done = 0, first = 1;

  if (argc > 2 && strcmp (argv[1], "-t") == 0) {
    ends = seconds () + strtol (argv[2], NULL, 10);
    first = 3;
  }
  (void) LLVMFuzzerInitialize (&argc, &argv);
  for (int i = first; i < argc; i++) {
    int n = scandir (argv[i], &names, NULL, alphasort);
    if (n < 0) {
      done += replay (argv[i]);
      continue;
    }
    for (int k = 0; k < n; k++) {
      int len = snprintf (path, sizeof path, "%s/%s", argv[i], names[k]->d_name);
      if (names[k]->d_name[0] != '.' && len > 0 && (size_t) len < sizeof path)
        done += replay (path);
      free (names[k]);
    }
    free (names);
  }
  printf ("%d inputs\n", done);
  return done > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
