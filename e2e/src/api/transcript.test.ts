import { expect, test } from 'vitest';
import { answerOf, type Command, parseTranscript, renderTranscript } from './transcript.ts';

const text = `# What a newcomer does.
m1$ docker service ls
| ID  NAME
m1$ docker stack deploy -c - app <<end
> services:
>
> end
! no such thing
= 1
@ 20.10
| another answer
m1? docker service ls
| 2/2
`;

test('a transcript is written as it was read', () => {
  expect(renderTranscript(parseTranscript(text))).toBe(text);
});

test('a client answers like the newest unless it has an answer of its own', () => {
  const [, list, deploy] = parseTranscript(text) as [unknown, Command, Command];
  expect(answerOf(list, '20.10')).toEqual({ code: 0, stdout: 'ID  NAME\n', stderr: '' });
  expect(answerOf(deploy, '28')).toEqual({ code: 1, stdout: '', stderr: 'no such thing\n' });
  expect(answerOf(deploy, '20.10')).toEqual({ code: 0, stdout: 'another answer\n', stderr: '' });
  expect(deploy.script).toBe('docker stack deploy -c - app <<end\nservices:\n\nend');
});

test('a line that is none of a transcript is named', () => {
  expect(() => parseTranscript('m1$ docker ps\nCONTAINER ID\n')).toThrow(
    'line 2 is none of a transcript: CONTAINER ID',
  );
});
