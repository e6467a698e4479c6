import { DispatcherMessage } from '@shoal/proto';
import { silentLogger, systemRandom } from '@shoal/runtime';
import { FakeClock, FakeLease, FakeLog } from '@shoal/stage/testing';
import type { Cluster } from '@shoal/state';
import { expect, test } from 'vitest';
import { heartbeatJitter, heartbeatMsDefault, heartbeatMsMax } from './limits.ts';
import { noMetrics } from './metrics.ts';
import { NodeWatch } from './node-watch.ts';

const hourNanos = 3_600e9;

function watchWith(HeartbeatPeriod: number): NodeWatch {
  const clock = new FakeClock();
  const log = new FakeLog({ clock, random: systemRandom });
  const sealed = { sealed: '' };
  const cluster: Cluster = {
    id: 'c',
    meta: { version: 0, createdAt: 0, updatedAt: 0 } as Cluster['meta'],
    spec: { Dispatcher: { HeartbeatPeriod } } as Cluster['spec'],
    rootCa: { certificate: '', key: sealed },
    joinTokens: { worker: sealed, manager: sealed },
    defaultAddressPool: [],
    subnetSize: 24,
    dataPathPort: 4_789,
  };
  log.write([{ op: 'create', table: 'cluster', object: cluster }]);
  const id = 'dispatcher@m/0';
  return new NodeWatch({
    replica: log.replica(),
    lease: new FakeLease(log, { id, stage: 'dispatcher', nodeId: 'm', address: 'm:0' }),
    clock,
    random: { next: () => 1, bytes: (count) => systemRandom.bytes(count) },
    logger: silentLogger,
    metrics: noMetrics,
    add: () => undefined,
    hasSession: () => true,
    endSession: () => undefined,
  });
}

test.each([
  ['none', 0, heartbeatMsDefault],
  ['2 seconds', 2e9, 2_000],
  ['50 days', 1_200 * hourNanos, heartbeatMsMax],
  ['the longest of Go', 2 ** 63 - 1_024, heartbeatMsMax],
])('a period of %s is what the agent reads', (_what, nanos, ms) => {
  const heartbeatMs = watchWith(nanos).heard('n');
  expect(heartbeatMs).toBe(Math.round(ms * (1 + heartbeatJitter)));
  const body = { $case: 'heartbeat', value: { heartbeatMs } } as const;
  const read = DispatcherMessage.decode(DispatcherMessage.encode({ body }).finish());
  expect(read.body).toEqual(body);
});
