/* check-translate - the extension KW_EXT_TRANSLATE, tried on answers and events.
 * See check-translate.c. */
#ifndef KWI_CHECK_TRANSLATE_H
#define KWI_CHECK_TRANSLATE_H

struct kwi_answer;
struct kwi_check;
struct kwi_check_instance;

/* The host's side of it, for get_extension. */
const void *kwi_check_translate_host (void);

/* If the plugin translates: its reply to a whole answer, or a stream of this
 * one event; and what came out of it. */
void kwi_check_translate (struct kwi_check *, struct kwi_check_instance *,
                          struct kwi_answer *);

#endif
