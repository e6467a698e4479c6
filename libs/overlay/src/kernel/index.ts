export {
  type BalancerKind,
  type Capability,
  chooseBalancer,
  type NetworkCapabilities,
  probeNetworkCapabilities,
  probeWireguard,
} from './capabilities.ts';
export {
  type Command,
  type CommandOutcome,
  commandMsMax,
  type KernelCommands,
  kernelCommands,
  toolEnvironment,
} from './commands.ts';
