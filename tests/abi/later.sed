# Makes, of the provider.h of today, the one of a minor that is still to come: a
# field more at the end of each struct that grows.  tests/test_later_host is the
# core compiled with it.  ("added" stands where tests/abi/newer has it.)
s/^#define KW_PROVIDER_ABI_MINOR .*/#define KW_PROVIDER_ABI_MINOR 1/
/^struct kw_response {/,/^};/s/^};/  uint64_t added;\n};/
/^struct kw_verdict {/,/^};/s/^};/  int64_t added;\n};/
/^struct kw_bucket {/,/^};/s/^};/  int64_t added;\n};/
/^struct kw_call {/,/^};/s/^};/  uint64_t added;\n};/
/^struct kw_host {/,/^};/s/^};/  int (*added) (struct kw_instance *);\n};/
/^struct kw_provider {/,/^};/s/^};/  int (*added) (void *self);\n};/
/^struct kw_translate_host {/,/^};/s/^};/  int (*added) (struct kw_instance *);\n};/
/^struct kw_translate {/,/^};/s/^};/  int (*added) (void *self);\n};/
/^#if defined(__LP64__)/,/^#endif/d
