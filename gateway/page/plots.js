// plots - the figures of the last five minutes: [requests, failed, p50, p99] of each
// second, p50 and p99 in ms, -1 where nothing was answered.

const SPAN = 300;
const STEP = 3;                 // seconds in one of the plots' columns
const COLUMNS = SPAN / STEP;

let seconds = [];
let total = 0;                  // that ever came; columns stay what they are as time goes

function addSeconds(more, afresh) {
  seconds = (afresh ? [] : seconds).concat(more).slice(-SPAN);
  total = (afresh ? 0 : total) + more.length;
}

// Oldest first; the last column may not be full yet.
function columns() {
  const all = Array.from({ length: COLUMNS + 1 }, () => ({ n: 0, requests: 0, failed: 0,
    p50: -1, p99: -1 }));
  const last = Math.floor((total - 1) / STEP);
  seconds.forEach(([requests, failed, p50, p99], i) => {
    const column = all[COLUMNS - last + Math.floor((total - seconds.length + i) / STEP)];
    if (!column)
      return;
    column.n += 1;
    column.requests += requests;
    column.failed += failed;
    column.p50 = Math.max(column.p50, p50);
    column.p99 = Math.max(column.p99, p99);
  });
  return all.slice(1);
}

// 1, 2 or 5 times a power of ten.
function roundUp(most) {
  const power = 10 ** Math.floor(Math.log10(most));
  return [1, 2, 5, 10].find((n) => n * power >= most) * power;
}

const y = (value, top) => (60 - (58 * value) / top).toFixed(1);

function drawPlot(where, top, label, ...shapes) {
  const place = byId(where);
  if (!place.firstChild)
    place.append(
      svg('svg', { viewBox: `0 0 ${COLUMNS} 60`, preserveAspectRatio: 'none',
        'aria-hidden': 'true' }),
      make('span', { class: 'top-label', 'aria-hidden': 'true' }),
      make('span', { class: 'from', 'aria-hidden': 'true' }, '5 min ago'),
      make('span', { class: 'to', 'aria-hidden': 'true' }, 'now'));
  const grid = [2, 31, 60].map((at) => svg('path', { class: 'grid', d: `M0 ${at}h${COLUMNS}` }));
  place.firstChild.replaceChildren(...grid, ...shapes);
  setText(place.querySelector('.top-label'), top);
  setAttribute(place, 'aria-label', label);
}

function drawRate(all) {
  const rates = all.map((c) => (c.n ? c.requests / c.n : 0));
  const bad = all.map((c) => (c.n ? c.failed / c.n : 0));
  const most = Math.max(...rates);
  const top = roundUp(Math.max(most, 1));
  const bars = (values) => values.map((value, i) => (value > 0
    ? `M${i + 0.12} 60V${y(value, top)}h.76V60z` : '')).join('');
  const lastTen = seconds.slice(-10);
  const sum = (of, i) => of.reduce((n, second) => n + second[i], 0);
  const rate = lastTen.length ? sum(lastTen, 0) / lastTen.length : 0;
  const failed = sum(seconds, 1);
  const shown = rate === 0 ? '0' : rate < 10 ? rate.toFixed(1) : count(Math.round(rate));
  drawPlot('rate-plot', `${count(top)}`,
    `Requests a second in the last 5 minutes: ${shown} now, ${Math.ceil(most)} at most, ${
      plural(sum(seconds, 0), 'request')}, of which ${count(failed)} failed`,
    svg('path', { class: 'bar', d: bars(rates) }), svg('path', { class: 'bar-bad', d: bars(bad) }));
  setText(byId('rate'), shown);
  return { failed };
}

// Where nothing was answered there is no line.
function line(values, top) {
  let last = -1;
  return values.map((value, i) => {
    const before = last;
    last = value;
    if (value < 0)
      return '';
    const at = `${i + 0.5} ${y(Math.min(value, top), top)}`;
    return before < 0 ? `M${at}h.01` : `L${at}`;
  }).join('');
}

function drawLatency(all, p50, p99) {
  const most = Math.max(...all.map((c) => c.p99));
  const top = roundUp(Math.max(most, 10));
  const words = p50 < 0 ? 'nothing was answered in the last minute'
    : `median ${took(p50)}, 99 of 100 within ${took(p99)} in the last minute`;
  drawPlot('latency-plot', took(top), `Time to first byte: ${words}`,
    svg('path', { class: 'line line-high', d: line(all.map((c) => c.p99), top) }),
    svg('path', { class: 'line', d: line(all.map((c) => c.p50), top) }));
  setText(byId('latency'), p50 < 0 ? '–' : took(p50));
  byId('latency-below').replaceChildren(...(p50 < 0 ? ['none this minute']
    : [make('span', {}, make('i', { class: 'main' }), 'median'),
      make('span', {}, make('i'), `p99 ${took(p99)}`)]));
}
