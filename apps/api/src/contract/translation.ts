/** Everything in a text that the session that was recorded chose by chance. */
const chosen =
  /SWMTKN-1-[0-9a-z]{50}-[0-9a-z]{25}|SWMKEY-1-[A-Za-z0-9+/]{43}|\b[0-9a-f]{64}\b|\b[0-9a-z]{25}\b|\b10\.99\.0\.\d+(?::\d+)?/g;

/** What stands in our session for what stood in the recorded one. */
export class Translation {
  readonly #known = new Map<string, string>();
  readonly #versions = new Map<string, number>();
  /** Where our hosts listen, by recorded address. */
  readonly #address: (recorded: string) => string;

  constructor(address: (recorded: string) => string) {
    this.#address = address;
  }

  /** False when the recorded value stands for another one already. */
  learn(recorded: string, ours: string): boolean {
    const known = this.#known.get(recorded);
    if (known !== undefined) return known === ours;
    this.#known.set(recorded, ours);
    return true;
  }

  /** Notes what stands for a recorded value that may change: the newest holds. */
  relearn(recorded: string, ours: string): void {
    this.#known.set(recorded, ours);
  }

  knows(recorded: string): string | undefined {
    return this.#known.get(recorded);
  }

  learnVersion(id: string, recorded: number, ours: number): void {
    this.#versions.set(`${id}@${recorded}`, ours);
  }

  version(id: string, recorded: number): number | undefined {
    return this.#versions.get(`${id}@${recorded}`);
  }

  text(recorded: string): string {
    return recorded.replace(chosen, (value) =>
      value.startsWith('10.99.') ? this.#address(value) : (this.#known.get(value) ?? value),
    );
  }

  value(recorded: unknown): unknown {
    if (typeof recorded === 'string') return this.text(recorded);
    if (Array.isArray(recorded)) return recorded.map((each) => this.value(each));
    if (typeof recorded !== 'object' || recorded === null) return recorded;
    return Object.fromEntries(
      Object.entries(recorded).map(([key, each]) => [this.text(key), this.value(each)]),
    );
  }
}
