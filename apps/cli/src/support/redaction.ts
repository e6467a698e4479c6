/** What opens the swarm, wherever it may have slipped in: tokens to join, keys to unlock, private keys. */
const secretForms: readonly RegExp[] = [
  /SWMTKN-1-[0-9a-z]+-[0-9a-z]+/g,
  /SWMKEY-1-[0-9A-Za-z+/]+/g,
  /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g,
  // Of URLs: user and password.
  /(?<=[a-z]:\/\/)[^/\s@"]+:[^/\s@"]*(?=@)/g,
];

/** The text without anything of those forms. */
export function redacted(text: string): string {
  return secretForms.reduce((left, form) => left.replace(form, '[removed]'), text);
}
