/**
 * Answers DNS queries with bytes made at the start: `node floor.ts <address> <answers>`. As little as a
 * server on Node's sockets can do, to tell what of a resolver's time is the resolver's.
 */
import { createSocket } from 'node:dgram';

const port = 53;
const headerBytes = 12;
/** A pointer to the name of the question, type A, class IN, a minute, four bytes. */
const record = Buffer.from('c00c000100010000003c00040ad30701', 'hex');
/** Response, authoritative, recursion desired and available. */
const flags = 0x8580;

const [address, answers = '1'] = process.argv.slice(2);
const many = Number(answers);
/** By the length of the first label: `web` has one answer, `tasks` many. */
const countOf = (query: Buffer): number => (query[headerBytes] === 'tasks'.length ? many : 1);
const known = new Map<number, Buffer>();

function answerTo(query: Buffer): Buffer {
  const count = countOf(query);
  const made = known.get(count);
  if (made !== undefined) return made;
  const question = query.subarray(headerBytes, query.indexOf(0, headerBytes) + 5);
  const head = Buffer.alloc(headerBytes);
  head.writeUInt16BE(flags, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(count, 6);
  const answer = Buffer.concat([head, question, ...Array.from({ length: count }, () => record)]);
  known.set(count, answer);
  return answer;
}

const socket = createSocket('udp4');
socket.on('message', (query, from) => {
  const answer = Buffer.from(answerTo(query));
  query.copy(answer, 0, 0, 2);
  socket.send(answer, from.port, from.address);
});
socket.bind(port, address);
