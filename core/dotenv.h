/* dotenv - the variables of an env_file: read for the lookup of keys, put into
 * no environment, and kept in guarded memory. */
#ifndef KWI_DOTENV_H
#define KWI_DOTENV_H

#include "mistakes.h"

struct kwi_dotenv;

/* Reads path; where ("keywheel.ini:3") says who names it.  A file that does
 * not exist is *ret = NULL and no mistake.  Any other trouble is reported by
 * file and line, and no value is shown.  0, also with mistakes (*ret then has
 * what could be read, or is NULL); -1: no memory. */
int kwi_dotenv_read (const char *path, const char *where,
                     struct kwi_mistakes *, struct kwi_dotenv **ret);
/* NULL: not in it; a NULL dotenv has nothing. */
const char *kwi_dotenv_get (const struct kwi_dotenv *, const char *name);
void kwi_dotenv_free (struct kwi_dotenv *);

#endif
