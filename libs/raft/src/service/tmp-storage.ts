import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import type { LogStorage, Recovered } from '../storage.ts';
export async function openLogStorage(dir: string): Promise<LogStorage> {
  const file = `${dir}/tmp.json`;
  const all = new Map<number, any>();
  let hard: any;
  let snap: any;
  let content: Uint8Array[] = [];
  try {
    const d = JSON.parse(readFileSync(file, 'utf8'));
    hard = d.hard;
    snap = d.snap;
    content = d.content.map((c: string) => Buffer.from(c, 'base64'));
    for (const e of d.entries) all.set(e.index, { ...e, data: Buffer.from(e.data, 'base64') });
  } catch {}
  const save = () => process.env['TMPMEM'] ? undefined : writeFileSync(
      file,
      JSON.stringify({
        hard,
        snap,
        content: content.map((c) => Buffer.from(c).toString('base64')),
        entries: [...all.values()].map((e) => ({
          ...e,
          data: Buffer.from(e.data).toString('base64'),
        })),
      }),
    );
  const recovered: Recovered = {
    hardState: hard,
    snapshot: snap,
    entries: [...all.values()].filter((e) => e.index > (snap?.index ?? 0)),
  };
  return {
    recovered,
    async store(w) {
      const t0 = performance.now(); await new Promise((r) => setImmediate(r)); if (process.env['TMPLOG']) appendFileSync('/tmp/tmplog', 'store ' + (performance.now() - t0).toFixed(2) + ' ' + w.entries.length + ' ' + JSON.stringify(w.hardState) + '\n');
      if (w.hardState) hard = w.hardState;
      for (const e of w.entries) all.set(e.index, e);
      save();
      return { kind: 'stored' };
    },
    async saveSnapshot(meta, chunks) {
      content = [];
      for await (const c of chunks) content.push(c);
      snap = meta;
      save();
      return { kind: 'stored' };
    },
    async *readSnapshot() {
      yield* content;
    },
    async compact(upTo) {
      for (const i of all.keys()) if (i <= upTo) all.delete(i);
      save();
      return { kind: 'stored' };
    },
    async probe() {
      return true;
    },
    async close() {},
  };
}
