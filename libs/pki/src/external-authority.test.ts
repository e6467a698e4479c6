import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import {
  createServer as createHttp,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttps } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { type Clock, later, systemClock, systemRandom } from '@shoal/runtime';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  type ClusterCa,
  createClusterCa,
  createNodeKey,
  issueCertificate,
  type NodeSubject,
} from './authority.ts';
import type { SignRequest } from './cfssl.ts';
import { isTrusted } from './chain.ts';
import {
  crossSignExternally,
  type ExternalAuthorities,
  type ExternallyIssued,
  externalUrls,
  issueExternally,
} from './external-authority.ts';
import { roleOf } from './role.ts';
import { crossSign } from './rotation.ts';
import { subjectOf } from './subject.ts';

const random = systemRandom;
const now = systemClock.now();
const subject: NodeSubject = { nodeId: 'node-1', role: 'manager', clusterId: 'cluster-1' };

let root: ClusterCa;
let fresh: ClusterCa;
let manager: { readonly certificate: string; readonly key: string };
let request: string;
beforeAll(async () => {
  root = await createClusterCa(now, random);
  fresh = await createClusterCa(now, random);
  manager = await certified(root, { ...subject, nodeId: 'asking-manager' });
  request = (await createNodeKey()).request;
});

async function certified(ca: ClusterCa, of: NodeSubject) {
  const own = await createNodeKey();
  const issued = await issueCertificate({ ca, request: own.request, subject: of, now, random });
  if (issued.kind !== 'issued') throw new Error(issued.reason);
  return { certificate: issued.certificate, key: own.key };
}

type Respond = (body: SignRequest, response: ServerResponse, socket: TLSSocket) => Promise<void>;

let respond: Respond;
let asked: SignRequest[];
const servers: Server[] = [];
beforeEach(() => {
  asked = [];
  respond = signs;
});
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.close();
    server.closeAllConnections();
  }
});

/** Signs as a CFSSL with the root's key does. */
const signs: Respond = async (body, response) => {
  const { CN, names } = body.subject;
  const role = roleOf(names.find(({ OU }) => OU !== undefined)?.OU ?? '') ?? 'worker';
  const clusterId = names.find(({ O }) => O !== undefined)?.O ?? '';
  const issued = await issueCertificate({
    ca: root,
    request: body.certificate_request,
    subject: { nodeId: CN, role, clusterId },
    now,
    random,
  });
  answerWith(response, issued.kind === 'issued' ? issued.certificate : '');
};

function answerWith(response: ServerResponse, certificate: string): void {
  response.end(JSON.stringify({ success: true, result: { certificate }, errors: [] }));
}

