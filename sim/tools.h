/* tools - requests that want JSON for an answer: a call of one of their tools, or a
 * reply of a certain form.  A model would think of something; here it is any
 * instance of the schema that they give. */
#ifndef SIM_TOOLS_H
#define SIM_TOOLS_H

#include "chat.h"

/* Which tool is called, and which form is asked for. */
void sim_tools_read (struct sim_request *);

/* An instance of the schema, whose texts are all this one; malloced, NULL: no
 * memory. */
char *sim_instance (struct json_object *schema, const char *text);

/* How long the next word is, with the blanks before it; 0 at the end. */
size_t sim_word (const char *);

#endif
