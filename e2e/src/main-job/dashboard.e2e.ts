// The swarm in a browser: opened with a key, live, and only to look at.
import type { Browser, Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Looking, launchBrowser, look } from '../host/browser.ts';
import { Host } from '../host/host.ts';
import { eventually } from '../host/wait.ts';

let host: Host;
let browser: Browser;
let looking: Looking;
let page: Page;

beforeAll(async () => {
  host = await Host.create('dashboard');
  await host.up();
  await host.init();
  browser = await launchBrowser();
});

afterAll(async () => {
  await browser?.close();
  await host.destroy();
});

async function printedAddress(): Promise<string> {
  const { stdout, code } = await host.asking('dashboard');
  expect(code).toBe(0);
  expect(stdout).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/#key=[\w-]{43}\n$/);
  return stdout.trim();
}

/** Goes to a part of the page by its own links. */
async function goTo(name: string): Promise<void> {
  await page.getByRole('navigation').getByRole('link', { name, exact: true }).click();
  await page.getByRole('heading', { level: 1, name, exact: true }).waitFor();
}

async function texts(selector: string): Promise<readonly string[]> {
  return page.locator(selector).allInnerTexts();
}

function serve(name: string, replicas: number, ...flags: readonly string[]): Promise<string> {
  const script = `while true; do echo ${name} speaks; sleep 0.2; done`;
  const all = ['-d', `--name=${name}`, `--replicas=${replicas}`, ...flags];
  return host.docker('service', 'create', ...all, 'busybox', 'sh', '-c', script);
}

describe('the address that is printed', () => {
  test('opens the dashboard, and leaves no key behind', async () => {
    looking = await look(browser, await printedAddress());
    ({ page } = looking);
    await page.getByRole('heading', { name: 'Overview' }).waitFor();
    expect(page.url()).not.toContain('key=');
    await page.getByText('One manager: it may not be lost').waitFor();
  });

  test('opens it once, and others are told how', async () => {
    const address = await printedAddress();
    const first = await look(browser, address);
    await first.page.getByRole('heading', { name: 'Overview' }).waitFor();
    const second = await look(browser, address);
    await second.page.getByText('this address has been used or is too old').waitFor();
    const stranger = await look(browser, new URL(address).origin);
    await stranger.page.getByText('The dashboard is not open in this browser').waitFor();
    expect(await stranger.page.content()).not.toContain('Overview');
  });

  test('is not needed again after a reload', async () => {
    await page.reload();
    await page.getByRole('heading', { name: 'Overview' }).waitFor();
  });
});

describe('without a reload', () => {
  test('tasks appear on their node as they start, and go as they stop', async () => {
    await goTo('Tasks on nodes');
    await page.evaluate('globalThis.isSamePage = true');
    await serve('web', 3);
    await eventually(
      'three boxes',
      async () => (await texts('.box[data-state=running]')).length === 3,
    );
    expect(await texts('.box')).toEqual(['web.1', 'web.2', 'web.3']);
    await host.docker('service', 'scale', '-d', 'web=5');
    await eventually(
      'five boxes',
      async () => (await texts('.box[data-state=running]')).length === 5,
    );
    await host.docker('service', 'scale', '-d', 'web=2');
    await eventually('two boxes', async () => (await texts('.box')).length === 2);
    await page.getByRole('searchbox').fill('nothing');
    await eventually('none passes the filter', async () => (await texts('.box')).length === 0);
    expect(await page.evaluate('globalThis.isSamePage')).toBe(true);
  });

  test('what waits says why, in the scheduler’s words', async () => {
    await serve('db', 1, '--constraint=node.labels.disk==ssd');
    await goTo('Overview');
    await page.getByText('1 of 2 services is not as it should be').waitFor();
    await page.getByText('it does not meet node.labels.disk==ssd').first().waitFor();
    await page.getByRole('link', { name: 'db' }).click();
    await page.getByRole('heading', { name: 'Waiting for a node' }).waitFor();
    await host.docker('service', 'update', '-d', '--constraint-rm=node.labels.disk==ssd', 'db');
    await page.getByText('1 of 1 task running').waitFor();
    await goTo('Overview');
    await page.getByText('All 2 services are as they should be').waitFor();
  });

  test('who changed what is told as it happens', async () => {
    await goTo('Changes');
    await page.getByText('service db changed').first().waitFor();
    await host.docker('service', 'update', '-d', '--label-add=tier=front', 'web');
    const row = page.getByRole('row').filter({ hasText: 'tier' });
    await row.first().waitFor();
    expect(await row.first().textContent()).toContain('docker service update, local socket on');
  });
});

