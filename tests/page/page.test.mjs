// The gateway's page, as people use it: they look, they listen, they press keys.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, test } from 'node:test';
import { SECRET, closeBrowser, live, look, picture, row, world } from './world.mjs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const TIMEOUT = { timeout: 300000 };
const KEYS = { primary: 'rpd=2', team: 'tpd=100', spare: '' };

after(closeBrowser);

// Waits until it says so, and fails with what it says instead.
async function says(locator, text) {
  try {
    await locator.filter({ hasText: text }).first().waitFor();
  } catch {
    assert.fail(`no ${text} in: ${await locator.allTextContents()}`);
  }
}

async function accessible(page, what) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => globalThis.axe.run(document, {
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
  assert.ok(found.passes.length > 15, `axe looked at ${found.passes.length} rules`);
  assert.deepEqual(found.violations.map(({ id, nodes }) => [id, nodes.map((n) => n.html)]), [],
    what);
}

test('what is known is shown, and what happens comes by itself', TIMEOUT, async (t) => {
  const gate = await world(t, { keys: KEYS });
  const page = await look(t, gate);
  await live(page);
  await page.evaluate(() => { globalThis.mark = 'not loaded again'; });

  await t.test('the keys are a table', async () => {
    const table = page.getByRole('table', { name: 'The keys of groq, in their order' });
    assert.deepEqual(await table.getByRole('columnheader').allTextContents(),
      ['Key', 'State', 'What is left', 'Back in', 'Requests', 'Tokens', 'Reset']);
    assert.equal(await table.getByRole('rowheader').count(), 3);
    await says(row(page, 'primary'), /next.*ready/);
    await says(page.locator('#ready'), '3 of 3');
    assert.match(await page.title(), /^3\/3 /);
    await says(page.locator('.notes'), 'Nothing has happened');
  });

  await t.test('a switch is seen, and heard once', async () => {
    assert.deepEqual([await gate.chat(), await gate.chat(), await gate.chat()],
      ['primary', 'primary', 'team']);
    await says(page.locator('#notes li'), /primary → team.*requests per day/);
    await says(page.locator('#notes li'), /primary is used up.*back at \d/);
    await says(row(page, 'primary'), /used up.*requests per day.*0 of 2 left/);
    await says(row(page, 'team'), /next.*ready/);
    await says(page.locator('#ready'), '2 of 3');
    await page.waitForFunction(() => /^2\/3 /.test(document.title));
    await says(page.getByRole('log').locator('p'),
      'Switched from primary to team: requests per day');
    await says(row(page, 'primary').locator('.requests'), /^2$/);
  });

  await t.test('the countdown runs, and is not read out', async () => {
    const time = row(page, 'primary').getByRole('cell').nth(2).locator('time');
    const left = async () => (await time.textContent()).split(':').reduce((s, n) => s * 60 + +n, 0);
    const before = await left();
    const heard = await page.getByRole('log').textContent();
    assert.ok(before > 3600 && before <= 86400, before);
    await page.waitForFunction(([element, text]) => element.textContent !== text,
      [await time.elementHandle(), await time.textContent()]);
    assert.ok(before - await left() >= 1 && before - await left() < 60);
    // In one look, between two ticks.
    const [next, its] = await time.evaluate(
      (e) => [document.getElementById('next').textContent, e.textContent]);
    assert.equal(next, its);
    assert.equal(await page.getByRole('log').textContent(), heard);
    assert.equal(await time.evaluate((e) => e.closest('[aria-live],[role=status],[role=log]')),
      null);
  });

  await t.test('the figures are drawn', async () => {
    const plot = page.getByRole('img', { name: /^Requests a second.* 3 requests, of which 0/ });
    await plot.waitFor();
    await page.waitForFunction(() => document.querySelector('.bar').getAttribute('d') !== '');
    await page.getByRole('img', { name: /^Time to first byte: median/ }).waitFor();
    await says(page.locator('#latency'), /^(\d|<).* m?s$/);
  });

  await t.test('a model by any name is a text', async () => {
    const model = '<b id=bad>&amp;';
    for (let i = 0; i < 14; i += 1)
      await gate.chat(model);
    await says(page.locator('#notes li'), `team → spare`);
    await says(page.locator('#notes li'), model);
    assert.equal(await page.locator('#bad').count(), 0);
  });

  await t.test('a key is reset by keyboard', async () => {
    const button = page.getByRole('button', { name: 'Reset primary' });
    await page.getByRole('heading', { name: 'keywheel' }).click();
    for (let i = 0; i < 30; i += 1) {
      await page.keyboard.press('Tab');
      if (await button.evaluate((e) => e === document.activeElement))
        break;
    }
    const outline = await button.evaluate((e) => getComputedStyle(e).outline);
    assert.match(outline, /2px/, 'the focus is not seen');
    await page.keyboard.press('Enter');
    await says(row(page, 'primary'), /next.*ready/);
    await says(page.getByRole('log').locator('p'), 'primary was reset');
    assert.ok(await button.evaluate((e) => e === document.activeElement), 'the focus is lost');
    assert.equal(await button.getAttribute('aria-disabled'), 'true');   // there is nothing left
    assert.equal(await gate.chat(), 'team');    // the simulator knows better
    await page.getByRole('button', { name: 'Reset all keys of groq' }).press('Enter');
    await says(page.locator('#notes li'), 'all keys of groq were reset');
  });

  await t.test('nothing of it is a secret, and none of it was loaded again', async () => {
    assert.equal(await page.evaluate(() => globalThis.mark), 'not loaded again');
    assert.ok(!(await page.content()).includes(SECRET));
    const answers = (await Promise.all(page.asked.map((request) => request.response())))
      .filter((answer) => answer && !answer.url().endsWith('/events'));
    assert.ok(answers.length >= 3);
    for (const answer of answers)
      assert.ok(!(await answer.text()).includes(SECRET), answer.url());
  });

  await t.test('a script that was slipped in does not run', async () => {
    page.expected = /Content Security Policy|TrustedHTML|TrustedScript/;
    const ran = await page.evaluate(() => {
      const script = document.createElement('script');
      try {
        script.textContent = 'globalThis.slipped = 1';
      } catch { /* not even its text is taken */ }
      document.body.append(script);
      try {
        document.body.insertAdjacentHTML('beforeend', '<i id=slipped></i>');
      } catch { /* nor any markup */ }
      return globalThis.slipped ?? document.getElementById('slipped');
    });
    assert.equal(ran, null);
  });
});

test('what is left is shown though nothing is used up', TIMEOUT, async (t) => {
  const gate = await world(t, { keys: { primary: 'tpm=6000,rpd=100', spare: '' } });
  const page = await look(t, gate);
  await live(page);
  const left = row(page, 'primary').getByRole('cell').nth(1);
  assert.equal(await left.innerText(), '–');
  await gate.chat();
  await says(left.locator('li'), /^99 of 100 requests a day leftfull in \d+:\d\d$/);
  await says(left.locator('li'), /^[\d,]+ of 6,000 tokens a minute left/);
  assert.equal(await row(page, 'spare').getByRole('cell').nth(1).innerText(), '–');
  await says(row(page, 'primary'), /next.*ready/);

  await t.test('it comes back as time goes, and nobody is told of it', async () => {
    const item = left.locator('li').filter({ hasText: 'requests a day' });
    const before = await item.textContent();
    const heard = await page.getByRole('log').textContent();
    await page.waitForFunction(([element, text]) => element.textContent !== text,
      [await item.elementHandle(), before]);
    await says(left.locator('li'), /^6,000 of 6,000 tokens a minute left$/);
    assert.equal(await page.getByRole('log').textContent(), heard);
    const bar = item.locator('.gauge');
    assert.equal(await bar.getAttribute('data-left'), 'much');
    assert.equal(await bar.locator('i').evaluate((e) => e.style.width), '99%');
  });

  await t.test('other models are a step behind', async () => {
    const more = left.locator('details');
    assert.ok(await more.isHidden());
    await gate.chat('other');
    await says(more.locator('summary'), /^other$/);
    await more.locator('summary').press('Enter');
    await says(more.locator('li:visible'), /99 of 100 requests a day left/);
    await gate.chat('other');
    await says(more.locator('li:visible'), /98 of 100 requests a day left/);   // still open
    assert.ok(await more.locator('summary').evaluate((e) => e === document.activeElement));
    await gate.chat('<b id=bad>');
    await says(more.locator('summary'), /^2 other models$/);
    await says(more.locator('li:visible'), /<b id=bad>/);
    assert.equal(await page.locator('#bad').count(), 0);
  });
  await picture(page, 'left');
  await accessible(page, 'left');
  await page.setViewportSize({ width: 360, height: 780 });
  assert.ok(await page.evaluate(() => document.scrollingElement.scrollWidth) <= 360);
  assert.ok(await left.isVisible());
  await picture(page, 'left-phone');
  await accessible(page, 'left, on a phone');
});

test('a provider that fails is seen, and where its requests go', TIMEOUT, async (t) => {
  const gate = await world(t, { keys: { primary: 'tpm=6000,rpd=5', spare: '' },
    others: { second: 'tpm=100000' }, options: ['max_retries = 0', 'breaker_failures = 3',
      'breaker_open = 20s', 'breaker_open_max = 20s'] });
  const page = await look(t, gate);
  await live(page);
  const groq = page.getByRole('region', { name: 'groq' });
  const failover = groq.locator('.failover');
  await says(failover, /^breaker closedfalls back to other$/);
  assert.equal(await page.getByRole('region', { name: 'other' }).locator('.failover').innerText(),
    '');
  for (let i = 0; i < 6; i += 1)
    await gate.chat();
  await gate.fault('drop');
  assert.equal(await gate.chat(), 'second');
  await says(failover, /^breaker closed1 failure in a rowfalls back to other$/);
  await says(page.locator('#notes li'), /groq fails over to otherit does not answer$/);
  await says(page.getByRole('log').locator('p'), 'groq fails over to other: it does not answer');
  for (let i = 0; i < 4; i += 1)
    assert.equal(await gate.chat(), 'second');
  await says(failover, /^breaker opennext try in \d+ sfalls back to other$/);
  await says(page.locator('#notes li'), /groq fails: its breaker is opennext try at \d\d:/);
  await says(page.locator('#notes li'), /groq fails over to otherit does not answer · 2 times · last/);
  await says(page.locator('#notes li'), /groq fails over to otherits breaker is open · 2 times · last/);
  await says(page.getByRole('log').locator('p'), 'groq fails: its breaker is open');

  for (const colorScheme of ['light', 'dark'])
    await t.test(colorScheme, async () => {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width: 1360, height: 900 });
      await picture(page, `failover-${colorScheme}`);
      await accessible(page, colorScheme);
    });
  await t.test('on a phone', async () => {
    await page.setViewportSize({ width: 360, height: 780 });
    assert.ok(await page.evaluate(() => document.scrollingElement.scrollWidth) <= 360);
    await picture(page, 'failover-phone');
    await accessible(page, 'on a phone');
  });

  await t.test('the countdown runs, and it is tried again', async () => {
    const heard = await page.getByRole('log').textContent();
    await says(failover, /^breaker opennext try in any moment/);
    assert.equal(await page.getByRole('log').textContent(), heard);
    await gate.fault(null);
    assert.equal(await gate.chat(), 'spare');
    await says(failover, /^breaker closedfalls back to other$/);
    await says(page.locator('#notes li'), /groq answers again: its breaker is closed$/);
  });

  await t.test('its button closes the breaker', async () => {
    await gate.fault('drop');
    for (let i = 0; i < 3; i += 1)
      assert.equal(await gate.chat(), 'second');
    await says(failover, /^breaker open/);
    await gate.fault(null);
    await page.getByRole('button', { name: 'Reset all keys of groq' }).click();
    await says(failover, /^breaker closedfalls back to other$/);
    await says(page.locator('#notes li'), /groq is asked again: its breaker was reset$/);
    assert.equal(await gate.chat(), 'spare');
  });
});

