import type { Labels, ServiceSpec } from '../spec.ts';
import { parseExpression } from './cron-expression.ts';
import { type CronTimes, nextTime } from './cron-times.ts';
import { zoneOf } from './zone.ts';

/** When a service is to run, and how, read off its labels. */
export interface Schedule extends CronTimes {
  /** Expression and zone; equal for equal times. */
  readonly text: string;
  /** What to do when a run is due and the one before is not over. */
  readonly overlap: 'forbid' | 'allow' | 'replace';
  /** What to do with a run that nobody was there to start. */
  readonly missed: 'skip' | 'run-once';
  /** Tasks of one run of a replicated service; jobs go by their own numbers. */
  readonly replicas: number;
  /** Whose labels these are; replicated and global services may have those of `swarm-cronjob` only. */
  readonly origin: 'shoal' | 'swarm-cronjob';
}

export type ParsedSchedule =
  | { readonly kind: 'schedule'; readonly schedule: Schedule }
  | { readonly kind: 'none' }
  /** `message` is a sentence that names label, value and what is allowed. */
  | { readonly kind: 'invalid'; readonly message: string };

/** Labels of services that run by the clock. */
export const cronLabels = {
  schedule: 'shoal.cron',
  timezone: 'shoal.cron.timezone',
  overlap: 'shoal.cron.overlap',
  missed: 'shoal.cron.missed',
} as const;
const {
  schedule: cronLabel,
  timezone: timezoneLabel,
  overlap: overlapLabel,
  missed: missedLabel,
} = cronLabels;
const enableLabel = 'swarm.cronjob.enable';
const scheduleLabel = 'swarm.cronjob.schedule';
const skipLabel = 'swarm.cronjob.skip-running';
const replicasLabel = 'swarm.cronjob.replicas';

const overlaps = ['forbid', 'allow', 'replace'] as const;
const missedPolicies = ['skip', 'run-once'] as const;
/** Most tasks of one run of a replicated service. */
const replicasMax = 100_000;

/** Any instant will do to see whether a schedule ever comes: 1 January 2000. */
const anInstantMs = 946_684_800_000;

/**
 * The schedule of a service: `shoal.cron` with its settings, else the labels that `swarm-cronjob` reads.
 * Settings such as `shoal.cron.timezone` apply beside either.
 */
export function parseSchedule(labels: Labels): ParsedSchedule {
  const settings = settingsOf(labels);
  if (settings.kind === 'invalid') return settings;
  const own = labels[cronLabel];
  if (own !== undefined) {
    const { overlap = 'forbid', missed, timezone } = settings;
    const times = timesOf(cronLabel, own, timezone, 'no seconds');
    if (times.kind === 'invalid') return times;
    const { kind: _, ...rest } = times;
    return scheduled({ ...rest, overlap, missed, replicas: 1, origin: 'shoal' });
  }
  const enabled = flagOf(labels, enableLabel);
  if (typeof enabled === 'string') return invalid(enabled);
  return enabled ? swarmCronjob(labels, settings) : { kind: 'none' };
}

/** What is wrong with the labels of schedules, in one sentence. */
export function checkCronLabels(labels: Labels): string | undefined {
  const parsed = parseSchedule(labels);
  return parsed.kind === 'invalid' ? parsed.message : undefined;
}

/** `shoal.cron` on a service that never ends would mean nothing. */
export function checkCronMode({
  Labels,
  Mode,
}: Pick<ServiceSpec, 'Labels' | 'Mode'>): string | undefined {
  if (Labels[cronLabel] === undefined) return undefined;
  if (Mode.ReplicatedJob !== undefined || Mode.GlobalJob !== undefined) return undefined;
  return `label ${cronLabel} needs the mode replicated-job or global-job`;
}

interface Settings {
  readonly kind: 'settings';
  readonly timezone: string;
  readonly overlap: Schedule['overlap'] | undefined;
  readonly missed: Schedule['missed'];
}

