/** Connections of managers at once; the cluster needs a few for each. */
export const connectionsMax = 1_024;
/** Connections that have not proved to be a manager's at once: handshakes, and who asks for a certificate. */
export const strangerConnectionsMax = 256;
/** Of these, the ones of one address. */
export const strangerConnectionsPerAddressMax = 64;

/**
 * Which connections may stand. Anybody can begin one, so strangers have places of their own: they never take a
 * manager's, and one that opens many loses its own oldest before anybody else's.
 */
export class ConnectionPlaces {
  /** The address of each, oldest first. */
  readonly #strangers = new Map<string, string>();
  /** The node of each. */
  readonly #managers = new Map<string, string>();

  /** A connection begins. Returns the one that gives way to it, if one must. */
  begun(connection: string, address: string): string | undefined {
    const leaving = this.#leaving(address);
    if (leaving !== undefined) this.#strangers.delete(leaving);
    this.#strangers.set(connection, address);
    return leaving;
  }

  /** It has proved to be of this manager. False when it may not stay. */
  proved(connection: string, nodeId: string): boolean {
    if (this.#managers.size >= connectionsMax || !this.#strangers.delete(connection)) return false;
    this.#managers.set(connection, nodeId);
    return true;
  }

  ended(connection: string): void {
    this.#strangers.delete(connection);
    this.#managers.delete(connection);
  }

  /** The connections of these managers. */
  of(nodes: (nodeId: string) => boolean): readonly string[] {
    return [...this.#managers]
      .filter(([, nodeId]) => nodes(nodeId))
      .map(([connection]) => connection);
  }

  #leaving(address: string): string | undefined {
    const same = [...this.#strangers].filter(([, from]) => from === address);
    if (same.length >= strangerConnectionsPerAddressMax) return same[0]?.[0];
    if (this.#strangers.size < strangerConnectionsMax) return undefined;
    const [oldest] = this.#strangers.keys();
    return oldest;
  }
}
