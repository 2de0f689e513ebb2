/* make_seeds - writes the seeds of the fuzzers, a file each.
 * Usage: make_seeds FOLDER FILE.jsonl... */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "seeds.h"

static void
write_seed (void *user, const char *name, const char *data, size_t len)
{
  char path[4096];
  int n = snprintf (path, sizeof path, "%s/%s", (const char *) user, name);
  FILE *f = n > 0 && (size_t) n < sizeof path ? fopen (path, "w") : NULL;

  if (f == NULL || fwrite (data, 1, len, f) != len || fclose (f) != 0) {
    perror (path);
    exit (EXIT_FAILURE);
  }
}

int
main (int argc, char **argv)
{
  int total = 0;

  if (argc < 3) {
    fprintf (stderr, "usage: %s FOLDER FILE.jsonl...\n", argv[0]);
    return 2;
  }
  for (int i = 2; i < argc; i++) {
    int n = fuzz_seeds (argv[i], write_seed, argv[1]);
    if (n < 0)
      return EXIT_FAILURE;
    total += n;
  }
  printf ("%d seeds\n", total);
  return EXIT_SUCCESS;
}