async function listen(server: Server): Promise<number> {
  servers.push(server);
  server.on('request', (incoming: IncomingMessage, response: ServerResponse) => {
    void incoming.toArray().then((parts: Buffer[]) => {
      const body = JSON.parse(Buffer.concat(parts).toString()) as SignRequest;
      asked.push(body);
      return respond(body, response, incoming.socket as TLSSocket);
    });
  });
  server.listen(0, 'localhost');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

const serve = async (): Promise<string> => `http://localhost:${await listen(createHttp())}/sign`;

function authorities(urls: readonly string[], clock: Clock = systemClock): ExternalAuthorities {
  return {
    urls,
    root: root.certificate,
    proof: { caCertificate: root.certificate, ...manager },
    clock,
  };
}

const ask = async (urls: readonly string[], clock?: Clock): Promise<ExternallyIssued> =>
  issueExternally({ authorities: authorities(urls, clock), request, subject });

const reasonOf = (outcome: ExternallyIssued): string =>
  outcome.kind === 'issued' ? 'issued' : `${outcome.kind}: ${outcome.reason}`;

describe('a node certificate', () => {
  test.each(['manager', 'worker'] as const)('of a %s is signed as asked', async (role) => {
    const wanted = { ...subject, role };
    const outcome = await issueExternally({
      authorities: authorities([await serve()]),
      request,
      subject: wanted,
    });
    if (outcome.kind !== 'issued') throw new Error(outcome.reason);
    expect(subjectOf(new X509Certificate(outcome.certificate).raw)).toEqual(wanted);
    expect(isTrusted(outcome.certificate, root.certificate)).toBe(true);
    expect(asked).toEqual([
      {
        hosts: [`swarm-${role}`, 'node-1', ...(role === 'manager' ? ['swarm-ca'] : [])],
        certificate_request: request,
        subject: { CN: 'node-1', names: [{ OU: `swarm-${role}`, O: 'cluster-1' }] },
      },
    ]);
  });

  test('is asked for over TLS: the authority proves itself, and sees which manager asks', async () => {
    const server = await certified(root, { ...subject, nodeId: 'localhost' });
    const tls = { cert: server.certificate, key: server.key, ca: root.certificate };
    const port = await listen(createHttps({ ...tls, requestCert: true }));
    let asking: string | undefined;
    respond = async (body, response, socket) => {
      const { raw } = socket.getPeerCertificate();
      asking = subjectOf(raw)?.nodeId;
      await signs(body, response, socket);
    };
    expect((await ask([`https://localhost:${port}`])).kind).toBe('issued');
    expect(asking).toBe('asking-manager');
    const stranger = await certified(fresh, { ...subject, nodeId: 'localhost' });
    const other = await listen(
      createHttps({ cert: stranger.certificate, key: stranger.key, ca: fresh.certificate }),
    );
    expect(reasonOf(await ask([`https://localhost:${other}`]))).toContain('unavailable');
    expect(asked).toHaveLength(1);
  });

  test('comes from the next authority when one fails', async () => {
    const broken = await listen(createHttp());
    servers.pop()?.close();
    expect((await ask([`http://localhost:${broken}`, await serve()])).kind).toBe('issued');
  });

  test('does not wait for authorities that are silent', async () => {
    let silent = 2;
    respond = async (body, response, socket) => {
      if (silent > 0) silent -= 1;
      else await signs(body, response, socket);
    };
    const url = await serve();
    expect((await ask([url, url, url])).kind).toBe('issued');
    expect(asked).toHaveLength(3);
  });

  test('without an authority is not to be had for now', async () => {
    expect(await ask([])).toMatchObject({ kind: 'unavailable' });
    expect(await ask(['ftp://u:secret@host'])).toMatchObject({ kind: 'refused' });
    const bad = { authorities: authorities([]), request: 'no request', subject };
    expect((await issueExternally(bad)).kind).toBe('refused');
  });
});

describe('an authority that does not do as asked is told by', () => {
  type Bad = [name: string, respond: Respond, reason: string];
  const other = (of: Partial<NodeSubject>): Respond => {
    return async (body, response) => {
      const wrong = { ...subject, ...of };
      const { certificate_request: csr } = body;
      const options = { ca: root, request: csr, subject: wrong, now, random };
      const issued = await issueCertificate(options);
      answerWith(response, issued.kind === 'issued' ? issued.certificate : '');
    };
  };
  test.each<Bad>([
    ['a status', async (_, r) => void r.writeHead(503).end('busy'), 'unavailable: .*503: busy'],
    ['nonsense', async (_, r) => void r.end('<html>'), 'unavailable: .*not as CFSSL'],
    ['other JSON', async (_, r) => void r.end('[1]'), 'unavailable: .*not as CFSSL'],
    [
      'its errors',
      async (_, r) =>
        void r.end('{"success":false,"result":null,"errors":[{"code":1,"message":"no profile"}]}'),
      'refused: .*no profile \\(1\\)',
    ],
    ['no reason', async (_, r) => void r.end('{"success":false}'), 'refused: .*no reason'],
    ['no result', async (_, r) => void r.end('{"success":true}'), 'refused: .*no reason'],
    [
      'too much',
      async (_, r) => void r.end('x'.repeat(300_000)),
      'unavailable: .*more than 262144',
    ],
    ['an end', async (_, __, s) => void s.destroy(), 'unavailable: .*does not answer'],
    ['no certificate', async (_, r) => answerWith(r, 'xx'), 'refused: .*no certificate'],
    [
      'a torn one',
      async (_, r) => answerWith(r, '-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----'),
      'refused: .*no certificate',
    ],
    ['another key', async (_, r) => answerWith(r, manager.certificate), 'refused: .*another key'],
    ['another node', other({ nodeId: 'node-2' }), 'refused: .*another subject \\(O=cluster-1, OU'],
    ['another role', other({ role: 'worker' }), 'refused: .*another subject'],
    ['another cluster', other({ clusterId: 'x' }), 'refused: .*another subject'],
  ])('%s', async (_name, bad, reason) => {
    respond = bad;
    expect(reasonOf(await ask([await serve()]))).toMatch(new RegExp(reason));
  });

  test('another root', async () => {
    respond = async (body, response) => {
      const { certificate_request: csr } = body;
      const issued = await issueCertificate({ ca: fresh, request: csr, subject, now, random });
      answerWith(response, issued.kind === 'issued' ? issued.certificate : '');
    };
    expect(reasonOf(await ask([await serve()]))).toMatch(/refused: .*does not lead to the swarm/);
  });

  test.each([
    ['a time to come', 2],
    ['a time that is over', -200],
  ])('%s', async (_name, days) => {
    respond = async (body, response) => {
      const { certificate_request: csr } = body;
      const options = {
        ca: root,
        request: csr,
        subject,
        now: later(now, days * 86_400_000),
        random,
      };
      const issued = await issueCertificate(options);
      answerWith(response, issued.kind === 'issued' ? issued.certificate : '');
    };
    expect(reasonOf(await ask([await serve()]))).toMatch(/refused: .*not valid at this time/);
  });

  test('silence, after five seconds', async () => {
    const waits: number[] = [];
    const impatient: Clock = {
      ...systemClock,
      after: (delayMs, fire) => {
        waits.push(delayMs);
        return systemClock.after(delayMs / 100, fire);
      },
    };
    respond = async () => undefined;
    expect(reasonOf(await ask([await serve()], impatient))).toMatch(/unavailable: .*within 5 s/);
    expect(waits).toEqual([5_000]);
  });
});

describe('a fresh root', () => {
  const certifies: Respond = async (_body, response) =>
    answerWith(response, await crossSign(root, fresh, now, random));

  test('is certified under the profile CA', async () => {
    respond = certifies;
    const outcome = await crossSignExternally({ authorities: authorities([await serve()]), fresh });
    if (outcome.kind !== 'issued') throw new Error(outcome.reason);
    const { certificate } = await certified(fresh, subject);
    expect(isTrusted(certificate + outcome.certificate, root.certificate)).toBe(true);
    expect(asked[0]).toMatchObject({
      profile: 'CA',
      subject: { CN: 'swarm-ca' },
      extensions: [{ id: '2.5.29.19', critical: true, value: '30060101ff020101' }],
    });
  });

  test.each<[string, () => Promise<string>, string]>([
    ['for another key', () => crossSign(root, root, now, random), 'another key'],
    ['by another root', () => crossSign(fresh, fresh, now, random), 'not issued by the old root'],
  ])('that was certified %s is not taken', async (_name, make, reason) => {
    respond = async (_body, response) => answerWith(response, await make());
    const outcome = await crossSignExternally({ authorities: authorities([await serve()]), fresh });
    expect(reasonOf(outcome)).toContain(reason);
  });
});

test('only the authorities of a root are asked to sign for it', () => {
  const cas = [
    { Protocol: 'cfssl', URL: 'https://a' },
    { Protocol: 'cfssl', URL: 'https://b', CACert: `${root.certificate}\n` },
    { Protocol: 'cfssl', URL: 'https://c', CACert: fresh.certificate },
  ] as const;
  const present = root.certificate;
  expect(externalUrls(cas, present, present)).toEqual(['https://a', 'https://b']);
  expect(externalUrls(undefined, present, present)).toEqual([]);
  // While the root rotates, one that names none signs for the old one still.
  expect(externalUrls(cas, fresh.certificate, present)).toEqual(['https://c']);
  // A certificate is the same whoever wrote its text.
  const CACert = `Bag Attributes\r\n${present.replaceAll('\n', '\r\n')}`;
  const other = [{ Protocol: 'cfssl', URL: 'https://d', Options: {}, CACert }] as const;
  expect(externalUrls(other, present, fresh.certificate)).toEqual(['https://d']);
});
