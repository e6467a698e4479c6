const domainPart = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const domain = `(?:${domainPart}(?:\\.${domainPart})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?`;
const pathPart = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
const name = `(?:${domain}/)?${pathPart}(?:/${pathPart})*`;
const tag = '[\\w][\\w.-]{0,127}';
const digest = 'sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128}';
const referenceForm = new RegExp(`^(${name})(?::${tag})?(?:@(?:${digest}))?$`);
const bareId = /^[a-f0-9]{64}$/;
const repositoryCharsMax = 255;

/** Whether the text is an image reference as Docker's distribution library takes it. */
export function isImageReference(text: string): boolean {
  const named = referenceForm.exec(text)?.[1];
  if (named === undefined || bareId.test(text)) return false;
  return repositoryOf(named).length <= repositoryCharsMax;
}

/** The name within its registry; on Docker Hub a name of one part stands below `library/`. */
function repositoryOf(named: string): string {
  const slash = named.indexOf('/');
  const first = named.slice(0, Math.max(slash, 0));
  const isHost = first === 'localhost' || /[.:A-Z]/.test(first);
  const path = isHost ? named.slice(slash + 1) : named;
  const isHub = !isHost || first === 'docker.io' || first === 'index.docker.io';
  return isHub && !path.includes('/') ? `library/${path}` : path;
}
