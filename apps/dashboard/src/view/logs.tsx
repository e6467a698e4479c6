import { useEffect, useRef, useState } from 'preact/hooks';
import type { Service, Task } from '../api/shapes.ts';
import { byId, matches, taskName } from '../model/cluster.ts';
import { type LogEntry, LogFrames, type LogLine, logEntry } from '../model/log-frames.ts';
import { useParts } from './live.tsx';
import { Filter, Section } from './parts.tsx';

const linesMax = 2_000;
const tail = 100;
/** Of the end: who is so near reads what comes. */
const nearPixels = 40;

type Shown = LogEntry & Pick<LogLine, 'stream'> & { readonly number: number };

/** The newest lines of all tasks of a service, and those that come. */
export function Logs({
  id,
  service,
  tasks,
}: {
  readonly id: string;
  readonly service: Service;
  readonly tasks: readonly Task[];
}) {
  const [isOpen, open] = useState(false);
  return (
    <Section
      title="Logs"
      aside={
        <button type="button" onClick={() => open(!isOpen)}>
          {isOpen ? 'stop' : 'follow'}
        </button>
      }
    >
      {isOpen ? <Followed id={id} names={namesOf(service, tasks)} /> : null}
    </Section>
  );
}

function namesOf(service: Service, tasks: readonly Task[]): ReadonlyMap<string, string> {
  const known = byId([service]);
  return new Map(tasks.map((task) => [task.ID, taskName(task, known, new Map())]));
}

function Followed({
  id,
  names,
}: {
  readonly id: string;
  readonly names: ReadonlyMap<string, string>;
}) {
  const { api } = useParts();
  const [filter, setFilter] = useState('');
  const [lines, setLines] = useState<readonly Shown[]>([]);
  const [ended, setEnded] = useState('');
  const list = useRef<HTMLOListElement>(null);
  const isAtEnd = useRef(true);
  useEffect(() => {
    const abort = new AbortController();
    let number = 0;
    const add = (found: readonly LogLine[]): void => {
      const more = found.map(({ stream, text }) => {
        number += 1;
        return { ...logEntry(text), stream, number };
      });
      setLines((before) => [...before, ...more].slice(-linesMax));
    };
    const query = `stdout=1&stderr=1&follow=1&timestamps=1&details=1&tail=${tail}`;
    void follow(api.stream(`/services/${id}/logs?${query}`, abort.signal), add).then((why) => {
      if (!abort.signal.aborted) setEnded(why);
    });
    return () => abort.abort();
  }, [api, id]);
  // Who scrolls up to read is left there.
  useEffect(() => {
    if (list.current !== null && isAtEnd.current)
      list.current.scrollTop = list.current.scrollHeight;
  }, [lines]);
  const shown = lines.filter(({ text, taskId }) => matches(filter, text, names.get(taskId) ?? ''));
  return (
    <>
      <Filter value={filter} onChange={setFilter} label="only lines with" />
      <ol
        class="logs"
        aria-label="log lines"
        ref={list}
        onScroll={({ currentTarget: { scrollHeight, scrollTop, clientHeight } }) => {
          isAtEnd.current = scrollHeight - scrollTop - clientHeight < nearPixels;
        }}
      >
        {shown.map(({ number, at, stream, taskId, text }) => (
          <li key={number} class={stream}>
            <span class="quiet" title={at}>
              {names.get(taskId) ?? taskId}
            </span>{' '}
            {text}
          </li>
        ))}
        <li class="quiet">{ended}</li>
      </ol>
    </>
  );
}

/** Reads to the end; gives the reason for it. */
async function follow(
  opening: ReturnType<ReturnType<typeof useParts>['api']['stream']>,
  add: (lines: readonly LogLine[]) => void,
): Promise<string> {
  const stream = await opening;
  if (stream === undefined) return 'the logs of this service cannot be read now';
  const frames = new LogFrames();
  try {
    for await (const piece of stream.body) add(frames.add(piece));
    return 'the log has ended';
  } catch (error) {
    return error instanceof RangeError ? `this is no log: ${error.message}` : 'the log broke off';
  }
}
