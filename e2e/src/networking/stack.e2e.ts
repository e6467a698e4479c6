// docker stack, with the file that Docker's own tutorials begin with.
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../host/wait.ts';
import type { Machine } from '../hosts/machine.ts';
import { deadlineMs } from '../scheduling/services.ts';
import { useSwarm } from './fleet.ts';
import { get } from './outside.ts';

const swarm = useSwarm();

const tutorial = `
version: '3'
services:
  mysql:
    image: mysql:5.7
    volumes:
      - mysql_data:/var/lib/mysql
    restart: always
    environment:
      MYSQL_ROOT_PASSWORD: mysql
      MYSQL_DATABASE: wordpress
      MYSQL_USER: wordpress
      MYSQL_PASSWORD: wordpress
  wordpress:
    depends_on:
      - mysql
    image: wordpress:php7.4
    deploy:
      mode: replicated
      replicas: 2
    ports:
      - "8080:80"
    restart: always
    environment:
      WORDPRESS_DB_HOST: mysql:3306
      WORDPRESS_DB_USER: wordpress
      WORDPRESS_DB_PASSWORD: wordpress
      WORDPRESS_DB_NAME: wordpress
volumes:
  mysql_data:
`;

/** What stands for the images: the one says that it is ready, the other answers with what the first says. */
const standIns = {
  'mysql:5.7': 'exec nc -ll -p 3306 -e echo "$MYSQL_DATABASE is ready"',
  'wordpress:php7.4': `
mkdir -p /www/cgi-bin
cat >/www/cgi-bin/index.cgi <<end
#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
exec nc \${WORDPRESS_DB_HOST%%:*} \${WORDPRESS_DB_HOST##*:} </dev/null
end
chmod 755 /www/cgi-bin/index.cgi
exec httpd -f -p 80 -h /www
`,
} as const;

async function makeImages(machine: Machine): Promise<void> {
  for (const [image, script] of Object.entries(standIns)) {
    const id = (await machine.engine('create', 'busybox')).trim();
    const command = `CMD ${JSON.stringify(['sh', '-c', script])}`;
    await machine.engine('commit', '--change', command, id, image);
    await machine.engine('rm', id);
  }
}

function deploy(
  file: string,
  stack: string,
): Promise<{ code: number; stdout: string; stderr: string }> {
  const flags = ['--compose-file', '-', '--detach=true', '--resolve-image=never'];
  return swarm().m1.tryDocker(['stack', 'deploy', ...flags, stack], { stdin: file });
}

async function replicas(stack: string): Promise<string> {
  const format = '{{.Name}} {{.Replicas}}';
  const out = await swarm().m1.docker('stack', 'services', '--format', format, stack);
  return out.trim().split('\n').sort().join(', ');
}

beforeAll(async () => {
  await Promise.all(swarm().fleet.machines.map(makeImages));
});

afterEach(async () => {
  await swarm().m1.tryDocker(['stack', 'rm', 'wordpress']);
});

describe('the tutorial of WordPress and MySQL', () => {
  test('deploys unchanged, answers on 8080 of every host, goes and comes back at once', async () => {
    const { m1, fleet } = swarm();
    for (const round of ['first', 'second']) {
      const deployed = await deploy(tutorial, 'wordpress');
      expect(deployed, round).toMatchObject({ code: 0 });
      expect(`${deployed.stderr}${deployed.stdout}`).toContain(
        'Ignoring unsupported options: restart',
      );
      for (const made of ['network wordpress_default', 'service wordpress_mysql'])
        expect(deployed.stdout).toContain(`Creating ${made}`);
      const wanted = 'wordpress_mysql 1/1, wordpress_wordpress 2/2';
      await eventually(
        `${round}: ${wanted}`,
        async () => {
          const now = await replicas('wordpress');
          if (now === wanted) return true;
          throw new Error(now);
        },
        deadlineMs,
      );
      for (const { name, address } of fleet.machines)
        await eventually(
          `${round}: the site on ${name}`,
          async () => {
            const answer = await get(address, 8080);
            if (answer.trim() === 'wordpress is ready') return true;
            throw new Error(answer);
          },
          deadlineMs,
        );
      expect(await m1.docker('stack', 'ls', '--format', '{{.Name}} {{.Services}}')).toBe(
        'wordpress 2\n',
      );
      const removed = await m1.docker('stack', 'rm', 'wordpress');
      expect(removed).toContain('Removing network wordpress_default');
    }
    await eventually(
      'nothing is left',
      async () => !(await m1.docker('network', 'ls')).includes('wordpress_default'),
      deadlineMs,
    );
  });

  test('a second deploy changes nothing; one with other values updates', async () => {
    const { m1 } = swarm();
    await deploy(tutorial, 'wordpress');
    await eventually(
      'it runs',
      async () => (await replicas('wordpress')).endsWith('2/2'),
      deadlineMs,
    );
    const ids = await m1.docker('stack', 'ps', '--quiet', '--no-trunc', 'wordpress');
    const again = await deploy(tutorial, 'wordpress');
    expect(again.stdout).toContain('Updating service wordpress_mysql');
    expect(await m1.docker('stack', 'ps', '--quiet', '--no-trunc', 'wordpress')).toBe(ids);
    await deploy(tutorial.replace('replicas: 2', 'replicas: 3'), 'wordpress');
    await eventually(
      'it has grown',
      async () => (await replicas('wordpress')).includes('wordpress_wordpress 3/3'),
      deadlineMs,
    );
  });
});
