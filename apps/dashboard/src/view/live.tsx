import { type ComponentChildren, createContext } from 'preact';
import { useContext, useEffect, useState } from 'preact/hooks';
import type { z } from 'zod';
import type { ChangeWatch, Link, Timers } from '../api/changes.ts';
import type { Answer, Api } from '../api/client.ts';
import { Polled, type PolledOptions } from '../api/polled.ts';

/** What all parts of the page work with. */
export interface Parts {
  readonly api: Api;
  readonly watch: ChangeWatch;
  readonly timers: Timers;
}

const context = createContext<Parts | undefined>(undefined);
export const PartsProvider = context.Provider;

export function useParts(): Parts {
  const parts = useContext(context);
  if (parts === undefined) throw new Error('a part of the page outside of it');
  return parts;
}

/** The newest answer for as long as the part is shown; undefined before the first. */
export function useLive<S extends z.ZodType>(
  path: string,
  schema: S,
  options: PolledOptions = {},
): Answer<z.output<S>> | undefined {
  const parts = useParts();
  const [known, setKnown] = useState<{ path: string; answer: Answer<z.output<S>> }>();
  const { everyMs } = options;
  useEffect(() => {
    const polled = new Polled(parts, { path, schema, everyMs }, (answer) =>
      // What was known is shown on while nobody answers.
      setKnown((before) =>
        answer.kind === 'away' && before?.path === path && before.answer.kind === 'value'
          ? before
          : { path, answer },
      ),
    );
    return () => polled.stop();
  }, [parts, path, schema, everyMs]);
  return known?.path === path ? known.answer : undefined;
}

/** The value of an answer, where there is one. */
export function valueIn<T>(answer: Answer<T> | undefined): T | undefined {
  return answer?.kind === 'value' ? answer.value : undefined;
}

export function useLink(): Link {
  const { watch } = useParts();
  const [link, setLink] = useState(watch.link);
  useEffect(() => {
    // It may have become another one before somebody listened.
    setLink(watch.link);
    return watch.onLink(setLink);
  }, [watch]);
  return link;
}

const tickMs = 1_000;

/** The manager's time, anew each second. */
export function useNow(): number {
  const { api, timers } = useParts();
  const [now, setNow] = useState(() => api.now());
  useEffect(() => timers.after(tickMs, () => setNow(api.now())), [api, timers, now]);
  return now;
}

/** Shows what is known once it is, and why it is not. */
export function Known<T>({
  answer,
  children,
}: {
  readonly answer: Answer<T> | undefined;
  readonly children: (value: T) => ComponentChildren;
}) {
  if (answer === undefined) return <p class="quiet">…</p>;
  switch (answer.kind) {
    case 'value':
      return <>{children(answer.value)}</>;
    case 'refused':
      return (
        <p class="refused" role="alert">
          {answer.message}
        </p>
      );
    case 'away':
    case 'closed':
      return <p class="quiet">nobody answers</p>;
  }
}
