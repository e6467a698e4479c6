import type { Labels, ServiceSpec } from '../spec.ts';
import { parseSchedule } from './cron.ts';
import { parseDuration } from './duration.ts';
import { labelFault } from './fault.ts';

/** Labels of replicated services whose number of tasks follows what the tasks use. */
export const autoscaleLabels = {
  min: 'shoal.autoscale.min',
  max: 'shoal.autoscale.max',
  cpu: 'shoal.autoscale.cpu',
  memory: 'shoal.autoscale.memory',
  downAfter: 'shoal.autoscale.down-after',
  mode: 'shoal.autoscale.mode',
} as const;

/**
 * Nodes measure what tasks use once in so many milliseconds, all at the same time: when that many divide the wall
 * clock. Decisions then compare what belongs together.
 */
export const loadPeriodMs = 15_000;

/** Between how many tasks a service is kept, and by what. */
export interface Autoscale {
  readonly min: number;
  readonly max: number;
  /** Processors that one task is to keep busy on average, such as 0.7. */
  readonly processors?: number | undefined;
  /** Memory that one task is to use on average, bytes. */
  readonly memoryBytes?: number | undefined;
  /** How long fewer tasks must do before there are fewer, milliseconds. */
  readonly downAfterMs: number;
  /** Only says how many tasks there would be. */
  readonly advises: boolean;
}

export type ParsedAutoscale =
  | { readonly kind: 'autoscale'; readonly autoscale: Autoscale }
  | { readonly kind: 'none' }
  /** `message` is a sentence that names label, value and what is allowed. */
  | { readonly kind: 'invalid'; readonly message: string };

type Spec = Pick<ServiceSpec, 'Mode' | 'Labels' | 'TaskTemplate'>;

/** Most tasks that a label may name. */
const tasksMax = 100_000;
/** Long enough for the load of most services to come back. */
const downAfterDefaultMs = 300_000;
const downAfterMaxMs = 86_400_000;
const percentMax = 100_000;
const processorsMax = 10_000;
const nanosPerProcessor = 1e9;

const unitBytes: Readonly<Record<string, number>> = {
  b: 1,
  k: 2 ** 10,
  m: 2 ** 20,
  g: 2 ** 30,
  t: 2 ** 40,
};

const read = new WeakMap<Spec, ParsedAutoscale>();
const none: ParsedAutoscale = { kind: 'none' };

/** Read once for each spec. */
function parseAutoscale(spec: Spec): ParsedAutoscale {
  let parsed = read.get(spec);
  if (parsed === undefined) {
    parsed = parse(spec);
    read.set(spec, parsed);
  }
  return parsed;
}

/** What the labels ask for; undefined when they ask for nothing, or cannot be read. */
export function autoscaleOf(spec: Spec): Autoscale | undefined {
  const parsed = parseAutoscale(spec);
  return parsed.kind === 'autoscale' ? parsed.autoscale : undefined;
}

/** What is wrong with the labels, in one sentence; undefined when nothing is. */
export function checkAutoscaleLabels(spec: Spec): string | undefined {
  const parsed = parseAutoscale(spec);
  return parsed.kind === 'invalid' ? parsed.message : undefined;
}

function parse({ Mode, Labels, TaskTemplate }: Spec): ParsedAutoscale {
  const [given] = Object.values(autoscaleLabels).filter((label) => Labels[label] !== undefined);
  if (given === undefined) return none;
  if (Mode.Replicated === undefined)
    return invalid(`label ${given} is for replicated services: this one has another mode`);
  if (parseSchedule(Labels).kind === 'schedule')
    return invalid(`label ${given} does not go with a schedule, which says how many tasks run`);
  const texts = textsOf(Labels);
  const { max: maxText, min: minText = '1' } = texts;
  if (maxText === undefined)
    return invalid(`label ${given} needs a label ${autoscaleLabels.max} with the most tasks`);
  const max = tasksOf(maxText);
  const allowed = `a whole number from 1 to ${tasksMax}`;
  if (max === undefined) return invalid(labelFault(autoscaleLabels.max, maxText, allowed));
  const min = tasksOf(minText);
  if (min === undefined || min > max)
    return invalid(
      labelFault(autoscaleLabels.min, minText, `a whole number from 1 to the most, ${max}`),
    );
  return targets({ min, max }, texts, TaskTemplate.Resources?.Limits ?? {});
}

