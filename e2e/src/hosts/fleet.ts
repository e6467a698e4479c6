import Docker from 'dockerode';
import { inject, onTestFailed } from 'vitest';
import { MachineContainer, type MachineSetup } from './container.ts';
import { Machine } from './machine.ts';
import { machineLabel, sweep } from './sweep.ts';

const network = 'shoal-machines';
const subnet = '10.78.0.0/24';
/** Machine number 1 has address 10.78.0.11. */
const addressOf = (number: number): string => `10.78.0.${10 + number}`;

type FleetSetup = Pick<MachineSetup, 'processes' | 'adjustableClock' | 'environment'>;

/** Several machines on one network, made for a suite and gone after it. */
export class Fleet {
  readonly machines: readonly Machine[];

  private constructor(machines: readonly Machine[]) {
    this.machines = machines;
  }

  /** Boots machines with these names side by side; whatever was left of others is removed first. */
  static async start(names: readonly string[], setup: FleetSetup = {}): Promise<Fleet> {
    const outerEngine = inject('outerEngine');
    // Where testcontainers looks for its engine, and what it needs to know of a suite that sweeps itself.
    process.env['DOCKER_HOST'] = outerEngine;
    process.env['TESTCONTAINERS_RYUK_DISABLED'] = 'true';
    const docker = new Docker({ socketPath: outerEngine.replace('unix://', '') });
    await sweep(outerEngine);
    await docker.createNetwork({
      Name: network,
      Labels: { [machineLabel]: network },
      IPAM: { Driver: 'default', Config: [{ Subnet: subnet }] },
    });
    const machines = await Promise.all(
      names.map(async (name, at) => {
        const address = addressOf(at + 1);
        const started = await new MachineContainer({
          ...setup,
          name,
          address,
          network,
          codeCache: inject('codeCache'),
        }).start();
        const container = docker.getContainer(started.getId());
        const pid = (await container.inspect()).State.Pid;
        return new Machine({ name, address, container, outerEngine, pid });
      }),
    );
    return new Fleet(machines);
  }

  machine(name: string): Machine {
    const found = this.machines.find((machine) => machine.name === name);
    if (found === undefined) throw new Error(`there is no machine ${name}`);
    return found;
  }

  /** No traffic between the machines of one side and those of the other, until `heal`. */
  async partition(one: readonly Machine[], other: readonly Machine[]): Promise<void> {
    await Promise.all(one.map((machine) => machine.cut(other)));
  }

  /** Ends all cuts and slowness. */
  async heal(): Promise<void> {
    const up = this.machines.filter(({ isUp }) => isUp);
    await Promise.all(up.map((machine) => machine.heal()));
  }

  /** Call it in a test: if the test fails, what the machines complained of is printed. */
  explainFailure(): void {
    onTestFailed(() => {
      for (const machine of this.machines) console.error(machine.complaints());
    });
  }

  async stop(): Promise<void> {
    await sweep(inject('outerEngine'));
  }
}
