/* test_redis - the Redis store: the battery that every store passes. */
#include "rediskit.h"

static Suite *
suite (void)
{
  Suite *s = suite_create ("redis");

  storekit_add (s, &rediskit_backing);
  return s;
}

REDISKIT_MAIN (suite)
