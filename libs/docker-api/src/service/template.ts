import type { ContainerSpec } from '@shoal/state';
import { invalidArgument } from '../errors.ts';

const serviceType = 'struct { ID string; Name string; Labels map[string]string }';
const nodeType = 'struct { ID string; Hostname string; Platform template.Platform }';
const taskType = 'struct { ID string; Name string; Slot string }';

/** What a template may name, by path; the value is the Go type that a wrong member is blamed on. */
const fields: Readonly<
  Record<string, { readonly type: string; readonly members: readonly string[] }>
> = {
  '': { type: '*template.Context', members: ['Service', 'Node', 'Task'] },
  '.Service': { type: serviceType, members: ['ID', 'Name', 'Labels'] },
  '.Node': { type: nodeType, members: ['ID', 'Hostname', 'Platform'] },
  '.Node.Platform': { type: 'template.Platform', members: ['Architecture', 'OS'] },
  '.Task': { type: taskType, members: ['ID', 'Name', 'Slot'] },
};

/** Refuses templates that could never be expanded, as Swarm does by a trial expansion. */
export function checkTemplates(container: ContainerSpec): void {
  for (const mount of container.Mounts ?? []) {
    check('mounts', mount.Source);
    check('mounts', mount.Target);
  }
  for (const entry of container.Env ?? []) check('env', entry);
  check('hostname', container.Hostname);
}

function check(what: string, text: string | undefined): void {
  const problem = text === undefined ? undefined : templateProblem(text);
  if (problem !== undefined) throw invalidArgument(`expanding ${what} failed: ${problem}`);
}

/** What Go's template engine would say; undefined when the text can be expanded. */
export function templateProblem(text: string): string | undefined {
  for (let at = text.indexOf('{{'); at >= 0; at = text.indexOf('{{', at + 2)) {
    const end = text.indexOf('}}', at);
    if (end < 0) return 'template: expansion:1: unclosed action';
    const problem = actionProblem(text.slice(at + 2, end), at + 2);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function actionProblem(action: string, offset: number): string | undefined {
  if (action.trim() === '') return 'template: expansion:1: missing value for command';
  for (const match of action.matchAll(/(?<![\w)."])\.[A-Za-z_][\w.]*/g)) {
    const path = match[0];
    let parent = '';
    for (const member of path.slice(1).split('.')) {
      const known = fields[parent];
      // Below a leaf anything goes that is a map; Labels take every key.
      if (known === undefined) break;
      if (!known.members.includes(member))
        return `template: expansion:1:${offset + match.index}: executing "expansion" at <${path}>: can't evaluate field ${member} in type ${known.type}`;
      parent = `${parent}.${member}`;
    }
  }
  return undefined;
}
