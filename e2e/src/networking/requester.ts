// Asks by HTTP for whoever started it, from the network namespace it was started in.
import { request } from 'node:http';
import type { Answer, Question } from './outside.ts';

/** One request on a connection of its own. */
function ask({ host, port, timeoutMs }: Question): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = request({ host, port, agent: false, timeout: timeoutMs }, (response) => {
      let body = '';
      response.on('data', (chunk: Buffer) => {
        body += chunk.toString();
      });
      response.on('error', reject);
      response.on('end', () => resolve(body));
    });
    sent.on('timeout', () => sent.destroy(new Error(`no answer within ${timeoutMs} ms`)));
    sent.on('error', reject);
    sent.end();
  });
}

process.on('message', (question: Question) => {
  const answer = (rest: Omit<Answer, 'id'>): void => {
    process.send?.({ id: question.id, ...rest } satisfies Answer);
  };
  ask(question).then(
    (body) => answer({ body }),
    (error: unknown) => answer({ error: String(error) }),
  );
});
process.on('disconnect', () => process.exit());
