import type { Command } from 'commander';
import { z } from 'zod';
import { askApi, RefusedByApi } from '../host/docker-socket.ts';
import { CommandError, type Terminal } from '../terminal.ts';
import { socketOption } from './socket-option.ts';

const service = z.object({
  ID: z.string(),
  Version: z.object({ Index: z.number() }),
  Spec: z.looseObject({
    Name: z.string(),
    TaskTemplate: z.looseObject({ ForceUpdate: z.number().default(0) }),
  }),
});

/**
 * Replaces the tasks of services, as their updates go, or single tasks, at once. A name is a service's before it is a
 * task's. @throws CommandError
 */
export async function restart(
  names: readonly string[],
  socket: string,
  terminal: Terminal,
): Promise<void> {
  for (const name of names) {
    const place = encodeURIComponent(name);
    const found = await askApi(socket, 'GET', `/services/${place}`).catch(orNothing);
    if (found !== undefined) {
      const { ID, Version, Spec } = service.parse(found);
      const TaskTemplate = { ...Spec.TaskTemplate, ForceUpdate: Spec.TaskTemplate.ForceUpdate + 1 };
      const update = `/services/${ID}/update?version=${Version.Index}`;
      await askApi(socket, 'POST', update, { ...Spec, TaskTemplate });
      terminal.print(`the tasks of ${Spec.Name} are replaced, as by an update`);
      continue;
    }
    const task = `/shoal/v1/tasks/${place}/restart`;
    const told = await askApi(socket, 'POST', task).catch(orNothing);
    if (told === undefined)
      throw new CommandError(`there is no service ${name}, and no task: tasks are named as web.1`);
    terminal.print(`${name} stops, and another task takes its place`);
  }
}

function orNothing(error: unknown): undefined {
  if (error instanceof RefusedByApi && error.status === 404) return undefined;
  throw error;
}

/** Adds `restart`. */
export function addRestartCommand(shoal: Command, terminal: Terminal): void {
  shoal
    .command('restart')
    .description('replace single tasks, such as web.1, or all of a service, as its updates go')
    .argument('<task or service...>')
    .addOption(socketOption())
    .action((names: string[], options: { socket: string }) =>
      restart(names, options.socket, terminal),
    );
}