test('it fits eyes and screens', TIMEOUT, async (t) => {
  const gate = await world(t, { keys: { ...KEYS, 'a-key-of-a-customer-with-a-long-name': '' } });
  for (let i = 0; i < 12; i += 1)
    await gate.chat();
  const grounds = {};
  for (const colorScheme of ['light', 'dark'])
    await t.test(colorScheme, async (s) => {
      const page = await look(s, gate, { colorScheme, viewport: { width: 1360, height: 900 } });
      await live(page);
      await says(row(page, 'primary'), 'used up');
      grounds[colorScheme] = await page.evaluate(
        () => getComputedStyle(document.documentElement).backgroundColor.match(/\d+/g).map(Number));
      await picture(page, colorScheme);
      for (const width of [1310, 1290, 1000, 910]) {
        await page.setViewportSize({ width, height: 900 });
        assert.ok(await page.evaluate(() => [...document.querySelectorAll('.key b')].every(
          (e) => e.getClientRects().length <= 3)), `names are broken at ${width}`);
      }
      await accessible(page, colorScheme);
    });
  assert.ok(grounds.light.every((n) => n > 200) && grounds.dark.every((n) => n < 60),
    JSON.stringify(grounds));

  for (const width of [360, 800])
    await t.test(`${width} pixels`, async (s) => {
      const page = await look(s, gate, { viewport: { width, height: 780 }, deviceScaleFactor: 2 });
      await live(page);
      await says(row(page, 'primary'), 'used up');
      assert.ok(await page.evaluate(() => document.scrollingElement.scrollWidth) <= width);
      // Nothing sticks out of what it is in, where it would be cut.
      assert.deepEqual(await page.evaluate(() => [...document.querySelectorAll(
        '.tile *, .panel *')].filter((e) => !e.closest('.sr, thead, svg')
          && e.getBoundingClientRect().right > innerWidth).map((e) => e.outerHTML)), []);
      assert.equal(await page.getByRole('table').getByRole('rowheader').count(), 4);
      assert.equal(await row(page, 'primary').getByRole('cell').count(), 6);
      await picture(page, width === 360 ? 'phone' : 'tablet');
      await accessible(page, `${width} pixels`);
    });

  await t.test('nothing moves for those who want it still', async (s) => {
    const page = await look(s, gate, { reducedMotion: 'reduce' });
    await live(page);
    assert.equal(await page.evaluate(() => document.getAnimations().length), 0);
    assert.deepEqual(await page.evaluate(() => [...document.querySelectorAll('*')].filter(
      (e) => getComputedStyle(e).transitionDuration !== '0s').map((e) => e.outerHTML)), []);
  });
});

