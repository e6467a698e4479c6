import { VoterHarness } from '@shoal/raft/service/testing';
import { encodeTransaction } from '@shoal/state';
import { newId, systemRandom } from '@shoal/runtime';
import { State } from '@shoal/state';
import { nodeChange } from './src/testing/objects.ts';
const h = await VoterHarness.start();
const client = h.client();
const st = new State();
let onF = () => {};
const f = client.follow({ after: 0, follower: 'x' }); f.on('data', (m) => { const b = m.body; if (b.$case === 'entries') for (const e of b.value.entries) { if (e.kind === 1) st.apply(e.index as never, e.data); else st.advance(e.index as never); onF(); } }); f.on('error', () => {});
const p = client.propose(); let onP = () => {}; p.on('data', () => onP()); p.on('error', () => {});
await new Promise((r) => setTimeout(r, 300));
let n = 0;
const a: number[] = [], b: number[] = [];
for (let i = 0; i < 200; i++) {
  const tx = { id: newId(systemRandom), actor: { kind: 'user', name: 't' } as const, reason: 'x', decidedAt: 0 as never, changes: [nodeChange(st.view, `n${n++}`, 'a')] };
  const t = performance.now();
  const both = Promise.all([new Promise<void>((r) => { onF = () => { a.push(performance.now() - t); r(); }; }), new Promise<void>((r) => { onP = () => { b.push(performance.now() - t); r(); }; })]);
  p.write({ requestId: i + 1, body: { $case: 'proposal', value: { transactions: [Buffer.from(encodeTransaction(tx))] } } });
  await both;
}
const q = (x: number[]) => { x.sort((m, k) => m - k); return [x[20], x[100], x[180]].map((v) => v?.toFixed(2)).join(' '); };
console.log('follow', q(a)); console.log('answer', q(b));
f.cancel(); p.cancel();
await h.close();
