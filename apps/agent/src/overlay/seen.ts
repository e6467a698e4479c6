import { z } from 'zod';

const linkAnswer = z.array(
  z.object({
    ifname: z.string().optional(),
    flags: z.array(z.string()).default([]),
    mtu: z.number().default(0),
    master: z.string().optional(),
    address: z.string().optional(),
    ifalias: z.string().optional(),
    linkinfo: z
      .object({
        info_kind: z.string().optional(),
        info_data: z
          .object({
            id: z.number().optional(),
            local: z.string().optional(),
            local6: z.string().optional(),
            port: z.number().optional(),
            learning: z.boolean().optional(),
            proxy: z.boolean().optional(),
          })
          .optional(),
      })
      .optional(),
    addr_info: z
      .array(
        z.object({
          local: z.string().optional(),
          prefixlen: z.number().optional(),
          scope: z.string().optional(),
        }),
      )
      .default([]),
  }),
);

const neighbourAnswer = z.array(
  z.object({ dst: z.string().optional(), lladdr: z.string().optional() }),
);

const forwardingAnswer = z.array(
  z.object({
    mac: z.string().optional(),
    dst: z.string().optional(),
    flags: z.array(z.string()).default([]),
  }),
);

export interface SeenTunnel {
  readonly vni: number;
  readonly dstport: number;
  readonly vtep: string;
  readonly learning: boolean;
  readonly proxy: boolean;
}

export interface SeenLink {
  readonly up: boolean;
  readonly mtu: number;
  readonly master: string | undefined;
  readonly mac: string;
  readonly alias: string | undefined;
  /** Of VXLAN devices. */
  readonly tunnel: SeenTunnel | undefined;
  /** With prefix length, without those of the link's own making. */
  readonly addresses: readonly string[];
}

/** Interfaces of a namespace by name, as `ip -j -d addr show` tells them. */
export type SeenLinks = ReadonlyMap<string, SeenLink>;

/** @throws ZodError or SyntaxError when the tool printed something else. */
export function readLinks(output: string): SeenLinks {
  const links = new Map<string, SeenLink>();
  for (const link of linkAnswer.parse(JSON.parse(output || '[]'))) {
    if (link.ifname === undefined) continue;
    const data = link.linkinfo?.info_data;
    links.set(link.ifname, {
      up: link.flags.includes('UP'),
      mtu: link.mtu,
      master: link.master,
      mac: link.address ?? '',
      alias: link.ifalias,
      tunnel:
        link.linkinfo?.info_kind !== 'vxlan'
          ? undefined
          : {
              vni: data?.id ?? 0,
              dstport: data?.port ?? 0,
              vtep: data?.local ?? data?.local6 ?? '',
              learning: data?.learning ?? false,
              proxy: data?.proxy ?? false,
            },
      addresses: link.addr_info
        .filter(({ local, scope }) => local !== undefined && scope !== 'link')
        .map(({ local, prefixlen }) => `${local}/${prefixlen}`),
    });
  }
  return links;
}

/** From address to hardware address, of `ip -j neigh show dev … nud permanent`. */
export function readNeighbours(output: string): Map<string, string> {
  const entries = neighbourAnswer.parse(JSON.parse(output || '[]'));
  return new Map(entries.map(({ dst, lladdr }) => [dst ?? '', lladdr ?? '']));
}

/** From hardware address to tunnel end, of `bridge -j fdb show dev …`. */
export function readForwarding(output: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const { mac, dst, flags } of forwardingAnswer.parse(JSON.parse(output || '[]'))) {
    if (mac !== undefined && dst !== undefined && flags.includes('self')) found.set(mac, dst);
  }
  return found;
}
