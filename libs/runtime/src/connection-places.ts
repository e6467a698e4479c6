/** How many connections may stand at once. */
export interface ConnectionLimits {
  /** Connections that have proved which node they belong to. */
  readonly provedMax: number;
  /** Connections of one node; as many as there are at all by default. */
  readonly provedPerNodeMax?: number;
  /** Connections that have not yet proved their node; then the oldest gives way. */
  readonly strangersMax: number;
  /** Connections without proof from one address; then the oldest of them gives way. */
  readonly strangersPerAddressMax: number;
}

/**
 * Which connections of a port may stand. Anybody can begin one, so strangers have places of their own: they never take
 * those of who has proved to belong here, and one that opens many loses its own oldest before anybody else's.
 */
export class ConnectionPlaces<Connection> {
  readonly #limits: ConnectionLimits;
  /** The address of each, oldest first. */
  readonly #strangers = new Map<Connection, string>();
  /** The node of each. */
  readonly #proved = new Map<Connection, string>();
  /** How many of those each node has. */
  readonly #held = new Map<string, number>();

  constructor(limits: ConnectionLimits) {
    this.#limits = limits;
  }

  /** A connection begins. Returns the one that gives way to it, if one must. */
  begun(connection: Connection, address: string): Connection | undefined {
    // Ports are used again, perhaps before the end of who had them last is told.
    this.ended(connection);
    const leaving = this.#leaving(address);
    if (leaving !== undefined) this.#strangers.delete(leaving);
    this.#strangers.set(connection, address);
    return leaving;
  }

  /** The connection has proved to be of this node. False when it may not stay. */
  proved(connection: Connection, nodeId: string): boolean {
    const { provedMax, provedPerNodeMax = provedMax } = this.#limits;
    const held = this.#held.get(nodeId) ?? 0;
    if (this.#proved.size >= provedMax || held >= provedPerNodeMax) return false;
    if (!this.#strangers.delete(connection)) return false;
    this.#proved.set(connection, nodeId);
    this.#held.set(nodeId, held + 1);
    return true;
  }

  ended(connection: Connection): void {
    this.#strangers.delete(connection);
    const nodeId = this.#proved.get(connection);
    if (nodeId === undefined) return;
    this.#proved.delete(connection);
    const held = (this.#held.get(nodeId) ?? 0) - 1;
    if (held > 0) this.#held.set(nodeId, held);
    else this.#held.delete(nodeId);
  }

  /** The connections of these nodes. */
  of(nodes: (nodeId: string) => boolean): readonly Connection[] {
    return [...this.#proved]
      .filter(([, nodeId]) => nodes(nodeId))
      .map(([connection]) => connection);
  }

  #leaving(address: string): Connection | undefined {
    const { strangersMax, strangersPerAddressMax } = this.#limits;
    const same = [...this.#strangers].filter(([, from]) => from === address);
    if (same.length >= strangersPerAddressMax) return same[0]?.[0];
    if (this.#strangers.size < strangersMax) return undefined;
    const [oldest] = this.#strangers.keys();
    return oldest;
  }
}
