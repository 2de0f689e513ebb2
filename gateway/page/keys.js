// keys - the providers and their keys: the wheels, the tables, the countdowns.
// Rows stay where they are and are changed in place: whoever stands on a button
// stays there.

const providers = new Map();    // name: { view, keys: [key...], parts, rows }
let mayReset = false;
let onReset = () => {};         // (button, provider, key or undefined)

// Which of a key's limits stand in the way of the provider's own model.
const inTheWay = (key, view) => key.limits.filter(
  (limit) => !limit.model || !view.model || limit.model === view.model);

// When it serves again: a time, 0 if nobody knows, undefined if it does.
function backAt(key, view) {
  if (key.state === 'available')
    return undefined;
  const untils = inTheWay(key, view).map((limit) => limit.until ?? Infinity);
  const last = Math.max(0, ...untils);
  return last === Infinity ? 0 : last;
}

// ---- The wheel ----

function point(turn, radius) {
  const angle = 2 * Math.PI * turn - Math.PI / 2;
  return `${(32 + radius * Math.cos(angle)).toFixed(2)} ${(32 + radius * Math.sin(angle)).toFixed(2)}`;
}

function drawWheel({ view, keys, parts }) {
  const n = keys.length;
  const gap = n > 1 ? Math.min(0.018, 0.2 / n) : 0.0001;
  const arcs = keys.map((key, i) => {
    const from = i / n + gap;
    const to = (i + 1) / n - gap;
    return svg('path', { 'data-state': key.state,
      d: `M${point(from, 25)}A25 25 0 ${to - from > 0.5 ? 1 : 0} 1 ${point(to, 25)}` });
  });
  if (view.available > 0 && n > 1)
    arcs[view.current]?.setAttribute('class', 'next');
  parts.wheel.replaceChildren(...arcs,
    svg('text', { x: 32, y: 32.5 }, String(view.available)));
}

// ---- A row ----

const signs = {                 // a shape for each state, for those who see no colours
  available: 'M5 0a5 5 0 1 0 .01 0z', limited: 'M5 0a5 5 0 1 0 .01 0zM5 2v6a3 3 0 0 0 0-6z',
  exhausted: 'M5 0a5 5 0 1 0 .01 0zM5 2a3 3 0 1 1-.01 0z',
  invalid: 'M1.4 0L0 1.4 3.6 5 0 8.6 1.4 10 5 6.4 8.6 10 10 8.6 6.4 5 10 1.4 8.6 0 5 3.6z',
  probing: 'M5 0a5 5 0 0 1 5 5H8a3 3 0 0 0-3-3z',
};

function makeRow(provider, name) {
  const cell = (tag, attributes) => make(tag, { role: 'cell', ...attributes });
  const row = {
    name: make('b', {}, name), chip: make('span', { class: 'chip', hidden: '' }, 'next'),
    print: make('small'), state: make('span', { class: 'state' }),
    left: cell('td', { class: 'left' }), list: make('ul', { class: 'limits' }),
    more: make('details', {}, make('summary'), make('ul', { class: 'limits' })),
    nothing: make('span', { class: 'nothing' }, '–'), back: cell('td', { class: 'back' }),
    requests: cell('td', { class: 'number requests' }),
    tokens: cell('td', { class: 'number tokens' }),
    button: make('button', { type: 'button', 'aria-label': `Reset ${name}` }, 'Reset'),
    timers: [], levels: [], shown: '',
  };
  row.left.append(row.list, row.more, row.nothing);
  row.button.addEventListener('click', () => {
    if (row.button.getAttribute('aria-disabled') !== 'true')
      onReset(row.button, provider, name);
  });
  row.element = make('tr', { role: 'row' },
    make('th', { scope: 'row', role: 'rowheader', class: 'key' }, row.name, row.chip, row.print),
    make('td', { role: 'cell', class: 'is' }, row.state),
    row.left, row.back, row.requests, row.tokens,
    make('td', { role: 'cell', class: 'act' }, row.button));
  return row;
}

