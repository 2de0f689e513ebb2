// notes - the last events, newest first, each once: of one that repeats itself the
// number grows.

const SHOWN = 50;
const notes = new Map();        // id: its <li>

const aboutProviders = ['failover', 'breaker'];

function sentence(note) {
  const key = note.key || 'every key';
  switch (note.type) {
    case 'switch': return `${note.key} → ${note.to}`;
    case 'exhausted': return `${key} is ${{ AUTH: 'refused', RATE_LIMIT: 'limited' }[note.verdict]
      ?? 'used up'}`;
    case 'revived': return `${key} serves again`;
    case 'reset': return note.key ? `${key} was reset`
      : `all keys${note.provider ? ` of ${note.provider}` : ''} were reset`;
    case 'failover': return `${note.provider} fails over to ${note.to}`;
    case 'breaker': return note.reason === 'open' ? `${note.provider} fails: its breaker is open`
      : note.reason === 'reset' ? `${note.provider} is asked again: its breaker was reset`
      : `${note.provider} answers again: its breaker is closed`;
    default: return note.text ?? '';
  }
}

function details(note, nowMs) {
  const all = [];
  if (note.type === 'switch' || note.type === 'exhausted')
    all.push(because(note));
  if (note.type === 'reset' && note.reason)
    all.push(`by ${note.reason}`);
  if (note.type === 'failover')
    all.push(troubles[note.reason] ?? spaced(note.reason ?? ''));
  if (note.type === 'breaker' && note.until)
    all.push(`next try at ${clock(note.until, nowMs)}`);
  if (note.model && note.model !== providers.get(note.provider)?.view.model)
    all.push(note.model);
  if (providers.size > 1 && note.provider && !aboutProviders.includes(note.type))
    all.push(note.provider);
  if (note.type === 'exhausted')
    all.push(note.until ? `back at ${clock(note.until, nowMs)}` : 'no reset is known');
  if (note.times > 1)
    all.push(`${count(note.times)} times`);
  if (note.last)
    all.push(`last at ${clock(note.last, nowMs)}`);
  return all.filter(Boolean).join(' · ');
}

// What somebody who only listens wants to know at once.
function aloud(note) {
  if (note.type === 'switch')
    return `Switched from ${note.key} to ${note.to}: ${because(note)}`;
  if (note.type === 'failover')
    return `${sentence(note)}: ${troubles[note.reason] ?? spaced(note.reason ?? '')}`;
  return ['exhausted', 'revived', 'reset', 'breaker'].includes(note.type) ? sentence(note) : '';
}

function showNote(note, nowMs) {
  const what = make('span', { class: 'what' }, sentence(note));
  const why = details(note, nowMs);
  const item = make('li', { 'data-type': note.type, 'data-id': note.id,
    ...(note.type === 'breaker' && { 'data-state': note.reason }) },
    make('time', { datetime: new Date(note.at).toISOString() }, clock(note.at, nowMs)),
    make('div', {}, what, ...(why ? [make('span', { class: 'why' }, why)] : [])));
  const old = notes.get(note.id);
  notes.set(note.id, item);
  if (old)
    old.replaceWith(item);
  else
    byId('notes').prepend(item);
  for (const [id, element] of notes) {
    if (notes.size <= SHOWN)
      break;
    element.remove();
    notes.delete(id);
  }
  byId('no-notes').hidden = true;
  return !old;
}

function showNotes(all, nowMs) {
  notes.clear();
  byId('notes').replaceChildren();
  byId('no-notes').hidden = all.length > 0;
  all.slice(-SHOWN).forEach((note) => showNote(note, nowMs));
}
