import { type Instant, invariant, type LogIndex } from '@shoal/runtime';
import type { StateView } from '../view.ts';
import type { StateTables } from './state-tables.ts';

const sources = new WeakMap<StateView, () => StateTables>();

/** A view of whatever tables there are at each read. */
export function viewOf(
  index: () => LogIndex,
  time: () => Instant,
  tables: () => StateTables,
): StateView {
  const view: StateView = {
    get index() {
      return index();
    },
    get time() {
      return time();
    },
    get cluster() {
      return tables().cluster.only;
    },
    get nodes() {
      return tables().node;
    },
    get services() {
      return tables().service;
    },
    get revisions() {
      return tables().revision;
    },
    get tasks() {
      return tables().task;
    },
    get networks() {
      return tables().network;
    },
    get leases() {
      return tables().lease;
    },
    get volumeHomes() {
      return tables().volumeHome;
    },
    get attachments() {
      return tables().attachment;
    },
    get secrets() {
      return tables().secret;
    },
    get configs() {
      return tables().config;
    },
    get ingressPorts() {
      return tables().ingressPorts;
    },
    get vnis() {
      return tables().vnis;
    },
    addresses: (networkId) => tables().addresses(networkId),
    usage: (nodeId) => tables().usage(nodeId),
  };
  sources.set(view, tables);
  return view;
}

/** The tables that a view of {@link viewOf} shows now. */
export function tablesBehind(view: StateView): StateTables {
  const tables = sources.get(view);
  invariant(tables !== undefined, 'a view that no state made');
  return tables();
}