// A word with its shape.
const sign = (state, word) => [svg('svg', { viewBox: '0 0 10 10', 'aria-hidden': 'true',
  fill: 'currentColor', 'fill-rule': 'evenodd' }, svg('path', { d: signs[state] ?? '' })), word];

function timer(row, at) {
  const element = make('time', { datetime: new Date(at).toISOString() });
  row.timers.push({ element, at });
  return element;
}

// ---- What is left ----

// Of a bucket, at this moment; undefined if nobody knows.
function leftOf(b, nowMs) {
  if (b.full <= nowMs)
    return b.limit;
  return b.window ? Math.max(0, b.limit - Math.ceil((b.full - nowMs) * b.limit / b.window))
    : b.remaining;
}

// A bar that is as long as what is left; what is said of it stands beside it.
function gauge() {
  const bar = make('i');
  return { bar, element: make('span', { class: 'gauge', 'aria-hidden': 'true' }, bar) };
}

function setGauge({ element, bar }, left, limit) {
  const share = limit > 0 ? Math.min(left / limit, 1) : 0;
  const width = `${Math.round(1000 * share) / 10}%`;
  element.hidden = !(limit > 0 && left >= 0);
  if (bar.style.width !== width)
    bar.style.width = width;
  setAttribute(element, 'data-left', share > 0.25 ? 'much' : share > 0.1 ? 'some' : 'none');
}

function howMuch(left, limit, of) {
  if (!(limit > 0))
    return left === undefined ? '' : `${count(left)}${of} left`;
  return left === undefined ? `limit ${count(limit)}${of}`
    : `${count(left)} of ${count(limit)}${of} left`;
}

const fromOthers = (it, view) => [it.model && it.model !== view.model ? it.model : '',
  it.account ? 'whole account' : ''];

const isSame = (a, b) => a.dimension === b.dimension && (a.model ?? '') === (b.model ?? '');

// One that is in the way.  One whose time has come says nothing any more of what is left.
function limitItem(row, limit, bucket, view, alone, nowMs) {
  const what = limit.dimension ? spaced(limit.dimension) : verdicts[limit.verdict] ?? 'a limit';
  const item = make('li', {}, make('span', { class: 'what' }, what));
  const more = make('span', { class: 'more' });
  const { bar, element } = gauge();
  const show = (now) => {
    const over = limit.until <= now;
    const left = bucket ? leftOf(bucket, now)
      : limit.used === undefined ? undefined : Math.max(0, limit.limit - limit.used);
    setGauge({ bar, element }, over ? undefined : left, limit.limit);
    setText(more, [over ? 'over: the next request tries it' : howMuch(left, limit.limit, ''),
      ...fromOthers(limit, view)].filter(Boolean).join(' · '));
  };
  show(nowMs);
  row.levels.push(show);
  item.append(element, more);
  if (!alone && limit.until > nowMs)
    item.append(make('span', { class: 'more' }, 'back in ', timer(row, limit.until)));
  return item;
}

// One that is not.  What was seen long ago may be less by now.
function bucketItem(row, b, view, nowMs) {
  const what = make('span', { class: 'what' });
  const more = make('span', { class: 'more' });
  const { bar, element } = gauge();
  const show = (now) => {
    const left = leftOf(b, now);
    const all = b.limit > 0 && left === b.limit;
    setText(what, howMuch(left, b.limit, b.dimension ? ` ${each(b.dimension)}` : ''));
    setGauge({ bar, element }, left, b.limit);
    setText(more, [...fromOthers(b, view), !all && b.full > now
      ? `full in ${countdown(b.full - now)}` : '',
    !all && now - b.seen > 60000 ? `as of ${clock(b.seen, now)}` : '']
      .filter(Boolean).join(' · '));
    more.hidden = !more.textContent;
  };
  show(nowMs);
  row.levels.push(show);
  return make('li', { class: 'free' }, what, element, more);
}

