import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { mustRun } from '../host/command.ts';
import { startEngine } from '../host/engine.ts';
import { Host } from '../host/host.ts';
import { Side } from './side.ts';

export interface Sides {
  readonly docker: Side;
  readonly shoal: Side;
}

/** A swarm of one by each, with a secret, a config and a network; for the tests of a file. */
export function useSides(name: string): () => Sides {
  let sides: Sides | undefined;
  const ends: (() => Promise<unknown>)[] = [];
  beforeAll(async () => {
    const scratch = mkdtempSync(join(tmpdir(), 'shoal-differential-'));
    ends.push(async () => rmSync(scratch, { recursive: true, force: true }));
    const engine = await startEngine(join(scratch, 'engine'));
    ends.push(() => engine.stop());
    await mustRun('docker', ['--host', engine.url, 'swarm', 'init', '--advertise-addr=127.0.0.1']);
    const host = await Host.create(name);
    ends.push(() => host.down());
    await host.up();
    await host.init();
    ends.push(() => host.docker('swarm', 'leave', '--force'));
    sides = { docker: new Side(engine.socket), shoal: new Side(host.socket) };
    for (const side of [sides.docker, sides.shoal]) {
      await side.make('secret', '/secrets/create', { Name: 'sec', Data: 'eA==' });
      await side.make('config', '/configs/create', { Name: 'conf', Data: 'eA==' });
      await side.make('network', '/networks/create', { Name: 'net1', Driver: 'overlay' });
    }
  });
  afterAll(async () => {
    for (const end of ends.reverse()) await end();
  });
  return () => {
    if (sides === undefined) throw new Error('the sides are not up');
    return sides;
  };
}
