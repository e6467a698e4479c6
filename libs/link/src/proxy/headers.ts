/** These belong to one connection and are made anew for the other. */
const hopByHop = new Set(['connection', 'keep-alive', 'proxy-connection', 'upgrade']);
/** How a body is told from what follows it. */
const framing = new Set(['content-length', 'transfer-encoding']);

/** Headers as names and values in turn, without those of the connection. */
export function withoutHopByHop(raw: readonly string[]): string[] {
  return without(raw, hopByHop);
}

/** With the length of a body that may be another one than the client measured. */
export function measured(raw: readonly string[], body: string | Buffer): string[] {
  return [...unmeasured(raw), 'Content-Length', String(Buffer.byteLength(body))];
}

/** Without what tells the end of a body. */
export function unmeasured(raw: readonly string[]): string[] {
  return without(raw, framing);
}

/** Without the header that announces chunks. */
export function withoutChunks(raw: readonly string[]): string[] {
  return without(raw, new Set(['transfer-encoding']));
}

function without(raw: readonly string[], names: ReadonlySet<string>): string[] {
  return raw.filter((_, at) => !names.has(raw[at - (at % 2)]?.toLowerCase() ?? ''));
}
