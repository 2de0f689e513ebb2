/* The parts of the gateway's live view that need no gateway: the figures of the last
 * seconds, in virtual time, and the notes of what happened. */
#include "kwtest.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "notes.h"
#include "pulse.h"

/* ---- Figures ------------------------------------------------------------------- */

static struct gw_pulse pulse;

static void
fresh_pulse (void)
{
  pulse = (struct gw_pulse) { .n = 0 };
}

START_TEST (a_second_counts_what_ended_in_it)
{
  const struct gw_second *s;

  gw_pulse_turn (&pulse, 5000);
  gw_pulse_add (&pulse, 5000, 0, 7);
  gw_pulse_add (&pulse, 5999, 1, -1);
  ck_assert_ptr_null (gw_pulse_second (&pulse, 0));     /* it is not over */
  gw_pulse_add (&pulse, 6000, 0, 9);
  gw_pulse_turn (&pulse, 9000);
  ck_assert_uint_eq (pulse.n, 4);
  s = gw_pulse_second (&pulse, 0);
  ck_assert_uint_eq (s->requests, 2);
  ck_assert_uint_eq (s->failed, 1);
  ck_assert_int_eq (s->p50_ms, 7);
  s = gw_pulse_second (&pulse, 1);
  ck_assert_uint_eq (s->requests, 1);
  ck_assert_int_eq (s->p99_ms, 9);
  s = gw_pulse_second (&pulse, 2);
  ck_assert_uint_eq (s->requests, 0);
  ck_assert_int_eq (s->p50_ms, -1);
}
END_TEST

START_TEST (five_minutes_are_kept)
{
  gw_pulse_turn (&pulse, 1000);
  gw_pulse_add (&pulse, 1000, 0, 1);
  gw_pulse_turn (&pulse, 301000);
  ck_assert_uint_eq (gw_pulse_second (&pulse, 0)->requests, 1);
  gw_pulse_turn (&pulse, 302000);
  ck_assert_ptr_null (gw_pulse_second (&pulse, 0));
  ck_assert_ptr_nonnull (gw_pulse_second (&pulse, 300));
  ck_assert_ptr_null (gw_pulse_second (&pulse, 301));
}
END_TEST

START_TEST (a_long_sleep_is_no_long_work)
{
  gw_pulse_add (&pulse, 1000, 0, 1);
  gw_pulse_turn (&pulse, INT64_C (1000) * 1000 * 1000 * 1000);
  ck_assert_uint_eq (pulse.n, GW_PULSE_SECONDS);
  ck_assert_uint_eq (gw_pulse_second (&pulse, 0)->requests, 0);
  ck_assert_int_eq ((int) gw_pulse_latency (&pulse, 0.5), -1);
}
END_TEST

START_TEST (a_latency_is_known_within_an_eighth)
{
  for (int64_t ms = 0; ms < 1000000; ms = ms < 40 ? ms + 1 : ms * 17 / 16) {
    int64_t told;
    fresh_pulse ();
    gw_pulse_add (&pulse, 1000, 0, ms);
    told = gw_pulse_latency (&pulse, 0.5);
    ck_assert_msg (ms < 16 ? told == ms : told >= ms - ms / 8 && told <= ms + ms / 8,
                   "%lld ms became %lld", (long long) ms, (long long) told);
  }
  fresh_pulse ();
  gw_pulse_add (&pulse, 1000, 0, INT64_MAX);
  ck_assert_int_gt ((int) gw_pulse_latency (&pulse, 0.5), 1000000);
}
END_TEST

START_TEST (shares_are_of_the_last_minute)
{
  for (int i = 0; i < 100; i++)
    gw_pulse_add (&pulse, 1000 + i, 0, i < 98 ? 3 : 12);
  ck_assert_int_eq ((int) gw_pulse_latency (&pulse, 0.5), 3);
  ck_assert_int_eq ((int) gw_pulse_latency (&pulse, 0.98), 3);
  ck_assert_int_eq ((int) gw_pulse_latency (&pulse, 0.99), 12);
  gw_pulse_turn (&pulse, 60000);
  ck_assert_int_eq ((int) gw_pulse_latency (&pulse, 0.5), 3);
  gw_pulse_turn (&pulse, 62000);
  ck_assert_int_eq ((int) gw_pulse_latency (&pulse, 0.5), -1);
}
END_TEST