type Invalid = ParsedSchedule & { readonly kind: 'invalid' };

function invalid(message: string): Invalid {
  return { kind: 'invalid', message };
}

function scheduled(schedule: Schedule): ParsedSchedule {
  return { kind: 'schedule', schedule };
}

function settingsOf(labels: Labels): Settings | Invalid {
  const overlap = labels[overlapLabel];
  const missed = labels[missedLabel] ?? 'skip';
  if (overlap !== undefined && !isOneOf(overlaps, overlap))
    return invalid(wrong(overlapLabel, overlap, 'must be forbid, allow or replace'));
  if (!isOneOf(missedPolicies, missed))
    return invalid(wrong(missedLabel, missed, 'must be skip or run-once'));
  const timezone = labels[timezoneLabel] ?? 'UTC';
  if (zoneOf(timezone) === undefined)
    return invalid(wrong(timezoneLabel, timezone, 'must be a time zone such as Europe/Berlin'));
  return { kind: 'settings', timezone, overlap, missed };
}

function swarmCronjob(labels: Labels, settings: Settings): ParsedSchedule {
  const { missed, timezone } = settings;
  const text = labels[scheduleLabel];
  if (text === undefined)
    return invalid(`label ${enableLabel} needs a label ${scheduleLabel} with the times`);
  const times = timesOf(scheduleLabel, text, timezone, 'seconds');
  if (times.kind === 'invalid') return times;
  const skips = flagOf(labels, skipLabel);
  if (typeof skips === 'string') return invalid(skips);
  const replicas = labels[replicasLabel] ?? '1';
  if (!/^[1-9]\d{0,5}$/.test(replicas) || Number(replicas) > replicasMax)
    return invalid(wrong(replicasLabel, replicas, `must be a number from 1 to ${replicasMax}`));
  const overlap = settings.overlap ?? (skips ? 'forbid' : 'replace');
  const { kind: _, ...rest } = times;
  return scheduled({
    ...rest,
    overlap,
    missed,
    replicas: Number(replicas),
    origin: 'swarm-cronjob',
  });
}

interface Times extends CronTimes {
  readonly kind: 'times';
  readonly text: string;
}

/** The expression may begin with its own zone, `CRON_TZ=Asia/Tokyo`, as swarm-cronjob has it. */
function timesOf(
  label: string,
  value: string,
  timezone: string,
  seconds: 'seconds' | 'no seconds',
): Times | Invalid {
  const [, prefix, bare = value] = /^\s*(?:CRON_)?TZ=(\S+)\s+(.*)$/s.exec(value) ?? [];
  const place = prefix ?? timezone;
  const zone = zoneOf(place);
  if (zone === undefined)
    return invalid(wrong(label, value, 'must name a time zone such as Europe/Berlin'));
  const expression = parseExpression(bare, seconds);
  if (expression.kind === 'invalid')
    return invalid(
      wrong(
        label,
        value,
        `must be minute hour day month weekday, or @daily and the like: ${expression.reason}`,
      ),
    );
  if (nextTime({ expression, zone }, anInstantMs) === undefined)
    return invalid(wrong(label, value, 'must name a day that comes'));
  return { kind: 'times', text: `${bare.trim()} ${place}`, expression, zone };
}

/** A truth value as Go reads it; a text says what is wrong. */
function flagOf(labels: Labels, label: string): boolean | string {
  const value = labels[label] ?? 'false';
  if (/^(1|t|T|true|True|TRUE)$/.test(value)) return true;
  if (/^(0|f|F|false|False|FALSE)$/.test(value)) return false;
  return wrong(label, value, 'must be true or false');
}

function wrong(label: string, value: string, allowed: string): string {
  return `label ${label}="${value}" is invalid: ${allowed}`;
}

function isOneOf<T extends string>(allowed: readonly T[], value: string): value is T {
  return (allowed as readonly string[]).includes(value);
}
