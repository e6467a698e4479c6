import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { StatusResponse } from '@shoal/proto';
import type { VoterClient } from '@shoal/raft/client';
import type { StartVoterOptions } from '@shoal/raft/service';
import { clientTo, newAuthority, proofOf, statusOf } from '@shoal/raft/service/testing';
import { pause, systemClock, systemRandom } from '@shoal/runtime';
import { nodeEnvironment, nodeFlags } from '@shoal/runtime/process';

const firstPort = 21_377;
const settleMsMax = 20_000;
const lookMs = 20;

interface Member {
  readonly options: StartVoterOptions;
  readonly client: VoterClient;
  process: ChildProcess | undefined;
}

/** Voters in processes of their own on loopback, as a cluster of managers has them. */
export class VoterProcesses {
  readonly #directory: string;
  readonly members: readonly Member[];

  private constructor(directory: string, members: readonly Member[]) {
    this.#directory = directory;
    this.members = members;
  }

  static async start(count: number): Promise<VoterProcesses> {
    // Not under /tmp, which may be memory: the disk is part of what is measured.
    const directory = mkdtempSync(join(process.cwd(), '.bench-'));
    const ca = await newAuthority();
    const voters = Array.from({ length: count }, (_, at) => ({
      id: at + 1,
      nodeId: `manager-${at + 1}`,
      addr: `127.0.0.1:${firstPort + at}`,
    }));
    const members: Member[] = [];
    for (const { id, nodeId, addr } of voters) {
      const tls = await proofOf(ca, nodeId, 'manager');
      const key = Buffer.from(systemRandom.bytes(32)).toString('base64');
      const options = {
        dataDir: join(directory, String(id)),
        listen: addr,
        voterId: id,
        nodeId,
        membership: { voters, learners: [] },
        tls,
        keys: [{ number: 1, key }],
        logLevel: 'error',
      } as unknown as StartVoterOptions;
      members.push({ options, client: clientTo(addr, tls), process: undefined });
    }
    const started = new VoterProcesses(directory, members);
    await Promise.all(members.map((member) => started.begin(member)));
    return started;
  }

  async begin(member: Member): Promise<void> {
    const program = join(import.meta.dirname, 'voter-process.ts');
    // As on a manager, where the voter is a thread of the api.
    const flags = [...nodeFlags('api'), '--conditions=@shoal/source'];
    const child = spawn(process.execPath, [...flags, program, JSON.stringify(member.options)], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, ...nodeEnvironment },
    });
    member.process = child;
    await once(child.stdout, 'data');
  }

  /** The leader, once every voter that runs agrees on it and has all that is committed. */
  async settled(): Promise<Member> {
    const end = systemClock.monotonic() + settleMsMax;
    for (;;) {
      const running = this.members.filter((member) => member.process !== undefined);
      const seen = await Promise.all(
        running.map(({ client }) => statusOf(client).catch(() => undefined)),
      );
      const leader = agreed(seen);
      const found = running.find(({ options }) => options.voterId === leader);
      if (found !== undefined) return found;
      if (systemClock.monotonic() > end) throw new Error('the voters do not agree on a leader');
      await pause(systemClock, lookMs);
    }
  }

  async stop(): Promise<void> {
    for (const { process: child, client } of this.members) {
      client.close();
      child?.kill('SIGKILL');
    }
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

function agreed(seen: readonly (StatusResponse | undefined)[]): number | undefined {
  const [first] = seen;
  if (first === undefined || first.leaderId === 0) return undefined;
  const newest = Math.max(...seen.map((status) => status?.committed ?? 0));
  const same = seen.every(
    (status) => status?.leaderId === first.leaderId && status.applied >= newest - 1,
  );
  return same ? first.leaderId : undefined;
}
