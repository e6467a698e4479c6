import { networks, services } from '../api/shapes.ts';
import { servicesIn } from '../model/cluster.ts';
import { Known, useLive, valueIn } from './live.tsx';
import { ServiceLink, Table } from './parts.tsx';
import { allServices, swarmNetworks } from './questions.ts';

/** The networks of the swarm, and who is in them. */
export function NetworksPage() {
  const found = useLive(swarmNetworks, networks);
  const known = valueIn(useLive(allServices, services)) ?? [];
  return (
    <>
      <h1>Networks</h1>
      <Known answer={found}>
        {(all) => (
          <Table
            head={['name', 'driver', 'subnets', '', 'services']}
            empty="there is no network of the swarm"
            isEmpty={all.length === 0}
          >
            {[...all]
              .sort((a, b) => (a.Name < b.Name ? -1 : 1))
              .map((network) => (
                <tr key={network.Id}>
                  <td title={network.Id}>{network.Name}</td>
                  <td>{network.Driver}</td>
                  <td>{network.IPAM.Config.map(({ Subnet }) => Subnet).join(', ')}</td>
                  <td class="quiet">
                    {[
                      network.Ingress ? 'published ports' : '',
                      network.Internal ? 'internal' : '',
                      network.Attachable ? 'attachable' : '',
                    ]
                      .filter(Boolean)
                      .join(', ')}
                  </td>
                  <td class="links">
                    {servicesIn(network, known).map(({ ID, Spec }) => (
                      <ServiceLink key={ID} id={ID} name={Spec.Name} />
                    ))}
                  </td>
                </tr>
              ))}
          </Table>
        )}
      </Known>
    </>
  );
}
