// main - what comes from the gateway goes to where it is shown.

let ahead = 0;                  // the gateway's clock is ahead of ours by this; ms
let began = 0;                  // when the gateway did, by its clock
let lostAt = 0;
let hello = {};
const now = () => Date.now() + ahead;

// Small differences are the network's, and would make the countdowns stutter.
function setClock(at) {
  if (Math.abs(at - now()) > 1500)
    ahead = at - Date.now();
}

function setLink(state, text) {
  setAttribute(byId('link'), 'data-state', state);
  setText(byId('link-text'), text);
  setAttribute(byId('view'), 'data-link', state);
}

function showAbout() {
  const { version, state, client } = hello;
  setText(byId('about'), [`keywheel ${version}`, `up ${age(now() - began)}`, `state: ${state}`,
    client && `you are ${client}`].filter(Boolean).join(' · '));
}

function showFigures({ seconds: more, p50, p99, requests, connections }, afresh) {
  addSeconds(more, afresh);
  const all = columns();
  const { failed } = drawRate(all);
  drawLatency(all, p50, p99);
  setText(byId('rate-below'), [`${count(requests)} under way`,
    failed && `${count(failed)} failed`].filter(Boolean).join(', '));
  setAttribute(byId('rate-below'), 'title', plural(connections, 'connection'));
}

const setTitle = (text) => { document.title = `${text} · keywheel`; };

const handlers = {
  hello(data) {
    hello = data;
    lostAt = 0;
    ahead = data.now - Date.now();
    began = data.now - data.uptime;
    mayReset = data.may_reset;
    byId('gate').hidden = true;
    byId('view').hidden = false;
    byId('trouble').hidden = true;
    byId('forget').hidden = !token;
    byId('status-link').hidden = byId('metrics-link').hidden = Boolean(token);
    setLink('live', 'Live');
    forgetProviders(data.providers);
    showProviders(data.providers, now());
    showNotes(data.notes, now());
    showFigures(data, true);
    showAbout();
  },
  keys: (data) => showProviders(data, now()),
  note(data) {
    if (showNote(data, now()) && aloud(data))
      say(aloud(data));
  },
  tick(data) {
    setClock(data.now);
    showFigures(data, false);
    showAbout();
  },
};

const connection = feed({
  event(name, data) {
    handlers[name]?.(data);
    setTitle(showReady());
    showTimes(now());
  },
  lost(why) {
    lostAt ||= now();
    setLink('lost', `Disconnected since ${clock(lostAt, now())}`);
    byId('trouble').hidden = !why;
    setText(byId('trouble'), why);
    setTitle('Disconnected');
  },
  denied(why) {
    setLink('wait', 'Not signed in');
    setText(byId('gate-error'), token ? `${why}.` : '');
    keepToken('');
    byId('view').hidden = true;
    byId('forget').hidden = true;
    byId('status-link').hidden = byId('metrics-link').hidden = true;
    byId('gate').hidden = false;
    byId('token').focus();
    setTitle('Not signed in');
  },
});

// A countdown changes when its second does, and what is left as it comes back.
function second() {
  if (!byId('view').hidden) {
    showTimes(now());
    showLevels(now());
  }
  setTimeout(second, 1000 - (now() % 1000));
}
second();

byId('gate').addEventListener('submit', (event) => {
  event.preventDefault();
  keepToken(byId('token').value.trim());
  byId('token').value = '';
  connection.again();
});

byId('forget').addEventListener('click', () => {
  keepToken('');
  connection.again();
});

// The button is busy until the answer is there; what changed comes by itself.
onReset = async (button, provider, key) => {
  const query = new URLSearchParams({ provider, ...(key && { key }) });
  let why = '';
  if (button.getAttribute('aria-busy') === 'true')
    return;
  button.setAttribute('aria-busy', 'true');
  try {
    const answer = await fetch(`/reset?${query}`, { method: 'POST', headers: authorization() });
    why = answer.ok ? '' : await complaint(answer);
  } catch {
    why = 'the gateway does not answer';
  }
  button.removeAttribute('aria-busy');
  byId('trouble').hidden = !why;
  setText(byId('trouble'), why && `${key ?? provider} was not reset: ${why}`);
};