/* ---- Notes --------------------------------------------------------------------- */

static struct gw_notes *notes;
static struct gw_notes_reader reader;
static atomic_int called;

static void
on_fresh (void *user)
{
  (void) user;
  atomic_fetch_add (&called, 1);
}

static void
notes_begin (void)
{
  atomic_store (&called, 0);
  notes = gw_notes_new ();
  ck_assert_ptr_nonnull (notes);
  reader = (struct gw_notes_reader) { .on_fresh = on_fresh };
  gw_notes_read (notes, &reader);
}

static void
notes_end (void)
{
  gw_notes_free (notes);
}

static void
happens (int type, const char *key, const char *to, const char *reason, int64_t at_ms)
{
  const kw_event e = { .struct_size = sizeof e, .type = type, .level = 2, .at_ms = at_ms,
                       .provider = "p", .key = key, .to_key = to, .model = "m",
                       .account = "", .reason = reason, .message = "words" };

  gw_notes_event (notes, &e);
}

START_TEST (a_note_is_taken_once_and_kept)
{
  struct gw_note note, all[GW_NOTES_KEPT];

  ck_assert_int_eq (gw_notes_take (notes, &reader, &note), 0);
  happens (KW_EVENT_EXHAUSTED, "a", "", "tokens_per_day", 1);
  happens (KW_EVENT_SWITCH, "a", "b", "tokens_per_day", 2);
  ck_assert_int_eq (atomic_load (&called), 1);
  ck_assert_int_eq (gw_notes_take (notes, &reader, &note), 1);
  ck_assert_int_eq (note.type, KW_EVENT_EXHAUSTED);
  ck_assert_int_eq (gw_notes_take (notes, &reader, &note), 1);
  ck_assert_str_eq (note.key, "a");
  ck_assert_str_eq (note.to_key, "b");
  ck_assert_str_eq (note.reason, "tokens_per_day");
  ck_assert_uint_eq (note.id, 2);
  ck_assert_int_eq (gw_notes_take (notes, &reader, &note), 0);
  gw_notes_reset (notes, "p", NULL, "boss", 3);
  ck_assert_int_eq (atomic_load (&called), 2);
  ck_assert_uint_eq (gw_notes_all (notes, all), 3);
  ck_assert_int_eq (all[2].type, GW_NOTE_RESET);
  ck_assert_str_eq (all[2].key, "");
}
END_TEST

START_TEST (what_is_of_no_interest_is_not_noted)
{
  static const int types[] = { KW_EVENT_ATTEMPT, KW_EVENT_VERDICT, KW_EVENT_WAIT,
                               KW_EVENT_LOG };
  struct gw_note note;

  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
    happens (types[i], "a", "", "", 1);
  ck_assert_int_eq (gw_notes_take (notes, &reader, &note), 0);
}
END_TEST

START_TEST (a_hundred_requests_that_switch_are_one_note)
{
  struct gw_note all[GW_NOTES_KEPT];

  happens (KW_EVENT_EXHAUSTED, "a", "", "tpd", 1000);
  for (int i = 0; i < 100; i++) {
    happens (KW_EVENT_SWITCH, "a", "b", "tpd", 1000 + i);
    happens (KW_EVENT_SWITCH, "c", "d", "tpd", 1000 + i);
  }
  ck_assert_uint_eq (gw_notes_all (notes, all), 3);
  ck_assert_uint_eq (all[1].times, 100);
  ck_assert_uint_eq (all[2].times, 100);
  /* Another time, another reason, or when it had come back: another note. */
  happens (KW_EVENT_SWITCH, "c", "d", "tpd", 12000);
  happens (KW_EVENT_SWITCH, "c", "d", "rpd", 12000);
  happens (KW_EVENT_REVIVED, "a", "", "", 12000);
  happens (KW_EVENT_SWITCH, "a", "b", "rpd", 12001);
  happens (KW_EVENT_REVIVED, "a", "", "", 12002);
  happens (KW_EVENT_SWITCH, "a", "b", "rpd", 12003);
  ck_assert_uint_eq (gw_notes_all (notes, all), 9);
}
END_TEST

