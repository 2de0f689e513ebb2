/* seeds - answers to begin with: each line of the fixtures as inputs of the
 * fuzzers (input.h).  Made when they are needed, so that a new fixture is a new
 * seed. */
#ifndef FUZZ_SEEDS_H
#define FUZZ_SEEDS_H

#include <stddef.h>

typedef void fuzz_seed_fn (void *user, const char *name, const char *data, size_t len);

/* Those of one file of JSON lines; their number, or -1 with a line on stderr. */
int fuzz_seeds (const char *file, fuzz_seed_fn *seed, void *user);

#endif
