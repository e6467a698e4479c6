import { useEffect, useState } from 'preact/hooks';
import { status } from '../api/shapes.ts';
import { type Route, routeOf } from '../model/route.ts';
import { ChangesPage } from './changes.tsx';
import { useLink, useLive, useParts } from './live.tsx';
import { MapPage } from './map.tsx';
import { NetworksPage } from './networks.tsx';
import { NodePage } from './node.tsx';
import { NodesPage } from './nodes.tsx';
import { Overview } from './overview.tsx';
import { ServicePage } from './service.tsx';
import { ServicesPage } from './services.tsx';
import { StoredPage } from './stored.tsx';

const pages = [
  ['#/', 'Overview', ['overview']],
  ['#/map', 'Tasks on nodes', ['map']],
  ['#/services', 'Services', ['services', 'service']],
  ['#/nodes', 'Nodes', ['nodes', 'node']],
  ['#/networks', 'Networks', ['networks']],
  ['#/stored', 'Secrets and configs', ['stored']],
  ['#/changes', 'Changes', ['changes']],
] as const;

/** What is around every part of the page, and the choice of one. */
export function Frame() {
  const { api } = useParts();
  const link = useLink();
  const route = useRoute();
  const leave = (): void => void api.close().then(() => location.reload());
  if (link === 'closed') return <Closed />;
  return (
    <>
      <nav aria-label="pages">
        <strong class="brand">Shoal</strong>
        {pages.map(([href, name, kinds]) => (
          <a
            key={href}
            href={href}
            aria-current={kinds.some((kind) => kind === route.kind) ? 'page' : undefined}
          >
            {name}
          </a>
        ))}
        <button type="button" class="leave" onClick={leave}>
          Close
        </button>
      </nav>
      <main>
        {link === 'away' ? (
          <p class="banner bad" role="alert">
            Nobody answers: this is what was known last
          </p>
        ) : (
          <Stale />
        )}
        <Page route={route} />
      </main>
    </>
  );
}

/** Said while no quorum can tell what is newest. */
function Stale() {
  const answer = useLive('/shoal/v1/status', status);
  if (answer?.kind !== 'value' || !answer.stale) return null;
  return (
    <p class="banner warning" role="alert">
      This manager finds no quorum: what it shows may be old
    </p>
  );
}

function Page({ route }: { readonly route: Route }) {
  switch (route.kind) {
    case 'overview':
      return <Overview />;
    case 'map':
      return <MapPage />;
    case 'services':
      return <ServicesPage />;
    case 'service':
      return <ServicePage id={route.id} />;
    case 'nodes':
      return <NodesPage />;
    case 'node':
      return <NodePage id={route.id} />;
    case 'networks':
      return <NetworksPage />;
    case 'stored':
      return <StoredPage />;
    case 'changes':
      return <ChangesPage />;
  }
}

function useRoute(): Route {
  const [route, setRoute] = useState(() => routeOf(location.hash));
  useEffect(() => {
    const changed = (): void => {
      setRoute(routeOf(location.hash));
      scrollTo(0, 0);
    };
    addEventListener('hashchange', changed);
    return () => removeEventListener('hashchange', changed);
  }, []);
  return route;
}

/** What somebody sees whose browser has not been let in. */
export function Closed({ why }: { readonly why?: string }) {
  return (
    <main class="closed">
      <h1>Shoal</h1>
      {why === undefined ? null : (
        <p class="refused" role="alert">
          {why}
        </p>
      )}
      <p>The dashboard is not open in this browser. On this host, type</p>
      <pre>./shoal dashboard</pre>
      <p>and open the address that it prints.</p>
    </main>
  );
}
