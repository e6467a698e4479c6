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
for (const c of [1, 100, 1000]) {
  let done = 0; const end = performance.now() + 3000; const t0 = performance.now(); const c0 = process.cpuUsage();
  await Promise.all(Array.from({ length: c }, async () => { while (performance.now() < end) { const x = await r.propose([tx()]); if (x.kind !== 'applied') { console.log(x); break; } done++; } }));
  const dt = performance.now() - t0; const cpu = process.cpuUsage(c0);
  console.log(c, 'proposers', Math.round(done / dt * 1000), '/s', 'cpu', ((cpu.user + cpu.system) / 1e3 / dt).toFixed(2));
}
console.log(r.view.nodes.size, r.view.index);
r.stop(); await h.close();
