/* documented - answers that providers document, by what they mean. */
#ifndef DOCUMENTED_H
#define DOCUMENTED_H

struct judge;

/* How many of this plugin's are judged otherwise; prints each. */
int documented_wrong (const struct judge *, const char *plugin);

#endif
