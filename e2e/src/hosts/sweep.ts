import { run } from '../host/command.ts';

/** Containers and networks of the harness carry it, so that leftovers are found. */
export const machineLabel = 'shoal.e2e.machine';

/** Removes every machine and its disks, and the networks between machines. */
export async function sweep(engine: string): Promise<void> {
  const list = async (...args: readonly string[]): Promise<readonly string[]> => {
    const { stdout } = await run('docker', [
      '--host',
      engine,
      ...args,
      '--quiet',
      '--filter',
      `label=${machineLabel}`,
    ]);
    return stdout.split('\n').filter((id) => id !== '');
  };
  const containers = await list('ps', '--all');
  if (containers.length > 0) {
    await run('docker', ['--host', engine, 'rm', '--force', '--volumes', ...containers]);
  }
  const networks = await list('network', 'ls');
  if (networks.length > 0) await run('docker', ['--host', engine, 'network', 'rm', ...networks]);
}
