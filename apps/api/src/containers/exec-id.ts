/**
 * Ids of execs on nodes of the swarm: the engine's own, then the node's id in hexadecimal digits. So every
 * manager knows where an exec is, without a memory of its own. Clients send an id back as they got it.
 */
const engineIdChars = 64;
const form = /^[0-9a-f]{64}(?:[0-9a-f]{2})+$/;
/** In what an engine answers to a new exec. */
const toldForm = /"Id"\s*:\s*"([0-9a-f]{64})"/i;

export interface ExecPlace {
  readonly nodeId: string;
  /** As the node's engine knows it. */
  readonly engineId: string;
}

/** The id that clients get. */
export function execId({ nodeId, engineId }: ExecPlace): string {
  return engineId + Buffer.from(nodeId).toString('hex');
}

/** Undefined for the id of an exec of this host's own engine, and for what is no id. */
export function execPlace(id: string): ExecPlace | undefined {
  if (!form.test(id)) return undefined;
  const nodeId = Buffer.from(id.slice(engineIdChars), 'hex').toString();
  return { nodeId, engineId: id.slice(0, engineIdChars) };
}

/** The engine's answer to a new exec on the node, with the id that clients get. */
export function withExecId(body: string, nodeId: string): string {
  const engineId = toldForm.exec(body)?.[1];
  return engineId === undefined ? body : body.replace(engineId, () => execId({ nodeId, engineId }));
}

/** The engine's answer about an exec, in which it stands by the id that the client asked with. */
export function asAsked(body: string, asked: string): string {
  return body.replaceAll(asked.slice(0, engineIdChars), () => asked);
}
