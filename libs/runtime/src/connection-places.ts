/** How many connections may stand at once. */
export interface ConnectionLimits {
  /** Connections that have proved which node they belong to. */
  readonly provedMax: number;
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

  constructor(limits: ConnectionLimits) {
    this.#limits = limits;
  }

  /** A connection begins. Returns the one that gives way to it, if one must. */
  begun(connection: Connection, address: string): Connection | undefined {
    const leaving = this.#leaving(address);
    if (leaving !== undefined) this.#strangers.delete(leaving);
    this.#strangers.set(connection, address);
    return leaving;
  }

  /** The connection has proved to be of this node. False when it may not stay. */
  proved(connection: Connection, nodeId: string): boolean {
    const { provedMax } = this.#limits;
    if (this.#proved.size >= provedMax || !this.#strangers.delete(connection)) return false;
    this.#proved.set(connection, nodeId);
    return true;
  }

  ended(connection: Connection): void {
    this.#strangers.delete(connection);
    this.#proved.delete(connection);
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
