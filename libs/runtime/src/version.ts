/** Version of the product, as processes, `Server` headers and `/version` show it. */
export const version = '0.1.0';
