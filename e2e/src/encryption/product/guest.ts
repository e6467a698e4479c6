/** Runs the whole product on two hosts with encrypted networks, in a machine that has nothing else. */
import { runCases } from '../run-cases.ts';
import { cases } from './cases.ts';
import { ProductWorld } from './world.ts';

const world = new ProductWorld();
await runCases(
  world,
  () => world.up(),
  cases,
  () => world.explain(),
);