test('it is found again after the gateway has been away', TIMEOUT, async (t) => {
  const gate = await world(t, { keys: { primary: 'rpd=1', spare: '' } });
  const page = await look(t, gate);
  page.expected = /ERR_CONNECTION_REFUSED/;
  await live(page);
  await page.evaluate(() => { globalThis.mark = 'not loaded again'; });
  await gate.chat();
  assert.equal(await gate.chat(), 'spare');
  await says(row(page, 'primary'), 'used up');
  await gate.goes();
  await says(page.getByRole('status'), /^Disconnected since \d\d:\d\d:\d\d$/);
  await page.waitForFunction(() => document.title.startsWith('Disconnected'));
  await says(row(page, 'primary'), 'used up');  // as it was last
  const time = row(page, 'primary').locator('.back time');
  await page.waitForFunction(([element, text]) => element.textContent !== text,
    [await time.elementHandle(), await time.textContent()]);
  await picture(page, 'away');
  await accessible(page, 'away');
  await gate.comes();
  await live(page);
  assert.equal(await gate.chat(), 'spare');     // the state's file has not forgotten
  await page.getByRole('button', { name: 'Reset primary' }).click();
  await says(page.locator('#notes li'), 'primary was reset');
  assert.equal(await page.locator('#notes li').count(), 1);
  assert.equal(await page.evaluate(() => globalThis.mark), 'not loaded again');
});

