import type { Instant } from '@shoal/runtime';
import {
  countsAsReplica,
  type GenericResource,
  type Network,
  type Revision,
  type StateView,
  serviceLabels,
} from '@shoal/state';
import type { Candidate } from './candidate.ts';
import type { Needs } from './filters/filter.ts';
import { Pipeline } from './filters/pipeline.ts';
import type { Ledger } from './ledger.ts';
import { hasPolicyLabel, PolicyBook } from './policies/book.ts';
import { descriptorsOf, Survey } from './survey.ts';
import { Terrain } from './terrain.ts';

/** Kinds of ground that are remembered: sets of constraints, platforms and preferences in use. */
const terrainsMax = 32;
/** What the surveys of all revisions may take, bytes. */
const surveyBytesMax = 128 * 2 ** 20;

/**
 * All nodes as a step sees them, and what is known about them from the steps before: kept up to date
 * from the ledger's journal when it is asked for, and forgotten when it is not.
 */
export class Board {
  readonly ledger: Ledger;
  readonly policies = new PolicyBook();
  now = 0 as Instant;
  #view: StateView;
  readonly #terrains = new Map<string, Terrain>();
  /** The one asked for last: many services in a row ask for the same. */
  #lastTerrain: { readonly key: string; readonly terrain: Terrain } | undefined;
  readonly #surveys = new Map<string, Survey>();
  /** The one asked for last: a group asks many times in a row. */
  #pipeline: Pipeline | undefined;
  /** Services with preferences that this step has looked at. */
  readonly #spread = new Set<string>();
  #surveyBytes = 0;
  /** Position of the journal up to which {@link changedNodes} has told. */
  #told = 0;

  constructor(view: StateView, ledger: Ledger) {
    this.#view = view;
    this.ledger = ledger;
  }

  get view(): StateView {
    return this.#view;
  }

  /** A step begins. */
  begin(view: StateView, now: Instant): void {
    this.#view = view;
    this.now = now;
    this.#pipeline = undefined;
    this.#spread.clear();
  }

  /** Nothing that was known of the nodes holds any more. */
  forget(): void {
    this.#terrains.clear();
    this.#lastTerrain = undefined;
    this.#surveys.clear();
    this.#pipeline = undefined;
    this.#surveyBytes = 0;
  }

  candidate(nodeId: string): Candidate | undefined {
    return this.ledger.candidate(nodeId);
  }

  all(): Iterable<Candidate> {
    return this.ledger.all();
  }

  /** Ids of the nodes that changed since this was last asked. */
  changedNodes(): Iterable<string> {
    const { journal } = this.ledger;
    const ids = new Set<string>();
    if (journal.since(this.#told) === undefined)
      for (const { id } of this.ledger.all()) ids.add(id);
    else journal.read(this.#told, ({ id }) => ids.add(id));
    this.#told = journal.position;
    return ids;
  }

  /** Counts a task of the revision in on the node; returns the generic resources it is given. */
  place(candidate: Candidate, revision: Revision): readonly GenericResource[] | undefined {
    return this.ledger.place(candidate, revision);
  }

  /** Whether any node has an active task of the service, or may have one after this step. */
  hasTasksOf(serviceId: string): boolean {
    if (this.#spread.has(serviceId)) return true;
    this.#spread.add(serviceId);
    for (const task of this.#view.tasks.byService(serviceId))
      if (countsAsReplica(task)) return true;
    return false;
  }

  needs(revision: Revision): Needs {
    return this.pipeline(revision).needs;
  }

  pipeline(revision: Revision): Pipeline {
    if (this.#pipeline?.needs.revision !== revision) {
      const networks = networksOf(this.#view, revision);
      const { policies } = this;
      const plain = this.#isPlain(revision);
      this.#pipeline = new Pipeline({ view: this.#view, revision, networks, policies, plain });
    }
    return this.#pipeline;
  }

  #isPlain(revision: Revision): boolean {
    if (!this.policies.isEmpty || hasPolicyLabel(this.#view.cluster?.spec.Labels)) return false;
    return !hasPolicyLabel(serviceLabels(this.#view, revision));
  }

  /** The ground that the revision asks for, up to date. */
  terrain(revision: Revision): Terrain {
    const pipeline = this.pipeline(revision);
    const descriptors = descriptorsOf(revision);
    const key =
      descriptors.length === 0
        ? pipeline.terrain
        : `${pipeline.terrain}\0\0${descriptors.join('\n')}`;
    const last = this.#lastTerrain;
    const known = last?.key === key ? last.terrain : this.#terrains.get(key);
    const terrain = known?.catchUp() ? known : new Terrain(this.ledger, pipeline, descriptors);
    if (terrain === last?.terrain) return terrain;
    this.#lastTerrain = { key, terrain };
    remember(this.#terrains, key, terrain);
    if (this.#terrains.size > terrainsMax) dropOldest(this.#terrains);
    return terrain;
  }

  hasSurvey(revision: Revision): boolean {
    return this.#surveys.has(revision.id);
  }

  /** All that the revision has to know of the nodes, up to date. */
  survey(revision: Revision): Survey {
    const known = this.#surveys.get(revision.id);
    if (known?.catchUp()) {
      remember(this.#surveys, revision.id, known);
      return known;
    }
    if (known !== undefined) this.forgetSurvey(revision.id);
    const survey = new Survey(this.ledger, this.pipeline(revision), revision);
    this.#surveys.set(revision.id, survey);
    this.#surveyBytes += survey.size;
    while (this.#surveyBytes > surveyBytesMax && this.#surveys.size > 1)
      this.forgetSurvey(this.#surveys.keys().next().value ?? '');
    return survey;
  }

  forgetSurvey(revision: string): void {
    const survey = this.#surveys.get(revision);
    if (survey === undefined) return;
    this.#surveys.delete(revision);
    this.#surveyBytes -= survey.size;
  }
}

const noNetworks: readonly Network[] = [];

export function networksOf(view: StateView, revision: Revision): readonly Network[] {
  const targets = revision.spec.TaskTemplate.Networks ?? [];
  if (targets.length === 0) return noNetworks;
  return targets.flatMap(({ Target }) => view.networks.get(Target) ?? []);
}

/** Puts the entry last, as the one used most recently. */
function remember<T>(entries: Map<string, T>, key: string, value: T): void {
  entries.delete(key);
  entries.set(key, value);
}

function dropOldest(entries: Map<string, unknown>): void {
  const oldest = entries.keys().next();
  if (oldest.done !== true) entries.delete(oldest.value);
}
