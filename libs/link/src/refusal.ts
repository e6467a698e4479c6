import { type ServerResponse, STATUS_CODES } from 'node:http';

/** Answers with a status and one sentence, in Docker's shape. */
export function refusal(response: ServerResponse, status: number, message: string): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const body = bodyOf(message);
  const type = 'application/json';
  response.writeHead(status, { 'content-type': type, 'content-length': body.length }).end(body);
}

/** A refusal as the bytes of a whole answer, for a connection that asked for another protocol. */
export function refusalBytes(status: number, message: string): Buffer {
  const body = bodyOf(message);
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    'Content-Type: application/json',
    `Content-Length: ${body.length}`,
    'Connection: close',
  ].join('\r\n');
  return Buffer.concat([Buffer.from(`${head}\r\n\r\n`), body]);
}

function bodyOf(message: string): Buffer {
  return Buffer.from(`${JSON.stringify({ message })}\n`);
}
