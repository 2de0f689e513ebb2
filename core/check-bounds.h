/* check-bounds - what keeps a plugin that runs wild from doing harm: limits on
 * a child's time, memory and output.  See check-bounds.c. */
#ifndef KWI_CHECK_BOUNDS_H
#define KWI_CHECK_BOUNDS_H

#include <stddef.h>
#include <stdint.h>

/* Makes this process, which was just forked, a child that ends with its parent,
 * handles no signal, leaves no core, has no input, writes to the two files, and
 * gets no more than memory bytes beyond what it has. */
void kwi_bounds_child (int parent, const int printed[2], uint64_t memory);

/* From now on this much processor time, then SIGPROF ends the process; 0: no
 * such bound any more. */
void kwi_bounds_time (int64_t ms);

/* ms as it is here: more under a tool that slows everything down. */
int64_t kwi_bounds_slowed (int64_t ms);
/* 1: this build and this run can bound memory. */
int kwi_bounds_memory (void);

/* Bytes that are taken from the heap; 0 where that is not known. */
uint64_t kwi_bounds_heap (void);

#endif
