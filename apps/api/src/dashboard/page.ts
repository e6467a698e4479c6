import { errorMessage } from '@shoal/runtime';
import { z } from 'zod';

/** A file of the page, and what it is to browsers. */
export interface PageFile {
  readonly mediaType: string;
  readonly body: string;
}

/** The files of the page, by path. */
export type Page = Readonly<Record<string, PageFile>>;

export type PageOutcome =
  | { readonly kind: 'page'; readonly page: Page }
  /** One sentence for a person. */
  | { readonly kind: 'missing'; readonly message: string };

const bundled = z.object({
  page: z.record(z.string(), z.object({ mediaType: z.string(), body: z.string() })),
});

/** Reads the page that was bundled beside this program. */
export async function bundledPage(): Promise<PageOutcome> {
  const isSource = import.meta.url.endsWith('.ts');
  const url = new URL(isSource ? '../../dist/page.mjs' : './page.mjs', import.meta.url);
  try {
    const { page } = bundled.parse(await import(url.href));
    return { kind: 'page', page };
  } catch (error) {
    const message = `the dashboard's page is not there (${errorMessage(error)}): build it with nx bundle @shoal/api`;
    return { kind: 'missing', message };
  }
}
