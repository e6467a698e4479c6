import { expect, test } from 'vitest';
import { startAnswer } from './start-refusal.ts';

const attach =
  'Could not attach to network demo_net: rpc error: code = NotFound desc = network demo_net not found';

test.each([
  ['network demo_net not found', attach],
  [
    'failed to set up container networking: network demo_net not found',
    `failed to set up container networking: ${attach}`,
  ],
])('%s', (told, message) => {
  const body = `${JSON.stringify({ message: told })}\n`;
  const answer = startAnswer({ status: 404, body });
  expect([answer.status, JSON.parse(answer.body)]).toEqual([500, { message }]);
});

test.each([
  [404, '{"message":"No such container: network x not found in it"}'],
  [500, '{"message":"network x not found"}'],
  [204, ''],
])('%i %s stays as it is', (status, body) => {
  expect(startAnswer({ status, body })).toEqual({ status, body });
});
