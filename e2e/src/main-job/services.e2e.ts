// The walk every newcomer takes, with the real docker CLI, in the README's order.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Host } from '../host/host.ts';
import { eventually } from '../host/wait.ts';

let host: Host;

beforeAll(async () => {
  host = await Host.create('services');
});

afterAll(async () => {
  await host.destroy();
});

describe('a new host', () => {
  test('up starts everything and says what to do next', async () => {
    const out = await host.up();
    expect(out).toContain(`export DOCKER_HOST=unix://${host.socket}`);
    expect(out).toContain('docker swarm init');
  });

  test('a second up changes nothing', async () => {
    const before = await host.status();
    expect(before.length).toBeGreaterThanOrEqual(6);
    expect(await host.up()).toMatch(/already running/i);
    const after = await host.status();
    expect(after.map((row) => row.pid)).toEqual(before.map((row) => row.pid));
  });

  test.each([
    ['service', 'ls'],
    ['node', 'ls'],
    ['service', 'create', 'busybox'],
  ])('docker %s %s answers as outside of a swarm', async (...command) => {
    const result = await host.tryDocker(command);
    expect(result.code).toBe(1);
    expect(result.stderr).toContain(
      'Error response from daemon: This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.',
    );
  });

  test('docker swarm init prints what users know', async () => {
    const out = await host.init();
    expect(out).toMatch(
      /^Swarm initialized: current node \([0-9a-z]{25}\) is now a manager\.\n\nTo add a worker to this swarm, run the following command:\n\n {4}docker swarm join --token SWMTKN-1-[0-9a-z]{50}-[0-9a-z]{25} 127\.0\.0\.1:\d+\n\nTo add a manager to this swarm, run 'docker swarm join-token manager' and follow the instructions\.\n/,
    );
  });

  test('docker swarm init a second time is refused', async () => {
    const again = await host.tryDocker(['swarm', 'init', '--advertise-addr=127.0.0.1']);
    expect(again.code).toBe(1);
    expect(again.stderr).toContain(
      'This node is already part of a swarm. Use "docker swarm leave" to leave this swarm and join another one.',
    );
  });

  test('docker node ls shows this node, ready and leader', async () => {
    const out = await eventually('the node is ready', async () => {
      const text = await host.docker('node', 'ls');
      return text.includes('Ready') && text;
    });
    expect(out).toMatch(/^ID +HOSTNAME +STATUS +AVAILABILITY +MANAGER STATUS +ENGINE VERSION\n/);
    expect(out).toMatch(/\n[0-9a-z]{25} \* +\S+ +Ready +Active +Leader +\d+\.\d+\.\d+/);
  });

  test('docker info names the swarm', async () => {
    const out = await host.docker('info');
    expect(out).toMatch(/Swarm: active/);
    expect(out).toMatch(/Is Manager: true/);
    expect(out).toMatch(/Managers: 1\n\s+Nodes: 1/);
  });
});

