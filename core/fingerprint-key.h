/* fingerprint-key - the key of the fingerprints that a shared state is given, in
 * a file: without it whoever gets at the state cannot find out whether a key
 * that he guesses is one of those in it. */
#ifndef KWI_FINGERPRINT_KEY_H
#define KWI_FINGERPRINT_KEY_H

struct kw_error;

#define KWI_FINGERPRINT_KEY 32

/* 64 hexadecimal digits from a file; make: drawn at random and written, with its
 * folders, if it is not there; of several processes that do so at once all get
 * the same.  0, or KW_ERR_SETTINGS with the file and what is wrong. */
int kwi_fingerprint_key (const char *path, int make,
                         unsigned char ret[KWI_FINGERPRINT_KEY],
                         struct kw_error *err);

#endif
