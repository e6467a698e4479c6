import { z } from 'zod';
import { taskLabel } from './list-query.ts';

const quote = 0x22;
const backslash = 0x5c;
const openers = [0x5b, 0x7b];
const closers = [0x5d, 0x7d];
const labelled = z.object({ Labels: z.record(z.string(), z.string()).nullish() });

/** A list of containers without those of tasks, `limit` of them at most. Holds one container at a time. */
export async function* withoutTasks(
  body: AsyncIterable<Buffer>,
  limit: number,
): AsyncGenerator<Buffer> {
  let told = 0;
  for await (const item of itemsOf(body)) {
    if (told >= limit || isOfTask(item)) continue;
    yield Buffer.concat([Buffer.from(told === 0 ? '[' : ','), item]);
    told += 1;
  }
  yield Buffer.from(told === 0 ? '[]\n' : ']\n');
}

function isOfTask(item: Buffer): boolean {
  const container = labelled.safeParse(JSON.parse(item.toString('utf8'))).data;
  return container?.Labels?.[taskLabel] !== undefined;
}

/** The objects in a list, as the text of each is whole. */
async function* itemsOf(body: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let begun: Buffer[] = [];
  let depth = 0;
  let isText = false;
  let isEscaped = false;
  for await (const chunk of body) {
    let from = 0;
    for (const [at, byte] of chunk.entries()) {
      if (isText) {
        if (isEscaped) isEscaped = false;
        else if (byte === backslash) isEscaped = true;
        else isText = byte !== quote;
      } else if (byte === quote) isText = true;
      else if (openers.includes(byte)) {
        depth += 1;
        if (depth === 2) from = at;
      } else if (closers.includes(byte)) {
        depth -= 1;
        if (depth !== 1) continue;
        yield Buffer.concat([...begun, chunk.subarray(from, at + 1)]);
        begun = [];
      }
    }
    if (depth > 1) begun.push(chunk.subarray(from));
  }
}