function showLeft(row, key, view, back, nowMs) {
  const free = key.buckets.filter((b) => !key.limits.some((limit) => isSame(limit, b)));
  const own = free.filter((b) => !b.model || !view.model || b.model === view.model);
  const others = free.filter((b) => !own.includes(b));
  const alone = key.limits.length === 1 && back !== undefined;
  const models = new Set(others.map((b) => b.model)).size;
  row.levels = [];
  row.list.replaceChildren(
    ...key.limits.map((limit) => limitItem(row, limit, key.buckets.find((b) => isSame(limit, b)),
      view, alone, nowMs)),
    ...own.map((b) => bucketItem(row, b, view, nowMs)));
  row.list.hidden = !row.list.firstChild;
  row.more.hidden = others.length === 0;
  setText(row.more.firstChild, models === 1 ? others[0].model : `${models} other models`);
  row.more.lastChild.replaceChildren(...others.map((b) => bucketItem(row, b,
    models === 1 ? { model: b.model } : view, nowMs)));
  row.nothing.hidden = !row.list.hidden || !row.more.hidden;
}

function showBack(row, back, nowMs) {
  if (back === undefined)
    row.back.replaceChildren(make('span', { class: 'nothing' }, '–'));
  else if (back === 0)
    row.back.replaceChildren(make('span', { class: 'nothing' }, 'not known'));
  else
    row.back.replaceChildren(timer(row, back), make('small', {}, `at ${clock(back, nowMs)}`));
}

// What says the same as before is not touched.
function showRow(row, key, view, nowMs) {
  const idle = key.state === 'available' && key.limits.length === 0;
  const back = backAt(key, view);
  const shown = JSON.stringify([key.limits, key.buckets, key.state, back, view.model]);
  setAttribute(row.print, 'title', `fingerprint ${key.fingerprint}`);
  setText(row.print, [key.fingerprint.slice(0, 8), key.account].filter(Boolean).join(' · '));
  setText(row.requests, count(key.requests));
  setText(row.tokens, short(key.tokens));
  row.chip.hidden = !(view.current === key.index && view.available > 0 && view.total > 1);
  row.button.hidden = !mayReset;
  setAttribute(row.button, 'aria-disabled', String(idle));
  if (shown === row.shown)
    return;
  row.shown = shown;
  row.timers = [];
  row.element.classList.toggle('idle', idle);
  setAttribute(row.state, 'data-state', key.state);
  row.state.replaceChildren(...sign(key.state, states[key.state] ?? key.state));
  showLeft(row, key, view, back, nowMs);
  row.element.classList.toggle('bare', !row.nothing.hidden);
  showBack(row, back, nowMs);
}

// ---- A provider ----

const headings = [['Key', 'key'], ['State', 'is'], ['What is left', 'left'], ['Back in', 'back'],
  ['Requests', 'number'], ['Tokens', 'number']];

function makeProvider(name, i) {
  const parts = {
    wheel: svg('svg', { class: 'wheel', viewBox: '0 0 64 64', 'aria-hidden': 'true' }),
    about: make('p'), failover: make('p', { class: 'failover' }), timers: [], shown: '', body: make('tbody', { role: 'rowgroup' }),
    button: make('button', { type: 'button', 'aria-label': `Reset all keys of ${name}` },
      'Reset all'),
  };
  parts.button.addEventListener('click', () => onReset(parts.button, name));
  const heads = [...headings, [make('span', { class: 'sr' }, 'Reset'), 'act']].map(
    ([text, of]) => make('th', { scope: 'col', role: 'columnheader', class: of }, text));
  parts.element = make('section', { class: 'panel provider', 'aria-labelledby': `provider-${i}` },
    make('header', {}, parts.wheel,
      make('div', {}, make('h2', { id: `provider-${i}` }, name), parts.about, parts.failover),
      parts.button),
    make('table', { role: 'table' },
      make('caption', { class: 'sr' }, `The keys of ${name}, in their order`),
      make('thead', { role: 'rowgroup' }, make('tr', { role: 'row' }, ...heads)), parts.body));
  byId('providers').append(parts.element);
  return { view: {}, keys: [], rows: [], parts };
}

