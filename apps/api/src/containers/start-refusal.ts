import { apiErrors } from '@shoal/docker-api';
import type { PassedAnswer } from '@shoal/link/proxy';

/** The end of what an engine says; newer ones put into what they failed before it. */
const missingForm = /^\{"message":"([^"\\]*)network ([^\s"\\]+) not found"\}\s*$/;

/**
 * The engine's answer to the start of a container, in a swarm. A network that the engine does not know the
 * swarm does not have either, and that is what Docker says then.
 */
export function startAnswer({ status, body }: PassedAnswer): PassedAnswer {
  const [, before = '', network] = missingForm.exec(body) ?? [];
  if (status !== 404 || network === undefined) return { status, body };
  const { status: told, message } = apiErrors.nothingToAttachTo(network);
  return { status: told, body: `${JSON.stringify({ message: before + message })}\n` };
}