describe('a service', () => {
  test('create follows progress until it has converged', async () => {
    const out = await host.docker(
      ...['service', 'create', '--name', 'web', '--replicas', '3', '--stop-grace-period=1s'],
      ...['busybox', 'sh', '-c', 'echo hello from $HOSTNAME; exec httpd -f -p 8000'],
    );
    expect(out).toMatch(/^[0-9a-z]{25}\n/);
    expect(out).toContain('overall progress: 0 out of 3 tasks');
    expect(out).toContain('overall progress: 3 out of 3 tasks');
    expect(out).toMatch(/verify: Service (\S+ )?converged/);
  });

  test('ls, ps and inspect show it', async () => {
    expect(await host.docker('service', 'ls')).toMatch(
      /ID +NAME +MODE +REPLICAS +IMAGE +PORTS\n[0-9a-z]{12} +web +replicated +3\/3 +busybox:latest/,
    );
    const ps = await host.docker('service', 'ps', 'web');
    expect(ps).toMatch(/ID +NAME +IMAGE +NODE +DESIRED STATE +CURRENT STATE +ERROR +PORTS\n/);
    for (const slot of [1, 2, 3]) {
      expect(ps).toMatch(new RegExp(`web\\.${slot} +busybox:latest +\\S+ +Running +Running`));
    }
    const pretty = await host.docker('service', 'inspect', '--pretty', 'web');
    expect(pretty).toMatch(
      /^\nID:\t\t[0-9a-z]{25}\nName:\t\tweb\nService Mode:\tReplicated\n Replicas:\t3\n/,
    );
    expect(pretty).toContain(
      'UpdateConfig:\n Parallelism:\t1\n On failure:\tpause\n Monitoring Period: 5s\n',
    );
    expect(pretty).toContain(' Image:\t\tbusybox:latest');
  });

  test('logs come from every task, named', async () => {
    const logs = await eventually('a line of each task', async () => {
      const text = await host.docker('service', 'logs', 'web');
      return text.trim().split('\n').length >= 3 && text;
    });
    for (const slot of [1, 2, 3]) {
      expect(logs).toMatch(new RegExp(`web\\.${slot}\\.[0-9a-z]{12}@\\S+ +\\| hello from`));
    }
  });

  test('docker ps names containers after their tasks, and exec reaches them', async () => {
    const names = (await host.docker('ps', '--format', '{{.Names}}')).trim().split('\n');
    const web = names.filter((name) => /^web\.[123]\.[0-9a-z]{25}$/.test(name));
    expect(web).toHaveLength(3);
    const shell = await host.tryDocker(['exec', '-i', web[0] ?? '', 'sh', '-c', 'cat; exit 7'], {
      stdin: 'through the proxy\n',
    });
    expect(shell).toMatchObject({ code: 7, stdout: 'through the proxy\n' });
  });

  test('scale up and down', async () => {
    const up = await host.docker('service', 'scale', 'web=5');
    expect(up).toMatch(/^web scaled to 5\n/);
    expect(up).toMatch(/verify: Service (\S+ )?converged/);
    expect((await host.containers('web')).size).toBe(5);
    await host.docker('service', 'scale', 'web=2');
    await host.converged('web', '2/2');
    await eventually('two containers left', async () => (await host.containers('web')).size === 2);
  });

  test('update replaces every task, one by one, and says so', async () => {
    const before = await host.containers('web');
    const out = await host.docker(
      'service',
      'update',
      '--env-add',
      'A=1',
      '--update-monitor=1s',
      'web',
    );
    expect(out).toMatch(/verify: Service (\S+ )?converged/);
    const after = await host.containers('web');
    expect(after.size).toBe(2);
    for (const name of after.keys()) expect(before.has(name)).toBe(false);
    const [first] = after.values();
    expect(await host.docker('exec', first ?? '', 'env')).toContain('A=1');
    expect(
      await host.docker(
        'service',
        'inspect',
        '-f',
        '{{.UpdateStatus.State}} {{.UpdateStatus.Message}}',
        'web',
      ),
    ).toBe('completed update completed\n');
  });

  test('rollback goes back to the spec before', async () => {
    await host.docker('service', 'rollback', 'web');
    const [first] = (await host.containers('web')).values();
    expect(await host.docker('exec', first ?? '', 'env')).not.toContain('A=1');
  });

  test('a label alone replaces nothing', async () => {
    const before = await host.containers('web');
    await host.docker('service', 'update', '-d', '--label-add', 'team=a', 'web');
    expect(await host.docker('service', 'inspect', '-f', '{{.Spec.Labels.team}}', 'web')).toBe(
      'a\n',
    );
    await host.converged('web', '2/2');
    expect([...(await host.containers('web')).keys()].sort()).toEqual([...before.keys()].sort());
  });

  test('stop takes its tasks away, and start brings them back', async () => {
    const { stdout: replicas } = await host.tryDocker([
      ...['service', 'inspect', '--format', '{{.Spec.Mode.Replicated.Replicas}}', 'web'],
    ]);
    expect((await host.asking('stop', 'web')).stdout).toBe('web stops\n');
    await host.converged('web', '0/0');
    await eventually('no container', async () => (await host.containers('web')).size === 0);
    expect((await host.asking('stop', 'web')).stderr).toContain('web is stopped already');
    expect((await host.asking('explain', 'web')).stdout).toContain(
      'stopped by label shoal.stopped',
    );
    // Nobody waits for tasks that are not to come.
    await host.docker('service', 'update', '--label-add', 'a=b', 'web');
    expect((await host.asking('start', 'web')).stdout).toBe('web starts\n');
    await host.converged('web', `${replicas.trim()}/${replicas.trim()}`);
  });

  test('a container removed by hand is replaced within seconds', async () => {
    await host.docker('service', 'update', '-d', '--restart-delay=1s', 'web');
    await host.converged('web', '2/2');
    const update = await eventually('the update is over', async () => {
      const state = await host.docker('service', 'inspect', '-f', '{{.UpdateStatus.State}}', 'web');
      return state.startsWith('completed');
    });
    expect(update).toBe(true);
    const [name, id] = [...(await host.containers('web'))][0] ?? ['', ''];
    await host.docker('rm', '-f', id);
    await eventually(
      'a replacement runs',
      async () => {
        const now = await host.containers('web');
        return now.size === 2 && !now.has(name);
      },
      10_000,
    );
    const ps = await host.docker(
      'service',
      'ps',
      'web',
      '--format',
      '{{.Name}} {{.DesiredState}} {{.CurrentState}}',
    );
    expect(ps).toMatch(/web\.\d Shutdown Failed/);
  });

  test('rm removes the service, its tasks and their containers', async () => {
    expect(await host.docker('service', 'rm', 'web')).toBe('web\n');
    expect((await host.tryDocker(['service', 'inspect', 'web'])).stderr).toContain(
      'no such service: web',
    );
    await eventually('no container left', async () => (await host.containers('web')).size === 0);
    await eventually(
      'no task left',
      async () => (await host.http('GET', '/tasks')).body.trim() === '[]',
    );
  });
});

