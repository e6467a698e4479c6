import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, isDeadProcess, pause } from '@shoal/runtime';
import type { AdminRecord } from '@shoal/runtime/process';

/** Longest wait for the agent, milliseconds. */
const waitMsMax = 20_000;
const pollMs = 100;
const askMsMax = 1_000;

/** What the agent of this host is waited for. */
export type AgentState = 'has its session' | 'has nothing of a swarm left';

/**
 * Resolves once the agent of this host is as far, or after {@link waitMsMax}. Where no agent left word of
 * itself in `runDir` (it runs elsewhere, or shows no health) there is nobody to wait for.
 */
export async function agentIs(wanted: AgentState, runDir: string, clock: Clock): Promise<void> {
  const until = clock.monotonic() + waitMsMax;
  while (clock.monotonic() < until) {
    const address = await adminOf(runDir);
    if (address === undefined) return;
    const { ready, role } = await healthAt(address);
    if (ready && role === (wanted === 'has its session' ? 'active' : 'standby')) return;
    await pause(clock, pollMs);
  }
}

async function adminOf(runDir: string): Promise<string | undefined> {
  try {
    const text = await readFile(join(runDir, 'agent.json'), 'utf8');
    const { admin, pid } = JSON.parse(text) as Partial<AdminRecord>;
    if (typeof pid === 'number' && isDeadProcess(pid)) return undefined;
    return admin ?? undefined;
  } catch {
    return undefined;
  }
}

async function healthAt(
  address: string,
): Promise<{ readonly ready: boolean; readonly role: string }> {
  try {
    const answer = await fetch(`http://${address}/readyz`, {
      signal: AbortSignal.timeout(askMsMax),
    });
    const report: unknown = await answer.json();
    const of = (key: string): unknown =>
      typeof report === 'object' && report !== null ? Reflect.get(report, key) : undefined;
    return { ready: of('ready') === true, role: String(of('role')) };
  } catch {
    return { ready: false, role: '' };
  }
}
