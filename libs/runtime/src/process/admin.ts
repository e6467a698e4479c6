import { mkdir, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Registry } from 'prom-client';
import { isDeadProcess } from '../dead-process.ts';
import { replaceFile } from '../durable-file.ts';
import { formatHostPort, type HostPort } from '../host-port.ts';
import { errorMessage } from '../invariant.ts';

/** What a process says of itself. */
export interface Health {
  /** Can do its work now. A stage that stands by is ready. */
  readonly ready: boolean;
  /** Need not be restarted. */
  readonly healthy: boolean;
  /** What it is at the moment: `standby`, `active`, `leader`, … */
  readonly role: string;
  /** Last log entry applied here, for processes that follow the log. */
  readonly logIndex?: number | undefined;
  /** One sentence for people; empty when there is nothing to say. */
  readonly detail: string;
}

/** The body of `/healthz` and `/readyz`. */
export interface HealthReport extends Health {
  readonly process: string;
  readonly version: string;
  readonly pid: number;
}

/** Content of `<run-dir>/<process>.json`, by which other commands find a running process. */
export interface AdminRecord {
  readonly process: string;
  readonly pid: number;
  /** `host:port` of the admin server; null when it is off. */
  readonly admin: string | null;
}

export interface AdminServer {
  /** Where it really listens; null when off. */
  readonly address: HostPort | null;
  close(): Promise<void>;
}

/**
 * Serves `/metrics`, `/healthz` and `/readyz`.
 * @throws the listen error (`EADDRINUSE`, …).
 */
export async function startAdmin(options: {
  readonly listen: HostPort | null;
  readonly metrics: Registry;
  readonly report: () => HealthReport;
}): Promise<AdminServer> {
  if (options.listen === null) return { address: null, close: () => Promise.resolve() };
  const { host, port } = options.listen;
  const server = createServer((request, response) => {
    const answer = (status: number, type: string, body: string): void => {
      response.writeHead(status, { 'content-type': type }).end(body);
    };
    const json = (good: boolean, report: HealthReport): void =>
      answer(good ? 200 : 503, 'application/json', `${JSON.stringify(report)}\n`);
    const path = (request.url ?? '').split('?')[0];
    if (path === '/metrics') {
      options.metrics.metrics().then(
        (text) => answer(200, options.metrics.contentType, text),
        (error: unknown) => answer(500, 'text/plain', `${errorMessage(error)}\n`),
      );
    } else if (path === '/healthz') {
      const report = options.report();
      json(report.healthy, report);
    } else if (path === '/readyz') {
      const report = options.report();
      json(report.ready, report);
    } else {
      answer(404, 'text/plain', 'here are /metrics, /healthz and /readyz\n');
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, resolve);
  });
  const bound = server.address() as AddressInfo;
  return {
    address: { host, port: bound.port },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/**
 * Leaves an {@link AdminRecord} in `runDir`. A second replica on the same host writes
 * `<process>-<pid>.json`, so that the first one stays to be found. Gives the removal back.
 */
export async function publishAdmin(
  runDir: string,
  process: string,
  pid: number,
  address: HostPort | null,
): Promise<() => Promise<void>> {
  await mkdir(runDir, { recursive: true });
  const first = join(runDir, `${process}.json`);
  const path = (await heldByAnother(first, pid)) ? join(runDir, `${process}-${pid}.json`) : first;
  const record: AdminRecord = {
    process,
    pid,
    admin: address === null ? null : formatHostPort(address),
  };
  await replaceFile(path, `${JSON.stringify(record)}\n`);
  return () => rm(path, { force: true });
}

async function heldByAnother(path: string, pid: number): Promise<boolean> {
  try {
    const record = JSON.parse(await readFile(path, 'utf8')) as Partial<AdminRecord>;
    return typeof record.pid === 'number' && record.pid !== pid && !isDeadProcess(record.pid);
  } catch {
    return false;
  }
}
