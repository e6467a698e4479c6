import type { TaskStatuses } from '@shoal/proto';
import type { Logger } from '@shoal/runtime';
import type { StateView } from '@shoal/state';
import type { Session } from './session.ts';
import { readStatus, statusWrite } from './status-reports.ts';
import type { Write } from './writer.ts';

/**
 * Takes one message of statuses: what may be written is added, anything else is settled at once. The message
 * is acknowledged when all of it is settled, and all before it.
 */
export function takeStatuses(
  session: Session,
  { sequence, reports }: TaskStatuses,
  to: {
    readonly view: () => StateView;
    readonly logger: Logger;
    readonly add: (write: Write) => void;
  },
): void {
  const { acknowledgements, nodeId } = session;
  acknowledgements.received(sequence, reports.length);
  for (const report of reports) {
    const settled = (): void => {
      acknowledgements.settled(sequence);
      session.acknowledge();
    };
    const status = readStatus(report);
    const task = to.view().tasks.get(report.taskId);
    if (status === undefined || (task !== undefined && task.nodeId !== nodeId)) {
      const reason = status === undefined ? 'malformed' : 'not a task of the node';
      to.logger.warn({ node: nodeId, task: report.taskId, reason }, 'report_refused');
      settled();
      continue;
    }
    to.add(statusWrite(nodeId, report.taskId, status, settled));
  }
  session.acknowledge();
}
