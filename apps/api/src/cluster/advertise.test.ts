import { connect, createServer, type Server } from 'node:net';
import { freePort } from '@shoal/runtime/testing';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { eventually, type TestHost, TestHosts } from '../testing/hosts.ts';

const patience = 120_000;

let site: TestHosts;
const gateways: Server[] = [];
beforeEach(() => {
  site = new TestHosts();
});
afterEach(async () => {
  await site.close();
  for (const gateway of gateways.splice(0)) gateway.close();
});

/** A port of the host's address that leads to its cluster port, as address translation makes one. */
async function translated(host: TestHost): Promise<string> {
  const port = await freePort('0.0.0.0');
  const [inside = '', insidePort] = host.clusterPort.split(':');
  const gateway = createServer((from) => {
    const to = connect({ host: inside, port: Number(insidePort) });
    from.pipe(to).pipe(from);
    from.on('error', () => to.destroy());
    to.on('error', () => from.destroy());
  });
  gateways.push(gateway);
  await new Promise<void>((resolve) => gateway.listen(port, host.address, resolve));
  return `${host.address}:${port}`;
}

function placeIn(view: TestHost, of: TestHost): string | undefined {
  return view.view.nodes.get(of.manager.identity.nodeId)?.manager?.addr;
}

test(
  'the port that is advertised is the one that others are told, and come by',
  async () => {
    const [a, b, c] = await site.start(3);
    if (a === undefined || b === undefined || c === undefined) throw new Error('three hosts');
    const outsideA = await translated(a);
    await a.init({ AdvertiseAddr: outsideA });
    expect(placeIn(a, a)).toBe(outsideA);
    const { advertiseNamed, dataPathAddr } = a.manager.identity;
    expect({ advertiseNamed, dataPathAddr }).toEqual({
      advertiseNamed: true,
      dataPathAddr: a.address,
    });

    const outsideB = await translated(b);
    await b.join({ clusterPort: outsideA }, a.token('manager'), outsideB);
    await eventually('the second manager is recorded', () => placeIn(a, b) === outsideB);
    expect(placeIn(a, a)).toBe(outsideA);

    await c.join({ clusterPort: outsideB }, a.token('worker'));
    if (c.standing.kind !== 'worker') throw new Error(c.standing.kind);
    const told = c.standing.identity.managers.map(({ logAddr }) => logAddr).sort();
    expect(told).toEqual([outsideA, outsideB].sort());

    await b.restart();
    await eventually('it is a manager again', () => b.standing.kind === 'manager');
    await b.caughtUp();
    expect(placeIn(b, b)).toBe(outsideB);
  },
  patience,
);