describe('what a task reports', () => {
  test('an image that is nowhere rejects the task with the reason', async () => {
    await host.docker(
      'service',
      'create',
      '-d',
      '--name',
      'ghost',
      '--restart-condition=none',
      'no-such:image',
    );
    await eventually('the reason is shown', async () =>
      (await host.docker('service', 'ps', '--no-trunc', 'ghost')).includes(
        'No such image: no-such:image',
      ),
    );
    await host.docker('service', 'rm', 'ghost');
  });

  test('an exit code is told, and on-failure leaves a clean exit alone', async () => {
    await host.docker(
      ...[
        'service',
        'create',
        '-d',
        '--name',
        'three',
        '--restart-condition=none',
        'busybox',
        'sh',
        '-c',
        'exit 3',
      ],
    );
    await eventually('exit code in ps', async () =>
      (await host.docker('service', 'ps', '--no-trunc', 'three')).includes(
        'task: non-zero exit (3)',
      ),
    );
    await host.docker(
      ...[
        'service',
        'create',
        '-d',
        '--name',
        'done',
        '--restart-condition=on-failure',
        'busybox',
        'true',
      ],
    );
    await eventually('complete', async () =>
      (await host.docker('service', 'ps', 'done')).includes('Complete'),
    );
    await host.docker('service', 'rm', 'three', 'done');
  });

  test('a reservation no node has is explained', async () => {
    await host.docker(
      'service',
      'create',
      '-d',
      '--name',
      'huge',
      '--reserve-memory=900g',
      'busybox',
      'sleep',
      '1d',
    );
    await eventually('why it waits', async () =>
      (await host.docker('service', 'ps', '--no-trunc', 'huge')).includes(
        'no suitable node (insufficient resources on 1 node)',
      ),
    );
    await host.docker('service', 'rm', 'huge');
  });

  test('a host-mode port is published, and a second holder waits for it', async () => {
    await host.docker(
      ...['service', 'create', '--name', 'hp', '-p', 'published=18080,target=8000,mode=host'],
      ...['--stop-grace-period=1s', 'busybox', 'httpd', '-f', '-p', '8000'],
    );
    const ps = await host.docker('service', 'ps', 'hp');
    expect(ps).toMatch(/\*:18080->8000\/tcp/);
    await host.docker('service', 'scale', '-d', 'hp=2');
    await eventually('the second waits', async () =>
      (await host.docker('service', 'ps', '--no-trunc', 'hp')).includes(
        'host-mode port already in use on 1 node',
      ),
    );
    await host.docker('service', 'rm', 'hp');
  });

  test('labels of its container say what docker run has flags for', async () => {
    const labels = (...pairs: readonly string[]): string[] =>
      pairs.map((pair) => `--container-label=shoal.${pair}`);
    const basics = ['--detach', '--name=bare', '--stop-signal=KILL'];
    await host.docker(
      ...['service', 'create', ...basics],
      ...labels('shm-size=8m', 'devices=/dev/null:/dev/nothing', 'pid=host'),
      ...labels('security-opt=seccomp=unconfined'),
      ...['busybox', 'sleep', '1d'],
    );
    await host.converged('bare', '1/1');
    const inside = async (...command: readonly string[]): Promise<string> => {
      const [id = ''] = [...(await host.containers('bare')).values()];
      return (await host.tryDocker(['exec', id, ...command])).stdout;
    };
    expect(await inside('df', '-k', '/dev/shm')).toMatch(/^shm +8192 /m);
    expect(await inside('stat', '-c', '%F', '/dev/nothing')).toBe('character special file\n');
    expect(await inside('grep', 'Seccomp:', '/proc/self/status')).toBe('Seccomp:\t0\n');
    expect(await inside('sh', '-c', 'test $$ -gt 100 && echo many')).toBe('many\n');
    const smaller = [
      '--container-label-rm=shoal.shm-size',
      '--container-label-add=shoal.shm-size=4m',
    ];
    await host.docker('service', 'update', '--detach', ...smaller, 'bare');
    await eventually('a task with less memory to share', async () =>
      /^shm +4096 /m.test(await inside('df', '-k', '/dev/shm')),
    );
    const wrong = await host.tryDocker([
      ...['service', 'create', ...labels('shm-size=much'), 'busybox'],
    ]);
    expect(wrong.stderr).toContain('must be a size above 0 such as 256m or 1g');
    const misplaced = await host.docker(
      ...['service', 'create', '--detach', '--name=idle', '--replicas=0'],
      ...['--label=shoal.privileged=true', 'busybox'],
    );
    expect(misplaced).not.toBe('');
    await host.docker('service', 'rm', 'bare', 'idle');
  });
});
