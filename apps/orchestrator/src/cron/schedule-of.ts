import { isJob, parseSchedule, type Revision, type Schedule } from '@shoal/state';

const schedules = new WeakMap<Revision, Schedule | undefined>();

/**
 * The schedule that the revision's labels give its service; undefined where they give none, or a malformed
 * one. Read once for each revision. `shoal.cron` is for jobs; swarm-cronjob's labels are for every mode.
 */
export function scheduleOf(revision: Revision): Schedule | undefined {
  if (schedules.has(revision)) return schedules.get(revision);
  const parsed = parseSchedule(revision.spec.Labels);
  const found = parsed.kind === 'schedule' ? parsed.schedule : undefined;
  const schedule = found?.origin === 'shoal' && !isJob(revision.spec) ? undefined : found;
  schedules.set(revision, schedule);
  return schedule;
}
