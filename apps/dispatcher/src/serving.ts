import { type CertificateSource, type Identity, type NodeServer, seal, unseal } from '@shoal/pki';
import { formatHostPort, type HostPort, parseHostPort, pause, type Random } from '@shoal/runtime';
import { LeaseHolder } from '@shoal/stage';
import type { ManagerSession, ManagerWork } from '@shoal/stage/host';
import type { Revision } from '@shoal/state';
import type { Context } from './config.ts';
import { Dispatcher } from './core/dispatcher.ts';
import type { DispatcherMetrics } from './core/metrics.ts';
import type { KeySeal } from './network/keys.ts';
import { serveDispatcher } from './server/server.ts';

/** Pause between attempts to listen while another process holds the address, milliseconds. */
const listenRetryMs = 500;
const dispatcherPort = 2_378;

/** A dispatcher and its server, for as long as the host is a manager. */
export class Serving implements ManagerWork {
  readonly #context: Context;
  readonly #identity: Identity;
  readonly #proof: CertificateSource;
  readonly #lease: LeaseHolder;
  readonly #dispatcher: Dispatcher;
  #server: Promise<NodeServer | undefined>;
  #listening = false;
  #stopped = false;

  constructor(context: Context, session: ManagerSession, metrics: DispatcherMetrics) {
    const { clock, random, logger, config } = context;
    const { identity, replica, leaseClient: client } = session;
    this.#context = context;
    this.#identity = identity;
    this.#proof = session.proof;
    this.#lease = new LeaseHolder({
      client,
      id: `dispatcher@${identity.nodeId}/${config.instance}`,
      stage: 'dispatcher',
      nodeId: identity.nodeId,
      address: config.advertise ?? advertised(identity),
      clock,
      random,
      logger,
    });
    this.#dispatcher = new Dispatcher({
      replica,
      lease: this.#lease,
      openRegistryAuth: (revision) => openAuth(identity, revision),
      keySeal: keySealOf(identity, random),
      clock,
      random,
      logger,
      metrics,
    });
    this.#server = this.#listen();
  }

  get ready(): boolean {
    return this.#listening && this.#lease.current !== undefined;
  }

  get detail(): string {
    if (!this.#listening) return 'waits for its address';
    return this.#lease.current === undefined ? 'waits for its lease' : '';
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#dispatcher.stop();
    await (await this.#server)?.close();
    await this.#lease.release();
  }

  #address(): HostPort {
    const { listen } = this.#context.config;
    const port = parseHostPort(this.#identity.dispatcherAddr)?.port ?? dispatcherPort;
    return (listen === undefined ? undefined : parseHostPort(listen)) ?? { host: '0.0.0.0', port };
  }

  async #listen(): Promise<NodeServer | undefined> {
    const { clock, logger } = this.#context;
    for (let attempt = 1; !this.#stopped; attempt += 1) {
      try {
        const server = await serveDispatcher({
          listen: this.#address(),
          source: this.#proof,
          clusterId: this.#identity.clusterId,
          dispatcher: this.#dispatcher,
          ownAddress: this.#identity.advertiseAddr,
          logger,
        });
        this.#listening = true;
        logger.info({ port: server.port }, 'dispatcher_listening');
        return server;
      } catch (error) {
        logger.warn({ error, attempt, address: this.#address() }, 'listen_failed');
        await pause(clock, listenRetryMs);
      }
    }
    return undefined;
  }
}

/** Where agents of other hosts reach this one's dispatcher. */
function advertised({ advertiseAddr, dispatcherAddr }: Identity): string {
  const port = parseHostPort(dispatcherAddr)?.port ?? dispatcherPort;
  return formatHostPort({ host: advertiseAddr, port });
}

/** Registry credentials are sealed for the place they belong to, so that they open nowhere else. */
function openAuth(identity: Identity, revision: Revision): string | undefined {
  const { id, registryAuth, registryAuthFrom = id } = revision;
  if (registryAuth === undefined || identity.sealKey === undefined) return undefined;
  const place = `revision/${registryAuthFrom}/registry-auth`;
  return unseal(identity.sealKey, registryAuth, place)?.toString('utf8');
}

function keySealOf({ sealKey }: Identity, random: Random): KeySeal {
  return {
    open: (sealed, place) => (sealKey === undefined ? undefined : unseal(sealKey, sealed, place)),
    seal: (plain, place) =>
      sealKey === undefined ? undefined : seal(sealKey, plain, place, random),
  };
}
