/** Version of this process, as `Server` headers and `/version` show it. */
export const version = '0.1.0';
