#!/bin/sh
# keywheel-provider(3) and keywheel-store(3) document all that keywheel/provider.h and
# keywheel/store.h declare: each field and function of a struct is an item below the
# heading of that struct, and each macro, constant, type and inline function is named
# somewhere.
set -eu
src=${KW_SRCDIR:-.}

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# look HEADER PAGE NAME...: names that are there, or the header was not understood.
look ()
{
  header=$src/include/keywheel/$1
  page=$src/man/$2
  shift 2

  # "struct kw_call.attempt" for a member, "KW_OK" for all else.
  awk -v strings=1 -f "$src/tests/strip.awk" "$header" | awk '
    /^#define / {
      name = $2
      sub (/\(.*/, "", name)
      if (name ~ /^KW_/)
        print name
      next
    }
    /^#/ || /^ .*\\$/ { next }
    /^struct [a-z_]+ \{/ { struct = $2; members = ""; next }
    struct != "" && /^};/ { struct = ""; next }
    struct != "" {
      members = members " " $0
      while ((i = index (members, ";")) > 0) {
        one = substr (members, 1, i - 1)
        members = substr (members, i + 1)
        if (match (one, /\(\*[a-z_]+\)/))
          print "struct " struct "." substr (one, RSTART + 2, RLENGTH - 3)
        else {
          gsub (/\[[0-9]*\]/, "", one)
          n = split (one, part, ",")
          for (k = 1; k <= n; k++) {
            match (part[k], /[a-z_0-9]+ *$/)
            name = substr (part[k], RSTART)
            sub (/ *$/, "", name)
            print "struct " struct "." name
          }
        }
      }
      next
    }
    /^struct [a-z_]+;/ { name = $2; sub (/;.*/, "", name); print name; next }
    /^kw_[a-z]+ \(/ { print $1; next }
    {
      while (match ($0, /(KW_[A-Z_]+|kw_[a-z_]+_fn)/)) {
        print substr ($0, RSTART, RLENGTH)
        $0 = substr ($0, RSTART + RLENGTH)
      }
    }
  ' | sort -u > "$tmp/declared"

  n=$(wc -l < "$tmp/declared")
  for known; do
    grep -qxF "$known" "$tmp/declared" || {
      echo "the header was not understood: $known was not found in it"
      exit 1
    }
  done

  # What the page has: words of its items, with the heading above; all its words.
  awk '
    /^\.S[hs] / { heading = $2 " " $3 }
    /^\.\\"/ { next }
    {
      text = $0
      gsub (/[^A-Za-z0-9_]/, " ", text)
      n = split (text, word, " ")
      for (i = 1; i <= n; i++) {
        print word[i]
        if ($1 == ".It" && heading ~ /^struct /)
          print heading "." word[i]
      }
    }
  ' "$page" | sort -u > "$tmp/documented"

  comm -23 "$tmp/declared" "$tmp/documented" > "$tmp/missing"
  if [ -s "$tmp/missing" ]; then
    echo "$page does not document:"
    sed 's/^/  /' "$tmp/missing"
    exit 1
  fi
  echo "$n names of ${header##*/} are in ${page##*/}"
}

look provider.h keywheel-provider.3 "struct kw_provider.classify" \
  "struct kw_host.response_json" "struct kw_verdict.output_tokens" \
  "struct kw_bucket.dimension" "struct kw_provider_header._reserved" KW_NET_OTHER \
  KW_SCOPE_PROVIDER KW_HAS KW_HAVE_USAGE KW_EXT_TRANSLATE kw_error \
  kw_provider_entry_fn kw_translation
look store.h keywheel-store.3 "struct kw_store.sync" "struct kw_store_lease.floor" \
  "struct kw_store_error.text" "struct kw_store_sink.count" KW_STORE_AWAY \
  KW_STORE_LOG_DEBUG KW_REGISTER_STORE kw_store_entry_fn
