import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import type { Task } from '../api/shapes.ts';
import { type Standing, taskText } from '../model/cluster.ts';
import { agoText } from '../model/words.ts';
import { useNow } from './live.tsx';

export function Ago({ then }: { readonly then: string }) {
  const now = useNow();
  return (
    <time dateTime={then} title={then}>
      {agoText(then, now)}
    </time>
  );
}

export function StandingLine({ standing }: { readonly standing: Standing }) {
  return (
    <p class={`standing ${standing.tone}`}>
      <span class="dot" aria-hidden="true" />
      {standing.text}
    </p>
  );
}

const toneOfState: Readonly<Record<string, Standing['tone']>> = {
  running: 'good',
  complete: 'good',
  ready: 'good',
  failed: 'bad',
  rejected: 'bad',
  orphaned: 'bad',
  down: 'bad',
  disconnected: 'bad',
};

/** A state in its colour. */
export function State({ state }: { readonly state: string }) {
  return <span class={`state ${toneOfState[state] ?? 'warning'}`}>{state}</span>;
}

/** A task's state; one that nobody wants any more is pale. */
export function TaskState({ task }: { readonly task: Task }) {
  const { State: state } = task.Status;
  if (task.DesiredState === 'shutdown' && state === 'shutdown')
    return <span class="state over">{state}</span>;
  return <State state={state} />;
}

export function TaskTrouble({ task }: { readonly task: Task }) {
  return <span class={task.Status.Err === '' ? 'quiet' : 'trouble'}>{taskText(task)}</span>;
}

export function Section({
  title,
  aside,
  children,
}: {
  readonly title: string;
  readonly aside?: ComponentChildren;
  readonly children: ComponentChildren;
}) {
  return (
    <section>
      <header>
        <h2>{title}</h2>
        {aside}
      </header>
      {children}
    </section>
  );
}

export function Table({
  head,
  children,
  empty,
  isEmpty,
}: {
  readonly head: readonly string[];
  readonly children: ComponentChildren;
  /** Said where there are no rows. */
  readonly empty: string;
  readonly isEmpty: boolean;
}) {
  if (isEmpty) return <p class="quiet">{empty}</p>;
  return (
    <div class="scroll">
      <table>
        <thead>
          <tr>
            {head.map((title) => (
              <th key={title} scope="col">
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}

/** How much of something is taken. */
export function Bar({
  label,
  part,
  whole,
  text,
}: {
  readonly label: string;
  readonly part: number;
  readonly whole: number;
  readonly text: string;
}) {
  const share = whole > 0 ? Math.min(1, part / whole) : 0;
  return (
    <div class="bar">
      <span>{label}</span>
      <meter min={0} max={1} high={0.85} value={share} aria-label={label}>
        {text}
      </meter>
      <span class="quiet">{text}</span>
    </div>
  );
}

export function Filter({
  value,
  onChange,
  label,
}: {
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly label: string;
}) {
  return (
    <input
      type="search"
      placeholder={label}
      aria-label={label}
      value={value}
      onInput={({ currentTarget }) => onChange(currentTarget.value)}
    />
  );
}

/** What does something about it. The dashboard only looks: these are typed on a manager. */
export function Commands({
  commands,
}: {
  readonly commands: readonly (readonly [string, string])[];
}) {
  return (
    <Section title="Commands">
      <ul class="commands">
        {commands.map(([command, about]) => (
          <li key={command}>
            <Copied text={command} />
            <span class="quiet">{about}</span>
          </li>
        ))}
      </ul>
    </Section>
  );
}

function Copied({ text }: { readonly text: string }) {
  const [isCopied, setCopied] = useState(false);
  // Browsers have it on 127.0.0.1 and behind TLS only.
  const copy = (): void =>
    void navigator.clipboard?.writeText(text).then(
      () => setCopied(true),
      () => undefined,
    );
  return (
    <button type="button" class="copied" title="copy" onClick={copy}>
      <code>{text}</code>
      {isCopied ? ' copied' : ''}
    </button>
  );
}

export function ServiceLink({ id, name }: { readonly id: string; readonly name: string }) {
  return <a href={`#/service/${id}`}>{name}</a>;
}

export function NodeLink({ id, name }: { readonly id: string; readonly name: string }) {
  return <a href={`#/node/${id}`}>{name}</a>;
}
