import {
  attachmentRules,
  clusterRules,
  configRules,
  networkRules,
  nodeRules,
  revisionRules,
  secretRules,
  serviceRules,
  volumeHomeRules,
} from './objects.ts';
import type { RuleBook } from './rules.ts';
import { taskRules } from './task.ts';

export const ruleBook: RuleBook = {
  cluster: clusterRules,
  node: nodeRules,
  network: networkRules,
  service: serviceRules,
  revision: revisionRules,
  task: taskRules,
  lease: {},
  volumeHome: volumeHomeRules,
  attachment: attachmentRules,
  secret: secretRules,
  config: configRules,
};
