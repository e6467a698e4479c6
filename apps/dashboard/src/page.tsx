import { render } from 'preact';
import { ChangeWatch, type Timers } from './api/changes.ts';
import { Api } from './api/client.ts';
import { keyIn } from './model/route.ts';
import { Closed, Frame } from './view/frame.tsx';
import { PartsProvider } from './view/live.tsx';

/** Calls later, and not before somebody looks at the page: one that is forgotten in a tab asks nothing. */
const timers: Timers = {
  after(ms, call) {
    const abort = new AbortController();
    const due = (): void => {
      if (!document.hidden) {
        abort.abort();
        call();
        return;
      }
      document.addEventListener('visibilitychange', due, { once: true, signal: abort.signal });
    };
    const timer = setTimeout(due, ms);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  },
};

const api = new Api({
  fetch: (...asked) => fetch(...asked),
  storage: localStorage,
  now: () => Date.now(),
});
// Only the part behind the # changes when somebody opens another address here: no new page for the browser.
addEventListener('hashchange', () => {
  if (keyIn(location.hash) !== undefined) location.reload();
});
const key = keyIn(location.hash);
// Nobody finds it in the browser's history.
if (key !== undefined) history.replaceState(undefined, '', '#/');
const why = key === undefined ? undefined : await api.open(key);

if (why === undefined) {
  const watch = new ChangeWatch(api, timers);
  render(
    <PartsProvider value={{ api, watch, timers }}>
      <Frame />
    </PartsProvider>,
    document.body,
  );
  void watch.run();
} else {
  render(<Closed why={why} />, document.body);
}
