import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { CommandObserver, StayObserver } from './commands.ts';
import type { RepairKind } from './repair.ts';

/** What the overlay driver counts. */
export interface OverlayMetrics {
  readonly command: CommandObserver;
  readonly stayed: StayObserver;
  /** What stands now. */
  standing(networks: number, endpoints: number, peers: number): void;
  repaired(kind: RepairKind | 'peer' | 'endpoint' | 'attachment' | 'stray' | 'encryption'): void;
  pluginCall(call: string, outcome: 'ok' | 'failed', ms: number): void;
}

const secondsBuckets = [0.002, 0.008, 0.032, 0.125, 0.5, 2, 8];
const msPerSecond = 1_000;

/** The driver's metrics on `registry`; call once a process. */
export function overlayMetrics(registry: Registry): OverlayMetrics {
  const registers = [registry];
  const gauge = (name: string, help: string) =>
    new Gauge({ name: `shoal_agent_overlay_${name}`, help, registers });
  const networks = gauge('networks', 'Overlay networks that are built on this host.');
  const endpoints = gauge('endpoints', 'Containers of this host in overlay networks.');
  const peers = gauge('peers', 'Addresses on other hosts that the kernel knows the way to.');
  const repairs = new Counter({
    name: 'shoal_agent_overlay_repairs_total',
    help: 'What was found other than it should be and put right, by kind.',
    labelNames: ['kind'],
    registers,
  });
  const processes = new Counter({
    name: 'shoal_agent_overlay_processes_total',
    help: "Processes of the kernel's tools that stay for a while: began, or was lost, and how.",
    labelNames: ['tool', 'event'],
    registers,
  });
  const timed = (name: string, of: string, label: string) => ({
    total: new Counter({
      name: `shoal_agent_overlay_${name}s_total`,
      help: `${of}, by ${label} and outcome.`,
      labelNames: [label, 'outcome'],
      registers,
    }),
    seconds: new Histogram({
      name: `shoal_agent_overlay_${name}_seconds`,
      help: `Time of ${of.toLowerCase()}.`,
      labelNames: [label],
      buckets: secondsBuckets,
      registers,
    }),
  });
  const commands = timed('command', "Requests to the kernel's tools", 'tool');
  const calls = timed('plugin_call', 'Calls of the engine to its network driver', 'call');
  return {
    command: (tool, outcome, ms) => {
      commands.total.inc({ tool, outcome });
      commands.seconds.observe({ tool }, ms / msPerSecond);
    },
    stayed: (tool, event) => processes.inc({ tool, event }),
    standing: (networkCount, endpointCount, peerCount) => {
      networks.set(networkCount);
      endpoints.set(endpointCount);
      peers.set(peerCount);
    },
    repaired: (kind) => repairs.inc({ kind }),
    pluginCall: (call, outcome, ms) => {
      calls.total.inc({ call, outcome });
      calls.seconds.observe({ call }, ms / msPerSecond);
    },
  };
}
