import { isDeepStrictEqual } from 'node:util';
import {
  canonical,
  imagesMax,
  type Node,
  type NodeDescription,
  nameCharsMax,
  type StateView,
} from '@shoal/state';
import { z } from 'zod';
import type { Write } from './writer.ts';

/** Longest name or digest of an image, characters. */
const imageCharsMax = 512;
/** As many as the log takes. */
const genericResourcesMax = 4_096;

const amount = z.int().nonnegative();
const name = z.string().max(nameCharsMax);
const kind = name.min(1);
const genericResource = z.object({
  NamedResourceSpec: z.object({ Kind: kind, Value: name }).optional(),
  DiscreteResourceSpec: z.object({ Kind: kind, Value: amount }).optional(),
});

/** Others send there. */
const place = z.string().refine((text) => canonical(text) === text && !text.includes('/'));

const descriptionShape = z.object({
  Hostname: name,
  Platform: z.object({ Architecture: z.string(), OS: z.string() }),
  Resources: z.object({
    NanoCPUs: amount.optional(),
    MemoryBytes: amount.optional(),
    Pids: amount.optional(),
    GenericResources: z.array(genericResource).max(genericResourcesMax).optional(),
  }),
  Engine: z.object({
    EngineVersion: z.string(),
    Labels: z.record(z.string(), z.string()).optional(),
    Plugins: z.array(z.object({ Type: z.string(), Name: z.string() })),
  }),
  // A preference looks at it, nothing more: a list that cannot be read is none.
  Images: z.array(z.string().max(imageCharsMax)).max(imagesMax).optional().catch(undefined),
  AdvertiseAddr: place.optional(),
  DataPathAddr: place.optional(),
  Encryption: z
    .object({
      PublicKey: z.string().regex(/^[A-Za-z0-9+/]{43}=$/),
      Port: z.int().min(1).max(65_535),
    })
    .optional(),
  TLSInfo: z
    .object({
      TrustRoot: z.string(),
      CertIssuerSubject: z.string(),
      CertIssuerPublicKey: z.string(),
    })
    .optional(),
});

/** Undefined when the bytes are not a node description. */
export function readDescription(bytes: Uint8Array): NodeDescription | undefined {
  try {
    const parsed = descriptionShape.safeParse(JSON.parse(Buffer.from(bytes).toString('utf8')));
    return parsed.success ? (parsed.data as NodeDescription) : undefined;
  } catch {
    return undefined;
  }
}

/** What a session proves of its node. */
export interface Presence {
  readonly nodeId: string;
  readonly description: NodeDescription;
  /** Without port. */
  readonly addr: string;
  /** Lease id of the dispatcher that holds the session. */
  readonly dispatcher: string;
}

/** Makes the state say that the node is there; writes nothing when it says so already. */
export function presenceWrite(presence: Presence, current: () => boolean): Write {
  const { nodeId, description, addr, dispatcher } = presence;
  return {
    key: `node/${nodeId}`,
    actor: { kind: 'agent', name: nodeId },
    reason: 'session registered',
    change(view: StateView) {
      const node = view.nodes.get(nodeId);
      if (node === undefined || !current()) return undefined;
      const status: Node['status'] = { state: 'ready', message: '', addr, dispatcher };
      const known =
        isDeepStrictEqual(node.status, status) && isDeepStrictEqual(node.description, description);
      if (known) return undefined;
      return { op: 'update', table: 'node', object: { ...node, description, status } };
    },
    done: () => undefined,
  };
}

const heartbeatFailure = 'heartbeat failure';
export const unknownFailure = 'heartbeat failure for node in "unknown" state';
export const dispatcherGone =
  'Node moved to "unknown" state: the dispatcher of its session is gone';

/** Says that nobody knows how the node is. Its tasks stay where they are. */
export function unknownWrite(
  nodeId: string,
  responsible: (node: Node, view: StateView) => boolean,
): Write {
  return {
    key: `node/${nodeId}`,
    actor: { kind: 'stage', name: 'dispatcher' },
    reason: dispatcherGone,
    change(view: StateView) {
      const node = view.nodes.get(nodeId);
      if (node?.status.state !== 'ready' || !responsible(node, view)) return undefined;
      const status: Node['status'] = { ...node.status, state: 'unknown', message: dispatcherGone };
      return { op: 'update', table: 'node', object: { ...node, status } };
    },
    done: () => undefined,
  };
}

/** Marks the node as down, unless somebody else holds it meanwhile. */
export function downWrite(
  nodeId: string,
  responsible: (node: Node, view: StateView) => boolean,
  done: (committed: boolean) => void,
): Write {
  return {
    key: `node/${nodeId}`,
    actor: { kind: 'stage', name: 'dispatcher' },
    reason: heartbeatFailure,
    change(view: StateView) {
      const node = view.nodes.get(nodeId);
      if (node === undefined || node.status.state === 'down') return undefined;
      if (!responsible(node, view)) return undefined;
      const message = node.status.state === 'unknown' ? unknownFailure : heartbeatFailure;
      const status: Node['status'] = { ...node.status, state: 'down', message };
      return { op: 'update', table: 'node', object: { ...node, status } };
    },
    done: (end) => done(end === 'committed'),
  };
}
