/** One voter in a process of its own, so that it can be killed as a host is. Its options come as JSON. */
import { type StartVoterOptions, startVoter } from '@shoal/raft/service';

const [text] = process.argv.slice(2);
if (text === undefined) throw new Error('a voter needs its options');
const voter = await startVoter(JSON.parse(text) as StartVoterOptions);
voter.onExit((exit) => {
  if (exit.kind === 'failed') console.error(exit.message);
  process.exit(exit.kind === 'failed' ? 1 : 0);
});
process.stdout.write('started\n');