describe('a service', () => {
  test('has tasks, what they use, its revisions with what each changed, and its logs', async () => {
    await goTo('Services');
    await page.getByRole('link', { name: 'web', exact: true }).click();
    await page.getByText('2 of 2 tasks running').waitFor();
    await page
      .getByRole('figure')
      .filter({ hasText: /memory [\d.]+ [KM]iB/ })
      .waitFor();
    await host.docker('service', 'update', '-d', '--env-add=COLOUR=blue', 'web');
    const changed = page.getByRole('row').filter({ hasText: 'COLOUR=blue' });
    await changed.waitFor();
    expect(await changed.textContent()).toContain('TaskTemplate.ContainerSpec.Env[0]');
    await page.getByRole('button', { name: 'follow' }).click();
    const lines = page.getByLabel('log lines').getByText('web speaks');
    await eventually('lines of both', async () => {
      const names = (await texts('.logs li span')).map((name) => name.trim());
      return names.includes('web.1') && names.includes('web.2');
    });
    const before = await lines.count();
    await eventually('more lines come', async () => (await lines.count()) > before);
    await page.getByRole('button', { name: 'stop' }).click();
  });

  test('shows what ended when it is asked to', async () => {
    const { before, after } = { before: await texts('tbody tr'), after: /with \d+ that ended/ };
    await page.getByLabel(after).check();
    await eventually('more rows', async () => (await texts('tbody tr')).length > before.length);
    await page.locator('.state.over').first().waitFor();
  });
});

test('nodes, networks, secrets and who uses them', async () => {
  await host.http(
    'POST',
    '/secrets/create',
    JSON.stringify({ Name: 'key', Data: 'c2VjcmV0LXZhbHVl' }),
  );
  await serve('keeper', 1, '--secret=key', '--reserve-memory=512m', '--reserve-cpu=0.25');
  await host.converged('keeper', '1/1');
  await goTo('Secrets and configs');
  const row = page.getByRole('row').filter({ hasText: 'key' });
  await row.getByRole('link', { name: 'keeper' }).waitFor();
  expect(await page.content()).not.toMatch(/secret-value|c2VjcmV0LXZhbHVl/);
  await goTo('Networks');
  await page.getByRole('row').filter({ hasText: 'ingress' }).getByText('published ports').waitFor();
  await goTo('Nodes');
  const node = page.getByRole('row').filter({ hasText: 'leader' });
  await node.getByText(/^0\.25 of \d+$/).waitFor();
  await node.getByText(/^512 MiB of \d+ GiB$/).waitFor();
  const { stdout } = await host.asking('capacity');
  expect(stdout).toMatch(/\n\S+ +ready +\d+ +0\.25 of \d+ +0\.5 of [\d.]+ GiB\n$/);
  await node.getByRole('link').click();
  await page.getByText('takes the quorum with it').waitFor();
  await page.getByRole('row').filter({ hasText: 'keeper.1' }).waitFor();
});

/** An update replaces containers while the page asks what they use: the browser notes that one is no more. */
const containerGone = /404 \(Not Found\) \S+\/api\/containers\/[0-9a-f]{64}\/stats\?\S+$/;

test('nothing came from elsewhere, and the page had nothing to complain of', () => {
  const { origin } = new URL(page.url());
  expect(looking.asked.filter((address) => !address.startsWith(`${origin}/`))).toEqual([]);
  expect(looking.asked.length).toBeGreaterThan(20);
  expect(looking.complaints.filter((text) => !containerGone.test(text))).toEqual([]);
});

test('when the api ends, the page says so; the next one wants a new key, and takes it', async () => {
  await goTo('Overview');
  process.kill(await host.pidOf('api'), 'SIGKILL');
  await page.getByText('The dashboard is not open in this browser').waitFor();
  const address = await eventually('the api is back', () =>
    printedAddress().catch(() => undefined),
  );
  await page.goto(address);
  await page.getByRole('heading', { name: 'Overview' }).waitFor();
  await page.getByRole('button', { name: 'Close' }).click();
  await page.getByText('The dashboard is not open in this browser').waitFor();
});