/* While requests fail over, of each a note would be all there is. */
START_TEST (failovers_are_one_note_a_second_at_most)
{
  struct gw_note note, all[GW_NOTES_KEPT];

  for (int i = 0; i < 49; i++) {
    gw_notes_failover (notes, "groq", "other", "keys_exhausted", 1000 + 9000 * i);
    gw_notes_failover (notes, "groq", "third", "keys_exhausted", 1000 + 9000 * i);
    happens (KW_EVENT_EXHAUSTED, "a", "", "tpd", 1000 + 9000 * i);
    if (i == 0)
      while (gw_notes_take (notes, &reader, &note))
        ck_assert_uint_eq (note.times, 1);
  }
  ck_assert_uint_eq (gw_notes_all (notes, all), 51);
  ck_assert_uint_eq (all[0].times, 49);
  ck_assert_int_eq (all[0].at_ms, 1000);
  ck_assert_int_eq (all[0].last_ms, 1000 + 9000 * 48);
  ck_assert_str_eq (all[1].to_key, "third");
  while (gw_notes_take (notes, &reader, &note))
    ck_assert_int_eq (note.type, KW_EVENT_EXHAUSTED);
  atomic_store (&called, 0);
  gw_notes_settle (notes);
  ck_assert_int_eq (atomic_load (&called), 1);
  for (int i = 0; i < 2; i++) {
    ck_assert_int_eq (gw_notes_take (notes, &reader, &note), 1);
    ck_assert_int_eq (note.type, GW_NOTE_FAILOVER);
    ck_assert_uint_eq (note.times, 49);
  }
  ck_assert_int_eq (gw_notes_take (notes, &reader, &note), 0);
  gw_notes_settle (notes);
  ck_assert_int_eq (atomic_load (&called), 1);
}
END_TEST

START_TEST (failovers_for_another_reason_or_at_another_time_are_another_note)
{
  struct gw_note all[GW_NOTES_KEPT];

  gw_notes_failover (notes, "groq", "other", "keys_exhausted", 1000);
  gw_notes_failover (notes, "groq", "other", "provider_timeout", 1001);
  gw_notes_failover (notes, "groq", "other", "keys_exhausted", 1002);   /* goes on */
  gw_notes_failover (notes, "groq", "other", "keys_exhausted", 12000);
  gw_notes_breaker (notes, "other", "open", 99000, 12001);      /* not its own */
  gw_notes_failover (notes, "groq", "other", "keys_exhausted", 12002);
  gw_notes_breaker (notes, "groq", "open", 99000, 12003);
  gw_notes_failover (notes, "groq", "other", "keys_exhausted", 12004);
  gw_notes_breaker (notes, "groq", "closed", 0, 12005);
  ck_assert_uint_eq (gw_notes_all (notes, all), 7);
  ck_assert_uint_eq (all[0].times, 2);
  ck_assert_uint_eq (all[2].times, 2);
  ck_assert_int_eq (all[4].type, GW_NOTE_BREAKER);
  ck_assert_str_eq (all[4].reason, "open");
  ck_assert_int_eq (all[4].until_ms, 99000);
  ck_assert_str_eq (all[6].reason, "closed");
}
END_TEST

START_TEST (the_oldest_give_way)
{
  struct gw_note note, all[GW_NOTES_KEPT];
  char key[16];
  size_t taken = 0;

  for (int i = 1; i <= 250; i++) {
    ck_assert_int_gt (snprintf (key, sizeof key, "k%d", i), 0);
    happens (KW_EVENT_EXHAUSTED, key, "", "", i);
  }
  ck_assert_uint_eq (gw_notes_all (notes, all), GW_NOTES_KEPT);
  ck_assert_str_eq (all[0].key, "k151");
  ck_assert_str_eq (all[GW_NOTES_KEPT - 1].key, "k250");
  while (gw_notes_take (notes, &reader, &note))
    taken++;
  ck_assert_uint_eq (taken, GW_NOTES_KEPT);
}
END_TEST