// Where its requests go when it cannot serve them, and whether it is asked at all.
function showFailover(parts, { breaker, fallback }) {
  const shown = JSON.stringify([breaker, fallback]);
  const as = { closed: 'available', open: 'invalid', half_open: 'probing' };
  const words = [];
  if (shown === parts.shown)
    return;
  parts.shown = shown;
  parts.timers = [];
  if (breaker) {
    words.push(make('span', { class: 'state', 'data-state': as[breaker.state] },
      ...sign(as[breaker.state], breakers[breaker.state] ?? breaker.state)));
    if (breaker.until)
      words.push(make('span', {}, 'next try in ', timer(parts, breaker.until)));
    else if (breaker.state === 'half_open')
      words.push(make('span', {}, 'one request tries it'));
    else if (breaker.failures)
      words.push(make('span', {}, `${plural(breaker.failures, 'failure')} in a row`));
  }
  if (fallback?.length)
    words.push(make('span', {}, `falls back to ${fallback.join(', then ')}`));
  parts.failover.replaceChildren(...words);
  parts.failover.hidden = words.length === 0;
}

function showProvider(p, nowMs) {
  const { view, keys, rows, parts } = p;
  const about = [view.plugin === view.name ? '' : view.plugin, view.model,
    `${view.available} of ${plural(view.total, 'key')} ready`,
    view.waiting ? `${plural(view.waiting, 'request')} waiting` : ''];
  setText(parts.about, about.filter(Boolean).join(' · '));
  parts.button.hidden = !mayReset;
  showFailover(parts, view);
  for (const key of keys) {
    if (!rows[key.index]) {
      rows[key.index] = makeRow(view.name, key.name);
      parts.body.append(rows[key.index].element);
    }
    showRow(rows[key.index], key, view, nowMs);
  }
  drawWheel(p);
}

// Whatever of them has changed, with its provider.
function showProviders(changes, nowMs) {
  for (const { keys, ...view } of changes) {
    if (!providers.has(view.name))
      providers.set(view.name, makeProvider(view.name, providers.size));
    const p = providers.get(view.name);
    p.view = view;
    for (const key of keys)
      p.keys[key.index] = key;
    showProvider(p, nowMs);
  }
}

// Those of another configuration go.
function forgetProviders(all) {
  const same = all.length === providers.size && all.every(({ name, keys }) => {
    const p = providers.get(name);
    return p && p.keys.length === keys.length
      && keys.every((key) => p.keys[key.index]?.name === key.name);
  });
  if (same)
    return;
  providers.clear();
  byId('providers').replaceChildren();
}

// ---- Once a second ----

function nextBack() {
  let next;
  for (const { view, keys } of providers.values())
    for (const key of keys) {
      const at = backAt(key, view);
      if (at !== undefined && (!next || (at || Infinity) < (next.at || Infinity)))
        next = { at, name: providers.size > 1 ? `${view.name}/${key.name}` : key.name };
    }
  return next;
}

function showLevels(nowMs) {
  for (const { rows } of providers.values())
    rows.forEach(({ levels }) => levels.forEach((show) => show(nowMs)));
}

function showTimes(nowMs) {
  const until = (at) => (at > nowMs ? countdown(at - nowMs) : 'any moment');
  for (const { rows, parts } of providers.values())
    for (const { timers } of [parts, ...rows])
      for (const { element, at } of timers)
        setText(element, until(at));
  const next = nextBack();
  setText(byId('next'), !next ? '–' : next.at ? until(next.at) : 'not known');
  setText(byId('next-below'), !next ? 'every key is ready'
    : next.at ? `${next.name} at ${clock(next.at, nowMs)}` : next.name);
}

function showReady() {
  const sum = (name) => [...providers.values()].reduce((n, { view }) => n + view[name], 0);
  const all = [...providers.values()].flatMap(({ keys }) => keys);
  const ready = sum('available');
  const parked = Object.entries(states).filter(([state]) => state !== 'available')
    .map(([state, word]) => [all.filter((key) => key.state === state).length, word])
    .filter(([n]) => n > 0).map(([n, word]) => `${n} ${word}`);
  byId('ready').replaceChildren(String(ready), make('small', {}, ` of ${sum('total')}`));
  setText(byId('ready-below'), parked.join(', ') || 'all of them');
  return `${ready}/${sum('total')}`;
}
