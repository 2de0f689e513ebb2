// words - numbers, durations and names as people read them.  Pure.

const integer = new Intl.NumberFormat('en');

const count = (n) => integer.format(n);

// 98765 is "98.8k" where room is short.
function short(n) {
  for (const [size, unit] of [[1e9, 'G'], [1e6, 'M'], [1e4, 'k']])
    if (n >= size) {
      const shown = n / (unit === 'k' ? 1e3 : size);
      return (shown < 100 ? shown.toFixed(1).replace(/\.0$/, '') : shown.toFixed(0)) + unit;
    }
  return count(n);
}

const plural = (n, word) => `${count(n)} ${word}${n === 1 ? '' : 's'}`;

// Until something: "42 s", "7:12", "3:07:12", "2 d 4 h".  Rounded up: never early.
function countdown(ms) {
  const s = Math.max(0, Math.ceil(ms / 1000));
  const two = (n) => String(n).padStart(2, '0');
  if (s < 60)
    return `${s} s`;
  if (s < 3600)
    return `${Math.floor(s / 60)}:${two(s % 60)}`;
  if (s < 48 * 3600)
    return `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
  return `${Math.floor(s / 86400)} d ${Math.floor(s / 3600) % 24} h`;
}

// How long something took: "42 ms", "1.24 s".
const took = (ms) => (ms < 1 ? '< 1 ms' : ms < 1000 ? `${ms} ms` : `${(ms / 1000).toPrecision(3)} s`);

// Since the gateway began: "3 d 4 h".
function age(ms) {
  const m = Math.floor(ms / 60000);
  if (m < 60)
    return `${m} min`;
  return m < 48 * 60 ? `${Math.floor(m / 60)} h ${m % 60} min`
    : `${Math.floor(m / 1440)} d ${Math.floor(m / 60) % 24} h`;
}

// The time of day here, with the day if it is another one than today.
function clock(ms, nowMs) {
  const at = new Date(ms);
  const time = at.toLocaleTimeString('en-GB');
  if (at.toDateString() === new Date(nowMs).toDateString())
    return time;
  const day = at.toLocaleDateString('en-GB', { day: 'numeric', month: 'short' });
  return `${day}, ${time.slice(0, 5)}`;
}

// "tokens_per_day" is "tokens per day".
const spaced = (token) => token.replaceAll('_', ' ');

// "tokens_per_minute" is "tokens a minute".
const each = (token) => spaced(token).replace(/ per (\w)/,
  (_, letter) => ` ${letter === 'h' ? 'an' : 'a'} ${letter}`);

const states = {
  available: 'ready', limited: 'limited', exhausted: 'used up', invalid: 'refused',
  probing: 'being tried',
};
const verdicts = {
  DAILY_LIMIT: 'daily limit', RATE_LIMIT: 'rate limit', AUTH: 'the provider refuses the key',
  BILLING: 'no credit', TRANSIENT: 'provider trouble', REQUEST: 'bad request',
};

const breakers = { closed: 'breaker closed', open: 'breaker open',
  half_open: 'breaker half-open' };
// Why a provider was left: the codes of the gateway's errors.
const troubles = {
  keys_exhausted: 'every key is used up', too_many_switches: 'too many switches',
  rate_limited: 'rate limit', billing: 'no credit', provider_unavailable: 'it does not answer',
  provider_timeout: 'it takes too long', circuit_open: 'its breaker is open',
  provider_key_refused: 'it refuses its keys',
};

// Why a key was left or parked.
const because = (x) => (x.reason ? spaced(x.reason) : verdicts[x.verdict] ?? '');
