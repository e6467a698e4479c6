import type { Finding } from './source.ts';

/** About a page. */
const wordsMax = 850;

/** Every app and library says on one page what it is; `text` is absent where nothing is said. */
export function checkReadmes(
  readmes: readonly { readonly folder: string; readonly text: string | undefined }[],
): readonly Finding[] {
  return readmes.flatMap(({ folder, text }) => {
    const path = `${folder}/README.md`;
    if (text === undefined) return [{ path, message: 'is missing: say what the package owns' }];
    const words = text.split(/\s+/).filter((word) => word !== '').length;
    if (words <= wordsMax) return [];
    return [{ path, message: `${words} words; a page has ${wordsMax}: the rest is for DESIGN.md` }];
  });
}
