// Templates in what a service says of host name, environment and mounts.
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Swarm, sharedSwarm } from './fleet.ts';
import { createIdle, removeServices, runs } from './services.ts';

let swarm: Swarm;

beforeAll(async () => {
  swarm = await sharedSwarm();
});
beforeEach(() => swarm.fleet.explainFailure());
afterEach(() => removeServices(swarm.m1));

test('every task has its own', async () => {
  const { m1, w1 } = swarm;
  await createIdle(m1, 'web', [
    ...['--replicas=2', '--constraint=node.hostname==w1', '--label=tier=front'],
    '--hostname={{.Node.Hostname}}-{{printf "%03s" .Task.Slot}}',
    '--env=WHO={{join "/" .Service.Name .Service.Labels.tier .Node.Platform.OS}}',
    '--mount=type=volume,source=data-{{.Task.Slot}},target=/{{.Service.Name}}',
  ]);
  await runs(m1, 'web', 2);
  const containers = [...(await w1.containers('web'))].sort();
  const format = '{{.Config.Hostname}} {{range .Mounts}}{{.Name}} {{.Destination}}{{end}}';
  const seen = await Promise.all(
    containers.map(async ([, id]) => [
      (await w1.engine('inspect', '--format', format, id)).trim(),
      (await w1.engine('exec', id, 'sh', '-c', 'echo $WHO')).trim(),
    ]),
  );
  expect(seen).toEqual([
    ['w1-001 data-1 /web', 'web/front/linux'],
    ['w1-002 data-2 /web', 'web/front/linux'],
  ]);
});

test.each([
  [
    '--hostname={{.Nope}}',
    `expanding hostname failed: template: expansion:1:2: executing "expansion" at <.Nope>: can't evaluate field Nope in type *template.Context`,
  ],
  [
    '--env=A={{.Service.Labels.none}}',
    'at <.Service.Labels.none>: map has no entry for key "none"',
  ],
  ['--env=A={{env "HOME"}}', 'template: expansion:1: function "env" not defined'],
])('%s is refused when the service is created', async (flag, text) => {
  const create = ['service', 'create', '--detach', '--name=bad', flag, 'busybox'];
  const { code, stderr } = await swarm.m1.tryDocker(create);
  expect(code).toBe(1);
  expect(stderr).toContain('Error response from daemon: rpc error: code = InvalidArgument desc = ');
  expect(stderr).toContain(text);
});