test('where tokens are wanted it asks for one', TIMEOUT, async (t) => {
  const gate = await world(t, { keys: { primary: 'rpd=1', spare: '' },
    tokens: { app: '', boss: 'admin' } });
  const page = await look(t, gate);
  page.expected = /401 \(Unauthorized\)/;
  const field = page.getByLabel('Token', { exact: true });
  const show = async (token) => {
    await field.fill(token);
    await field.press('Enter');
  };
  await field.waitFor();
  assert.match(await page.title(), /^Not signed in /);
  assert.ok(await field.evaluate((e) => e === document.activeElement));
  await picture(page, 'token');
  await accessible(page, 'token');
  await show('kwt_wrong');
  await says(page.getByRole('alert'), 'the gateway does not know this token');
  assert.equal(await field.inputValue(), '');

  await show(gate.tokens.app);
  await live(page);
  await says(page.locator('#about'), 'you are app');
  assert.equal(await page.getByRole('button', { name: /^Reset/ }).count(), 0);
  await page.getByRole('button', { name: 'Forget the token' }).click();
  await field.waitFor();
  assert.ok(await page.locator('#view').isHidden());

  await show(gate.tokens.boss);
  await live(page);
  await gate.chat('llama', gate.tokens.app);
  assert.equal(await gate.chat('llama', gate.tokens.app), 'spare');
  await says(row(page, 'primary'), 'used up');
  await page.getByRole('button', { name: 'Reset primary' }).click();
  await says(page.locator('#notes li'), /primary was reset.*by boss/);

  await page.reload();          // the tab has kept it
  await live(page);
  const kept = await page.evaluate(() => [document.cookie, localStorage.length,
    location.href, document.documentElement.outerHTML].join());
  for (const token of Object.values(gate.tokens)) {
    assert.ok(!kept.includes(token));
    assert.ok(!page.asked.some((request) => request.url().includes(token)));
  }
  assert.equal(await page.evaluate(() => sessionStorage.getItem('keywheel-token')),
    gate.tokens.boss);
});
