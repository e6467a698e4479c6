import { VoterHarness } from '@shoal/raft/service/testing';
import { newId, silentLogger, systemClock, systemRandom } from '@shoal/runtime';
import { RemoteReplica } from './src/index.ts';
import { nodeChange } from './src/testing/objects.ts';
const h = await VoterHarness.start();
const client = h.client();
const r = new RemoteReplica({ client: () => client, follower: 'b', clock: systemClock, random: systemRandom, logger: silentLogger });
await r.catchUp();
let n = 0;
const tx = () => ({ id: newId(systemRandom), actor: { kind: 'user', name: 't' } as const, reason: 'x', decidedAt: r.view.index, changes: [nodeChange(r.view, `n${n++}`, 'a')] });
const ts = [];
for (let i = 0; i < 200; i++) { const t = performance.now(); await r.catchUp(); ts.push(performance.now() - t); }
ts.sort((a, b) => a - b); console.log('readIndex p50', ts[100], 'p99', ts[198]);
ts.length = 0;
for (let i = 0; i < 200; i++) { const t = performance.now(); await r.propose([tx()]); ts.push(performance.now() - t); }
ts.sort((a, b) => a - b); console.log('propose p50', ts[100], 'p99', ts[198]);
r.stop(); await h.close();
