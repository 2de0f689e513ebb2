// feed - the connection to /events.  Read with fetch, since an EventSource can send
// no token but in a URL.  It is made again for ever: soon at first, then each few
// seconds, and at once when the browser says that the network is back.

const SILENCE = 5000;           // a tick comes each second
const PAUSES = [250, 500, 1000, 2000, 4000];

let token = sessionStorage.getItem('keywheel-token') ?? '';
const authorization = () => (token ? { Authorization: `Bearer ${token}` } : {});

function keepToken(text) {
  token = text;
  if (text)
    sessionStorage.setItem('keywheel-token', text);
  else
    sessionStorage.removeItem('keywheel-token');
}

// "event: tick\ndata: {...}".
function parseEvent(text) {
  const event = {};
  for (const row of text.split('\n')) {
    const at = row.indexOf(': ');
    if (at > 0)
      event[row.slice(0, at)] = row.slice(at + 2);
  }
  return { name: event.event, data: event.data && JSON.parse(event.data) };
}

// What an answer that is no stream says.
async function complaint(answer) {
  const body = await answer.json().catch(() => ({}));
  return body.error?.message ?? `HTTP ${answer.status}`;
}

// on: { event(name, data), lost(why), denied(why) }.  Returns { again }: to begin anew,
// with another token for instance.
function feed(on) {
  let controller;
  let timeout;
  let tries = 0;
  let heard = 0;

  async function read(answer) {
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';
    for (;;) {
      const { value, done } = await reader.read();
      if (done)
        return;
      heard = performance.now();
      const events = (rest + value).split('\n\n');
      rest = events.pop();
      for (const { name, data } of events.map(parseEvent)) {
        if (name === 'hello')
          tries = 0;
        on.event(name, data);
      }
    }
  }

  async function begin() {
    clearTimeout(timeout);
    controller?.abort();
    const mine = new AbortController();
    controller = mine;
    let why = '';
    heard = performance.now();
    try {
      const answer = await fetch('/events', { headers: authorization(), cache: 'no-store',
        signal: mine.signal });
      if (answer.status === 401) {
        on.denied(await complaint(answer));
        return;
      }
      if (answer.ok)
        await read(answer);
      else
        why = await complaint(answer);
    } catch {
      // The network's own reasons say nothing to people.
    }
    if (controller !== mine)
      return;                   // somebody began anew meanwhile
    on.lost(why);
    timeout = setTimeout(begin, PAUSES[Math.min(tries, PAUSES.length - 1)]);
    tries += 1;
  }

  setInterval(() => {
    if (performance.now() - heard > SILENCE)
      controller?.abort();
  }, 1000);
  addEventListener('online', begin);
  begin();
  return { again: begin };
}
