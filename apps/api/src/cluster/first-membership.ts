import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { identityDirectory } from '@shoal/pki';
import type { Member, Membership } from '@shoal/raft';
import { replaceFile } from '@shoal/runtime/durable-file';
import { z } from 'zod';

const member = z.object({ id: z.int().min(1), nodeId: z.string(), addr: z.string() });
const file = z.object({
  schema: z.literal(1),
  voterId: z.int().min(1),
  voters: z.array(member),
  learners: z.array(member),
});

function pathOf(dataDir: string): string {
  return join(identityDirectory(dataDir), 'voter.json');
}

/**
 * Remembers with which membership a voter began. Its log says so only once it holds an entry about it:
 * a voter that is stopped before that must not come back as a founder of its own cluster.
 */
export async function writeFirstMembership(
  dataDir: string,
  voterId: number,
  { voters, learners }: Membership,
): Promise<void> {
  const text = JSON.stringify({ schema: 1, voterId, voters, learners });
  await replaceFile(pathOf(dataDir), `${text}\n`);
}

/** Undefined when there is none, or only that of an earlier voter of this host. */
export async function readFirstMembership(
  dataDir: string,
  voterId: number,
): Promise<Membership | undefined> {
  let text: string;
  try {
    text = await readFile(pathOf(dataDir), 'utf8');
  } catch {
    return undefined;
  }
  const parsed = file.safeParse(jsonOf(text));
  if (!parsed.success || parsed.data.voterId !== voterId) return undefined;
  const { voters, learners } = parsed.data;
  return { voters: voters.map(asMember), learners: learners.map(asMember) };
}

function asMember({ id, nodeId, addr }: z.output<typeof member>): Member {
  return { id: id as Member['id'], nodeId, addr };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
