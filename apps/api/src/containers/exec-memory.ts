/** Execs of other nodes that are remembered; of more, the oldest are forgotten. */
export const execsMax = 10_000;

/** On which node the execs are that were made through this api. */
export class ExecMemory {
  readonly #nodes = new Map<string, string>();

  add(execId: string, nodeId: string): void {
    this.#nodes.set(execId, nodeId);
    if (this.#nodes.size <= execsMax) return;
    const [oldest] = this.#nodes.keys();
    if (oldest !== undefined) this.#nodes.delete(oldest);
  }

  node(execId: string): string | undefined {
    return this.#nodes.get(execId);
  }
}
