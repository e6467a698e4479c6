import { containerCall } from '@shoal/link';
import type { Engine, Passing } from '@shoal/link/proxy';
import { StandInIds } from '../networks/stand-in-ids.ts';
import { withoutTasks } from './list-items.ts';
import { listQuery } from './list-query.ts';

const listForm = /^(?:\/v\d+\.\d+)?\/containers\/json(?:\?|$)/;

/** Containers of this host as they are shown where it is in a swarm. */
export class ShownContainers {
  readonly #engine: Engine;
  readonly #ids: StandInIds;

  constructor(engine: Engine) {
    this.#engine = engine;
    this.#ids = new StandInIds(engine);
  }

  /** How a request for them is passed on; all others are passed as they are. */
  async passing(method: string, url: string): Promise<Passing> {
    if (method !== 'GET') return {};
    const ids = this.#ids;
    if (listForm.test(url)) {
      const { url: asked, withoutTasks: limit } = await listQuery(this.#engine, url);
      return {
        url: asked,
        change: (body) => ids.shown(limit === undefined ? body : withoutTasks(body, limit)),
      };
    }
    const call = containerCall(url);
    const isInspect = call?.of === 'container' && call.action === 'json';
    return isInspect ? { url, change: (body) => ids.shown(body) } : {};
  }
}
