import { type Following, followHostNetworks, hostNetworksSocket } from '@shoal/overlay';
import {
  type BalancerKind,
  chooseBalancer,
  kernelCommands,
  probeNetworkCapabilities,
} from '@shoal/overlay/kernel';
import type { Timer } from '@shoal/runtime';
import { HostBalancer } from './balancer.ts';
import type { Context } from './config.ts';
import { hostAddresses } from './host/leg.ts';
import { legPlan } from './host/leg-plan.ts';
import { listeningPorts } from './host/ports.ts';
import { ipvsBackend } from './ipvs/backend.ts';
import { balancerMetrics } from './metrics.ts';
import { nftablesBackend } from './nftables/backend.ts';

const msPerSecond = 1_000;

interface Chosen {
  readonly kind: BalancerKind;
  /** Why SCTP is not balanced; undefined where it is. */
  readonly noSctp: string | undefined;
}

/** `auto`: what a trial in a namespace of its own says. */
export async function chooseBackend({ config, logger }: Context): Promise<Chosen> {
  const found = await probeNetworkCapabilities(kernelCommands(), `shoal-probe-${process.pid}`);
  const noSctp = found.sctp.kind === 'no' ? found.sctp.reason : undefined;
  const chosen = config.backend === 'auto' ? chooseBalancer(found) : config.backend;
  if (chosen !== undefined) return { kind: chosen, noSctp };
  const { nftables } = found;
  logger.error({ reason: nftables.kind === 'no' ? nftables.reason : '' }, 'no_balancer');
  return { kind: 'nftables', noSctp };
}

/** Serves what the agent tells, and looks after it in intervals. */
export class Serving {
  readonly #context: Context;
  readonly #kind: BalancerKind;
  readonly #balancer: HostBalancer;
  readonly #following: Following;
  #audit: Timer | undefined;
  #stopped = false;

  constructor(context: Context, { kind, noSctp }: Chosen) {
    const { clock, logger, config, metrics } = context;
    const commands = kernelCommands();
    const leg = legPlan(config.legRange, config.legRange6);
    const inside = hostAddresses(leg.inside).v4 ?? '';
    const counted = balancerMetrics(metrics);
    this.#context = context;
    this.#kind = kind;
    this.#balancer = new HostBalancer({
      commands,
      backend: kind === 'ipvs' ? ipvsBackend(commands) : nftablesBackend(commands),
      clock,
      logger,
      metrics: counted,
      noSctp,
      ports: listeningPorts({
        relayTo: (port) => ({ host: inside, port }),
        clock,
        logger,
        metrics: counted,
      }),
      leg,
    });
    this.#following = followHostNetworks({
      socket: hostNetworksSocket(config.dataDir),
      consumer: 'ingress-lb',
      clock,
      logger,
      onUpdate: (tables, changed) => this.#balancer.update(tables, changed),
      served: () => this.#balancer.served(),
    });
    this.#auditLater();
  }

  get health() {
    const { networks, services } = this.#balancer.summary;
    const problems = this.#balancer.problems;
    const connected = this.#following.connected;
    return {
      ready: connected,
      healthy: true,
      role: connected ? 'active' : 'standby',
      detail:
        problems[0] ??
        (connected
          ? `${services} services in ${networks} networks, by ${this.#kind}`
          : 'the agent is not there; what it last told goes on'),
    };
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#audit?.cancel();
    this.#following.close();
    await this.#balancer.stop();
  }

  #auditLater(): void {
    const { clock, config, logger } = this.#context;
    this.#audit = clock.after(config.auditSeconds * msPerSecond, () => {
      this.#balancer
        .audit()
        .then(() => this.#following.report())
        .catch((error: unknown) => logger.error({ error }, 'audit_failed'))
        .finally(() => {
          if (!this.#stopped) this.#auditLater();
        });
    });
  }
}