type Texts = Readonly<Partial<Record<keyof typeof autoscaleLabels, string>>>;
type Limits = NonNullable<NonNullable<Spec['TaskTemplate']['Resources']>['Limits']>;

function textsOf(labels: Labels): Texts {
  return Object.fromEntries(
    Object.entries(autoscaleLabels).map(([key, label]) => [key, labels[label]]),
  );
}

function targets(
  bounds: Pick<Autoscale, 'min' | 'max'>,
  { cpu, memory, downAfter, mode = 'on' }: Texts,
  { NanoCPUs = 0, MemoryBytes = 0 }: Limits,
): ParsedAutoscale {
  if (cpu === undefined && memory === undefined) {
    const { cpu: cpuLabel, memory: memoryLabel } = autoscaleLabels;
    return invalid(
      `label ${autoscaleLabels.max} needs a label ${cpuLabel} or ${memoryLabel} with what a task is to use`,
    );
  }
  const processors = cpu === undefined ? undefined : processorsOf(cpu, NanoCPUs);
  if (typeof processors === 'string') return invalid(processors);
  const memoryBytes = memory === undefined ? undefined : memoryOf(memory, MemoryBytes);
  if (typeof memoryBytes === 'string') return invalid(memoryBytes);
  const downAfterMs = downAfter === undefined ? downAfterDefaultMs : durationOf(downAfter);
  if (downAfterMs === undefined)
    return invalid(
      labelFault(autoscaleLabels.downAfter, downAfter ?? '', 'a duration of up to 24h such as 10m'),
    );
  if (mode !== 'on' && mode !== 'advise')
    return invalid(labelFault(autoscaleLabels.mode, mode, 'on or advise'));
  const advises = mode === 'advise';
  return {
    kind: 'autoscale',
    autoscale: { ...bounds, processors, memoryBytes, downAfterMs, advises },
  };
}

/** A number of processors; a text says what is wrong. */
function processorsOf(text: string, limitNanos: number): number | string {
  const fault = (allowed: string): string => labelFault(autoscaleLabels.cpu, text, allowed);
  const percent = percentOf(text);
  const limit = limitNanos / nanosPerProcessor;
  if (percent === undefined && !/^\d{1,5}(\.\d{1,9})?$/.test(text))
    return fault('a percentage such as 70%, or a number of processors such as 0.7');
  const processors = percent === undefined ? Number(text) : (percent / 100) * (limit || 1);
  if (processors <= 0 || processors > processorsMax)
    return fault(`more than 0 and at most ${processorsMax} processors`);
  if (limit > 0 && processors > limit) return fault(`at most --limit-cpu, which is ${limit}`);
  return processors;
}

/** Bytes; a text says what is wrong. */
function memoryOf(text: string, limit: number): number | string {
  const fault = (allowed: string): string => labelFault(autoscaleLabels.memory, text, allowed);
  const percent = percentOf(text);
  if (percent !== undefined && limit === 0)
    return fault('a size such as 400M, as the service has no --limit-memory to be a percentage of');
  const bytes = percent === undefined ? sizeOf(text) : Math.round((percent / 100) * limit);
  if (bytes === undefined || bytes <= 0)
    return fault('a percentage of --limit-memory such as 80%, or a size such as 400M');
  if (limit > 0 && bytes > limit) return fault(`at most --limit-memory, which is ${limit} bytes`);
  return bytes;
}

function percentOf(text: string): number | undefined {
  const [, number] = /^(\d{1,6}(?:\.\d{1,3})?)%$/.exec(text) ?? [];
  return number === undefined || Number(number) > percentMax ? undefined : Number(number);
}

/** Sizes as Docker's command line takes them: `400M`, `1.5g`, `64MiB`. */
function sizeOf(text: string): number | undefined {
  const [, number, unit = 'b'] =
    /^(\d{1,15}(?:\.\d{1,9})?) ?([bkmgt])?(?:i?b)?$/.exec(text.toLowerCase()) ?? [];
  const bytes = Math.floor(Number(number) * (unitBytes[unit] ?? Number.NaN));
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

function tasksOf(text: string): number | undefined {
  return /^[1-9]\d{0,5}$/.test(text) && Number(text) <= tasksMax ? Number(text) : undefined;
}

function durationOf(text: string): number | undefined {
  const parsed = parseDuration(text);
  return parsed.kind === 'duration' && parsed.ms <= downAfterMaxMs ? parsed.ms : undefined;
}

function invalid(message: string): ParsedAutoscale {
  return { kind: 'invalid', message };
}
