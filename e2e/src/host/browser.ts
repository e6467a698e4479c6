import { type Browser, chromium, type Page } from 'playwright';

/** Where Debian has it; the end-to-end tests install it. */
const executablePath = '/usr/bin/chromium';

/** A page in a real browser, and all that went wrong in it. */
export interface Looking {
  readonly page: Page;
  /** What the page complained of, and of which address: scripts that broke, what its own policy forbade, answers of 4xx and 5xx. */
  readonly complaints: readonly string[];
  /** Addresses that were asked. */
  readonly asked: readonly string[];
}

/** A browser without a window. Its sandbox needs a user other than root. */
export function launchBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath, args: ['--no-sandbox'] });
}

/** As another person's browser: nothing is kept of what others did in it. */
export async function look(browser: Browser, address: string): Promise<Looking> {
  const context = await browser.newContext();
  const page = await context.newPage();
  const complaints: string[] = [];
  const asked: string[] = [];
  page.on('pageerror', ({ message }) => complaints.push(message));
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(`${message.text()} ${message.location().url}`);
  });
  page.on('request', (request) => asked.push(request.url()));
  await page.goto(address);
  return { page, complaints, asked };
}
