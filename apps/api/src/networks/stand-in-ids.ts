import type { Engine } from '@shoal/link/proxy';
import { standIns, standsFor } from './engine-networks.ts';

/** Networks of the engine that are remembered. */
const knownMax = 4_096;
const engineIdChars = 64;
/** A member of this name in JSON as Go writes it: within a text the quotes would be escaped. */
const name = '"NetworkID":"';
const mention = new RegExp(`${name}([0-9a-f]{${engineIdChars}})"`, 'g');
const mentionChars = name.length + engineIdChars + 1;

/**
 * The swarm's ids in the places of those that stand for them on this host. The engine's ids are never used again
 * and a network keeps its label, so each is asked about once.
 */
export class StandInIds {
  readonly #engine: Engine;
  /** By the engine's id; undefined for a network that stands for none. */
  readonly #known = new Map<string, string | undefined>();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** JSON of the engine with the swarm's ids; the rest of it stays byte for byte. Holds back a mention at most. */
  async *shown(body: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    let rest = '';
    for await (const chunk of body) {
      // A character for each byte, so that a cut anywhere is none within a character.
      const text = rest + chunk.toString('latin1');
      const mentions = [...text.matchAll(mention)];
      await this.#learn(mentions.map(([, id = '']) => id));
      const last = mentions.at(-1);
      const end = Math.max(
        last === undefined ? 0 : last.index + mentionChars,
        text.length - mentionChars + 1,
      );
      rest = text.slice(end);
      const told = text.slice(0, end);
      yield Buffer.from(told.replace(mention, this.#withSwarmId), 'latin1');
    }
    yield Buffer.from(rest, 'latin1');
  }

  readonly #withSwarmId = (whole: string, id: string): string => {
    const shown = this.#known.get(id);
    return shown === undefined ? whole : `${name}${shown}"`;
  };

  /** An engine that cannot say now is asked again. */
  async #learn(ids: readonly string[]): Promise<void> {
    if (ids.every((id) => this.#known.has(id))) return;
    const told = await standIns(this.#engine).catch(() => undefined);
    if (told === undefined) return;
    if (this.#known.size > knownMax) this.#known.clear();
    for (const id of ids) this.#known.set(id, undefined);
    for (const standIn of told) this.#known.set(standIn.Id, standsFor(standIn));
  }
}
