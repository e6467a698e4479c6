export {
  type BalancerKind,
  type Capability,
  chooseBalancer,
  type NetworkCapabilities,
  probeNetworkCapabilities,
} from './capabilities.ts';
export {
  type Command,
  type CommandOutcome,
  commandMsMax,
  type KernelCommands,
  kernelCommands,
} from './commands.ts';
