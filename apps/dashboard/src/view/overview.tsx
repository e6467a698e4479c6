import { audit, nodes, status, survivability } from '../api/shapes.ts';
import {
  managersStanding,
  nodesStanding,
  servicesStanding,
  stagesStanding,
} from '../model/cluster.ts';
import { lossText } from '../model/loss.ts';
import { Changes } from './changes.tsx';
import { Known, useLive, valueIn } from './live.tsx';
import { NodeLink, Section, ServiceLink, StandingLine, Table } from './parts.tsx';
import { Reserved } from './reserved.tsx';

const newestChanges = '/shoal/v1/audit?limit=8';
/** What each loss would cost takes a while to find out for many nodes, milliseconds. */
const lossesEveryMs = 10_000;

/** How the swarm stands, what is wrong first. */
export function Overview() {
  const standing = useLive('/shoal/v1/status', status);
  const hosts = valueIn(useLive('/nodes', nodes)) ?? [];
  const changes = useLive(newestChanges, audit);
  return (
    <>
      <h1>Overview</h1>
      <Known answer={standing}>
        {(now) => {
          const stages = stagesStanding(now);
          return (
            <>
              <div class="standings">
                <StandingLine standing={servicesStanding(now)} />
                <StandingLine standing={nodesStanding(hosts)} />
                <StandingLine standing={managersStanding(now)} />
                {stages === undefined ? null : <StandingLine standing={stages} />}
                {now.networks.list
                  .filter(({ problem }) => problem !== '')
                  .map(({ id, name, problem }) => (
                    <StandingLine
                      key={id}
                      standing={{ tone: 'bad', text: `network ${name}: ${problem}` }}
                    />
                  ))}
              </div>
              {now.services.unconverged.length === 0 ? null : (
                <Section title="Not as they should be">
                  <Table head={['service', 'running', 'why']} empty="" isEmpty={false}>
                    {now.services.unconverged.map(
                      ({ id, name, running: there, desired, reason }) => (
                        <tr key={id}>
                          <td>
                            <ServiceLink id={id} name={name} />
                          </td>
                          <td>
                            {there} of {desired}
                          </td>
                          <td>{reason}</td>
                        </tr>
                      ),
                    )}
                  </Table>
                </Section>
              )}
              <Reserved {...now.capacity} />
            </>
          );
        }}
      </Known>
      <Losses />
      <Section title="Newest changes" aside={<a href="#/changes">all</a>}>
        <Known answer={changes}>{({ Records }) => <Changes records={Records} />}</Known>
      </Section>
    </>
  );
}

/** What would happen if a node went, before it does. */
function Losses() {
  const losses = useLive('/shoal/v1/survivability', survivability, { everyMs: lossesEveryMs });
  return (
    <Section title="If a node were lost">
      <Known answer={losses}>
        {({ nodes: all }) => (
          <ul class="plain">
            {all.map((loss) => {
              const { tone, text } = lossText(loss);
              return (
                <li key={loss.node.id}>
                  <span class={`dot ${tone}`} aria-hidden="true" />
                  <NodeLink id={loss.node.id} name={loss.node.hostname} /> {text}
                </li>
              );
            })}
          </ul>
        )}
      </Known>
    </Section>
  );
}
