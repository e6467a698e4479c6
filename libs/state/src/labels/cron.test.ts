import { describe, expect, it } from 'vitest';
import { checkCronLabels, checkCronMode, parseSchedule } from './cron.ts';

function scheduleOf(labels: Record<string, string>) {
  const parsed = parseSchedule(labels);
  if (parsed.kind !== 'schedule') throw new Error(JSON.stringify(parsed));
  return parsed.schedule;
}

const swarmCronjob = {
  'swarm.cronjob.enable': 'true',
  'swarm.cronjob.schedule': '0 0 3 * * *',
};

describe('the labels of a schedule', () => {
  it('are no schedule when there are none', () => {
    expect(parseSchedule({ 'com.example': '1' })).toEqual({ kind: 'none' });
  });

  it('have defaults: UTC, no overlap, missed runs skipped', () => {
    expect(scheduleOf({ 'shoal.cron': '0 3 * * *' })).toMatchObject({
      text: '0 3 * * * UTC',
      overlap: 'forbid',
      missed: 'skip',
      origin: 'shoal',
    });
  });

  it('name zone and policies', () => {
    const labels = {
      'shoal.cron': '@daily',
      'shoal.cron.timezone': 'Asia/Tokyo',
      'shoal.cron.overlap': 'replace',
      'shoal.cron.missed': 'run-once',
    };
    expect(scheduleOf(labels)).toMatchObject({
      text: '@daily Asia/Tokyo',
      overlap: 'replace',
      missed: 'run-once',
    });
  });

  it('of swarm-cronjob: the run before is replaced, one replica', () => {
    expect(scheduleOf(swarmCronjob)).toMatchObject({
      overlap: 'replace',
      missed: 'skip',
      replicas: 1,
      origin: 'swarm-cronjob',
    });
  });

  it.each([
    ['1', 'forbid'],
    ['True', 'forbid'],
    ['f', 'replace'],
  ])('of swarm-cronjob: skip-running %s is overlap %s', (skip, overlap) => {
    const labels = { ...swarmCronjob, 'swarm.cronjob.skip-running': skip };
    expect(scheduleOf(labels).overlap).toBe(overlap);
  });

  it('of swarm-cronjob: replicas, and a zone within the schedule', () => {
    const labels = {
      ...swarmCronjob,
      'swarm.cronjob.schedule': 'CRON_TZ=Asia/Tokyo * * * * *',
      'swarm.cronjob.replicas': '4',
    };
    expect(scheduleOf(labels)).toMatchObject({ text: '* * * * * Asia/Tokyo', replicas: 4 });
  });

  it.each(['false', '0'])('of swarm-cronjob: enable=%s is no schedule', (enable) => {
    const labels = { 'swarm.cronjob.enable': enable, 'swarm.cronjob.schedule': 'nonsense' };
    expect(parseSchedule(labels)).toEqual({ kind: 'none' });
  });

  it.each([
    [{ 'shoal.cron': '* * * *' }, 'shoal.cron="* * * *" is invalid', 'it has not five fields'],
    [{ 'shoal.cron': '0 0 3 * * *' }, 'shoal.cron=', 'it has not five fields'],
    [{ 'shoal.cron': '60 * * * *' }, 'shoal.cron=', 'its minute is not within 0 to 59'],
    [{ 'shoal.cron': '0 3 30 2 *' }, 'shoal.cron=', 'must name a day that comes'],
    [{ 'shoal.cron': '@every 10ms' }, 'shoal.cron=', '@every needs a duration of a second or more'],
    [{ 'shoal.cron': '@reboot' }, 'shoal.cron=', 'it has not five fields'],
    [{ 'shoal.cron': 'TZ=Mars/Base 0 3 * * *' }, 'shoal.cron=', 'must name a time zone'],
    [
      { 'shoal.cron': '@daily', 'shoal.cron.timezone': 'Berlin' },
      'shoal.cron.timezone="Berlin"',
      'must be a time zone such as Europe/Berlin',
    ],
    [{ 'shoal.cron.overlap': 'never' }, 'shoal.cron.overlap=', 'must be forbid, allow or replace'],
    [{ 'shoal.cron.missed': 'all' }, 'shoal.cron.missed=', 'must be skip or run-once'],
    [{ 'swarm.cronjob.enable': 'yes' }, 'swarm.cronjob.enable=', 'must be true or false'],
    [{ 'swarm.cronjob.enable': 'true' }, 'swarm.cronjob.enable', 'needs a label'],
    [
      { ...swarmCronjob, 'swarm.cronjob.schedule': '0 0 25 * * *' },
      'swarm.cronjob.schedule=',
      'its hour is not within 0 to 23',
    ],
    [
      { ...swarmCronjob, 'swarm.cronjob.replicas': '0' },
      'swarm.cronjob.replicas="0"',
      'must be a number from 1',
    ],
    [
      { ...swarmCronjob, 'swarm.cronjob.skip-running': 'maybe' },
      'swarm.cronjob.skip-running=',
      'must be true or false',
    ],
  ])('%j is refused', (labels, ...words) => {
    const message = checkCronLabels(labels as Record<string, string>);
    for (const word of words) expect(message).toContain(word);
    expect(message).not.toContain('\n');
  });
});

describe('shoal.cron', () => {
  it.each([
    [{ Replicated: { Replicas: 1 } }, false],
    [{ Global: {} }, false],
    [{ ReplicatedJob: { MaxConcurrent: 1, TotalCompletions: 1 } }, true],
    [{ GlobalJob: {} }, true],
  ])('is for jobs: %j', (Mode, allowed) => {
    const message = checkCronMode({ Labels: { 'shoal.cron': '@daily' }, Mode });
    expect(message === undefined).toBe(allowed);
    expect(checkCronMode({ Labels: {}, Mode })).toBeUndefined();
  });
});
