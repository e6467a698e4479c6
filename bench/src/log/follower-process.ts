/** Followers of one voter, each with a connection of its own. Told by its parent how far the log goes. */
import type { FollowResponse } from '@shoal/proto';
import { clientTo } from '@shoal/raft/service/testing';
import type { FollowersOptions, FollowersReport } from './followers.ts';

const [text] = process.argv.slice(2);
if (text === undefined) throw new Error('followers need their options');
const { addr, tls, count } = JSON.parse(text) as FollowersOptions;
const cursors = new Array<number>(count).fill(0);
let [entries, bytes] = [0, 0];
let wanted: number | undefined;

function lookWhetherReached(): void {
  if (wanted === undefined || cursors.some((cursor) => cursor < (wanted ?? 0))) return;
  wanted = undefined;
  process.send?.({ entries, bytes } satisfies FollowersReport);
  [entries, bytes] = [0, 0];
}

function take(at: number, { body }: FollowResponse): void {
  if (body?.$case === 'snapshot') {
    if (body.value.last) cursors[at] = body.value.index;
  } else {
    for (const entry of body?.value.entries ?? []) {
      cursors[at] = entry.index;
      entries += 1;
      bytes += entry.data.length;
    }
  }
  lookWhetherReached();
}

for (let at = 0; at < count; at += 1) {
  // Credentials of its own mean a connection of its own.
  const call = clientTo(addr, tls).follow({ after: 0, follower: 'bench', prompt: true });
  call.on('data', (message: FollowResponse) => take(at, message));
  call.on('error', (error) => {
    console.error(error.message);
    process.exit(1);
  });
}
process.on('message', (index: number) => {
  wanted = index;
  lookWhetherReached();
});
process.on('disconnect', () => process.exit(0));
