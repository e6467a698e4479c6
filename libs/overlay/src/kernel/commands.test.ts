// Real processes. What cannot even be started fails like what was.
import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { type Command, kernelCommands } from './commands.ts';

test('what a tool is given and says goes in and comes out', async () => {
  const outcome = await kernelCommands().run({ program: 'cat', args: [], input: 'a line' });
  expect(outcome).toEqual({ kind: 'done', stdout: 'a line' });
});

test.each<[string, Command, string]>([
  ['says why not', { program: 'sh', args: ['-c', 'echo so; echo no >&2; exit 1'] }, 'sh: no'],
  ['says nothing', { program: 'false', args: [] }, 'false: ended with code 1'],
  ['is not there', { program: 'shoal-nothing', args: [] }, 'ENOENT'],
  // Node throws for this one instead of telling of an error.
  ['is given too many words', { program: 'true', args: ['x'.repeat(200_000)] }, 'E2BIG'],
])('a tool that %s has failed', async (_what, command, message) => {
  const commands = kernelCommands();
  expect(await commands.run(command)).toMatchObject({
    kind: 'failed',
    message: expect.stringContaining(message),
  });
  expect(await commands.run({ program: 'true', args: [] })).toMatchObject({ kind: 'done' });
});

test('without a file descriptor left a tool has failed, and nothing else', () => {
  const script = `
    import { openSync } from 'node:fs';
    const { kernelCommands } = await import(process.argv[1]);
    const commands = kernelCommands(1_000);
    try {
      for (;;) openSync('/dev/null');
    } catch {}
    console.log(JSON.stringify(await commands.run({ program: 'true', args: [], input: 'a line' })));`;
  const module = new URL('./commands.ts', import.meta.url).href;
  const node = [process.execPath, '--input-type=module', '-e', script, module];
  const { stdout, stderr } = spawnSync('sh', ['-c', 'ulimit -n 64; exec "$0" "$@"', ...node], {
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  expect(JSON.parse(stdout)).toMatchObject({
    kind: 'failed',
    message: expect.stringContaining('EMFILE'),
  });
});