START_TEST (each_reader_is_told_by_itself)
{
  struct gw_notes_reader late = { .on_fresh = on_fresh };
  struct gw_note note;

  happens (KW_EVENT_REVIVED, "a", "", "", 1);
  gw_notes_read (notes, &late);
  ck_assert_int_eq (gw_notes_take (notes, &late, &note), 0);    /* before its time */
  happens (KW_EVENT_SWITCH, "b", "c", "r", 2);
  ck_assert_int_eq (atomic_load (&called), 2);          /* one knew already */
  ck_assert_int_eq (gw_notes_take (notes, &late, &note), 1);
  ck_assert_str_eq (note.key, "b");
  ck_assert_int_eq (gw_notes_take (notes, &late, &note), 0);
  ck_assert_int_eq (gw_notes_take (notes, &reader, &note), 1);
  ck_assert_str_eq (note.key, "a");
  happens (KW_EVENT_SWITCH, "b", "c", "r", 3);          /* once more, the same */
  ck_assert_int_eq (gw_notes_take (notes, &reader, &note), 1);
  ck_assert_uint_eq (note.times, 2);
  ck_assert_int_eq (gw_notes_take (notes, &reader, &note), 0);
  ck_assert_int_eq (gw_notes_take (notes, &late, &note), 1);
  ck_assert_uint_eq (note.times, 2);
}
END_TEST

START_TEST (a_long_text_is_cut)
{
  struct gw_note note;
  char name[600];

  memset (name, 'x', sizeof name - 1);
  name[sizeof name - 1] = '\0';
  happens (KW_EVENT_SWITCH, name, name, name, 1);
  ck_assert_int_eq (gw_notes_take (notes, &reader, &note), 1);
  ck_assert_uint_eq (strlen (note.key), sizeof note.key - 1);
  ck_assert_uint_eq (strlen (note.reason), sizeof note.reason - 1);
}
END_TEST

static void *
add_many (void *user)
{
  for (int i = 0; i < 5000; i++)
    happens (KW_EVENT_REVIVED, user, "", "", i);
  return NULL;
}

START_TEST (any_thread_may_add_while_the_loop_takes)
{
  pthread_t threads[2];
  struct gw_note note;
  uint64_t last = 0;
  char names[2][2] = { "a", "b" };

  for (int i = 0; i < 2; i++)
    ck_assert_int_eq (pthread_create (&threads[i], NULL, add_many, names[i]), 0);
  for (int i = 0; i < 1000; i++)
    if (gw_notes_take (notes, &reader, &note)) {
      ck_assert_uint_gt (note.id, last);
      last = note.id;
    }
  for (int i = 0; i < 2; i++)
    (void) pthread_join (threads[i], NULL);
  while (gw_notes_take (notes, &reader, &note))
    last = note.id;
  ck_assert_uint_eq (last, 10000);
}
END_TEST

static Suite *
gateway_units_suite (void)
{
  Suite *s = suite_create ("gateway_units");
  TCase *p = tcase_create ("pulse"), *n = tcase_create ("notes");

  tcase_add_checked_fixture (p, fresh_pulse, NULL);
  tcase_add_test (p, a_second_counts_what_ended_in_it);
  tcase_add_test (p, five_minutes_are_kept);
  tcase_add_test (p, a_long_sleep_is_no_long_work);
  tcase_add_test (p, a_latency_is_known_within_an_eighth);
  tcase_add_test (p, shares_are_of_the_last_minute);
  suite_add_tcase (s, p);
  tcase_add_checked_fixture (n, notes_begin, notes_end);
  tcase_add_test (n, a_note_is_taken_once_and_kept);
  tcase_add_test (n, what_is_of_no_interest_is_not_noted);
  tcase_add_test (n, a_hundred_requests_that_switch_are_one_note);
  tcase_add_test (n, failovers_are_one_note_a_second_at_most);
  tcase_add_test (n, failovers_for_another_reason_or_at_another_time_are_another_note);
  tcase_add_test (n, the_oldest_give_way);
  tcase_add_test (n, each_reader_is_told_by_itself);
  tcase_add_test (n, a_long_text_is_cut);
  tcase_add_test (n, any_thread_may_add_while_the_loop_takes);
  suite_add_tcase (s, n);
  return s;
}

KW_MAIN (gateway_units_suite)
