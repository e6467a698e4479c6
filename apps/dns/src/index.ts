export { Dns, type DnsOptions } from './dns.ts';
