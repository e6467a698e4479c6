const alphabet = /[A-Za-z0-9+/]/;
const lineEnd = /[\r\n]/;

export type Base64 =
  | { readonly kind: 'ok'; readonly bytes: Buffer }
  /** `at`: the first character that cannot stand where it is, counted from 0. */
  | { readonly kind: 'corrupt'; readonly at: number };

/** Reads padded base64 (RFC 4648, section 4) as Go's `base64.StdEncoding` does: line ends count for nothing. */
export function decodeBase64(text: string): Base64 {
  const at = corruptionIn(text);
  return at === undefined
    ? { kind: 'ok', bytes: Buffer.from(text, 'base64') }
    : { kind: 'corrupt', at };
}

function corruptionIn(text: string): number | undefined {
  const significant = text.replace(/[\r\n]+/g, '');
  if (/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(significant))
    return undefined;
  // Characters of the group of four that is being read.
  let inGroup = 0;
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at] ?? '';
    if (lineEnd.test(character)) continue;
    if (character === '=') return paddingFault(text, at, inGroup);
    if (!alphabet.test(character)) return at;
    inGroup = (inGroup + 1) % 4;
  }
  return text.length - inGroup;
}

/** What is wrong from the first `=` on. */
function paddingFault(text: string, first: number, inGroup: number): number {
  if (inGroup < 2) return first;
  const skip = (from: number): number => {
    let at = from;
    while (lineEnd.test(text[at] ?? '')) at += 1;
    return at;
  };
  let at = skip(first + 1);
  if (inGroup === 2) {
    if (at === text.length || text[at] !== '=') return at === text.length ? at : at - 1;
    at = skip(at + 1);
  }
  return at;
}
