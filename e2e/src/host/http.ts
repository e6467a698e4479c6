import { Agent, request } from 'node:http';

export interface HttpResult {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

export interface HttpCall {
  readonly method: string;
  readonly path: string;
  readonly body?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Without an answer for this long the call fails. */
  readonly timeoutMs?: number | undefined;
}

/** One HTTP request over a unix socket, on a connection of its own. */
export function httpOver(socketPath: string, call: HttpCall): Promise<HttpResult> {
  const { method, path, body, timeoutMs, headers = { 'content-type': 'application/json' } } = call;
  // Kept alive, so that who refuses a body need not cut the connection under it.
  const agent = new Agent({ keepAlive: true });
  const answered = new Promise<HttpResult>((resolve, reject) => {
    const sent = request({ socketPath, method, path, headers, agent }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => {
        text += chunk.toString();
      });
      response.on('error', reject);
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }),
      );
    });
    if (timeoutMs !== undefined) {
      sent.setTimeout(timeoutMs, () => sent.destroy(new Error(`no answer within ${timeoutMs} ms`)));
    }
    sent.on('error', reject);
    sent.end(body);
  });
  return answered.finally(() => agent.destroy());
}
