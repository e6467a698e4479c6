// A process as small as can be: says that it lives, and ends as its argument tells.
const [how] = process.argv.slice(2);
process.stderr.write(`tiny ${how} ${process.pid}\n`);
process.on('SIGTERM', () => {
  if (how === 'deaf') return;
  process.stderr.write('tiny ends\n');
  process.exit(0);
});
setInterval(() => undefined, 1_000);
if (how === 'dies') process.exit(3);
