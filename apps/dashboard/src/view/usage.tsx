import { containerStats, containerUsage } from '@shoal/docker-api/container-stats';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Api } from '../api/client.ts';
import type { Task } from '../api/shapes.ts';
import { linePath, UsageHistory, type UsageSample } from '../model/usage.ts';
import { bytesText } from '../model/words.ts';
import { useParts } from './live.tsx';
import { Section } from './parts.tsx';

const everyMs = 5_000;
/** There is nothing to see before the second look. */
const firstMs = 1_000;
/** Each is a question to a node. */
const askedMax = 40;
const width = 320;
const height = 64;

/** What tasks use together, for as long as somebody looks. */
export function Usage({ tasks }: { readonly tasks: readonly Task[] }) {
  const { api, timers } = useParts();
  const history = useRef(new UsageHistory());
  const [points, setPoints] = useState(history.current.points);
  const ids = tasks.map(({ Status }) => Status.ContainerStatus?.ContainerID ?? '').filter(Boolean);
  const asked = ids.slice(0, askedMax).sort().join(' ');
  useEffect(() => {
    if (asked === '') return;
    const abort = new AbortController();
    let cancel: () => void = () => undefined;
    const look = async (): Promise<void> => {
      const samples = await samplesOf(api, asked.split(' '), abort.signal);
      if (abort.signal.aborted) return;
      history.current.add(api.now(), samples);
      setPoints(history.current.points);
      const isFirst = history.current.points.length === 0;
      cancel = timers.after(isFirst ? firstMs : everyMs, () => void look());
    };
    void look();
    return () => {
      abort.abort();
      cancel();
    };
  }, [api, timers, asked]);
  if (asked === '') return null;
  const processors = points.map((point) => point.processors);
  const memory = points.map((point) => point.memoryBytes);
  const title = ids.length > askedMax ? `What ${askedMax} of its tasks use` : 'What its tasks use';
  return (
    <Section title={title}>
      <div class="charts">
        <Chart
          name="processors"
          values={processors}
          text={(value) => value.toFixed(2)}
          least={0.1}
        />
        <Chart name="memory" values={memory} text={bytesText} least={1024 * 1024} />
      </div>
    </Section>
  );
}

async function samplesOf(
  api: Api,
  ids: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, UsageSample>> {
  const found = await Promise.all(
    ids.map(async (id) => {
      const path = `/containers/${id}/stats?stream=0&one-shot=1`;
      const answer = await api.ask(path, containerStats, signal);
      if (answer.kind !== 'value') return [];
      const { cpuSeconds = 0, memoryBytes = 0 } = containerUsage(
        answer.value,
        Number.POSITIVE_INFINITY,
      );
      return [[id, { atMs: Date.parse(answer.value.read), cpuSeconds, memoryBytes }] as const];
    }),
  );
  return new Map(found.flat());
}

function Chart({
  name,
  values,
  text,
  least,
}: {
  readonly name: string;
  readonly values: readonly number[];
  readonly text: (value: number) => string;
  /** The scale ends no lower, so that next to nothing looks like it. */
  readonly least: number;
}) {
  const newest = values.at(-1);
  const top = Math.max(least, ...values) * 1.1;
  return (
    <figure>
      <figcaption>
        {name} <strong>{newest === undefined ? '…' : text(newest)}</strong>
      </figcaption>
      <svg
        viewBox={`0 0 ${width} ${height}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={name}
      >
        <path d={linePath(values, width, height, top)} />
      </svg>
    </figure>
  );
}
