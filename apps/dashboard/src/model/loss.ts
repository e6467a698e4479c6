import type { NodeLoss } from '../api/shapes.ts';
import type { Standing } from './cluster.ts';
import { countText } from './words.ts';

/** What the loss of a node would cost, in one sentence. */
export function lossText({
  moves,
  wontFitCount,
  wontFit,
  losesOnly,
  managers,
}: NodeLoss): Standing {
  if (managers?.keepsQuorum === false)
    return { tone: 'bad', text: 'takes the quorum with it: nothing could be changed' };
  const [first] = wontFit;
  if (wontFitCount > 0) {
    const why = first === undefined ? '' : ` (${first.task}: ${first.reason})`;
    return { tone: 'bad', text: `leaves ${countText(wontFitCount, 'task')} without a place${why}` };
  }
  const moved = moves === 0 ? 'moves nothing' : `moves ${countText(moves, 'task')}`;
  const volumes = losesOnly.filter(({ reason }) => reason === 'local volume');
  if (volumes.length > 0) {
    const names = volumes.map(({ service }) => service).join(', ');
    return { tone: 'warning', text: `${moved}, and takes local volumes of ${names} with it` };
  }
  if (losesOnly.length > 0) {
    const names = losesOnly.map(({ service }) => service).join(', ');
    return { tone: 'warning', text: `${moved}: until then nothing runs of ${names}` };
  }
  return { tone: 'good', text: `${moved}, and no service stands still` };
}
