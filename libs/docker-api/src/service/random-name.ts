import { invariant, type Random } from '@shoal/runtime';

const adjectives =
  'admiring adoring agile amazing blissful bold brave busy calm charming clever compassionate confident cool dazzling determined dreamy eager ecstatic elastic elated elegant eloquent epic exciting fervent festive flamboyant focused friendly frosty funny gallant gifted goofy gracious great happy hardcore heuristic hopeful hungry infallible inspiring intelligent interesting jolly jovial keen kind laughing loving lucid magical modest musing mystifying nervous nice nifty nostalgic objective optimistic peaceful pedantic pensive practical priceless quirky quizzical recursing relaxed reverent romantic sad serene sharp silly sleepy stoic strange stupefied suspicious sweet tender thirsty trusting unruffled upbeat vibrant vigilant vigorous wizardly wonderful xenodochial youthful zealous zen'.split(
    ' ',
  );
const surnames =
  'agnesi albattani allen almeida archimedes aryabhata babbage banach bardeen bartik bassi bell bhabha blackwell bohr booth borg bose boyd brahmagupta brattain brown cannon carson cerf clarke colden cori cray curie darwin davinci dijkstra edison einstein elion engelbart euclid euler fermat fermi feynman franklin galileo gates goldberg goldstine golick goodall gould haibt hamilton hawking heisenberg hermann hodgkin hoover hopper hugle hypatia jang jennings jepsen joliot jones kalam keller khorana kilby kirch knuth kowalevski lalande lamarr lamport leakey leavitt lovelace lumiere mahavira mayer mccarthy mcclintock mclean mcnulty meitner mendel mestorf minsky mirzakhani montalcini morse newton nobel noether northcutt noyce pare pasteur payne perlman pike poincare poitras ptolemy raman ramanujan ride ritchie roentgen rosalind saha sammet shaw shirley shockley sinoussi snyder spence stallman swanson swartz swirles tesla thompson torvalds turing varahamihira villani visvesvaraya volhard wescoff wiles williams wilson wing wozniak wright yalow yonath'.split(
    ' ',
  );

/** After so many names that are all taken, a number makes the next one free. */
const plainTriesMax = 10;

/**
 * A name for a service that was given none, `adjective_surname` as Docker makes them. Docker refuses the service
 * where chance picks a name that is taken; here another is picked, at last with a number behind it, which is how
 * Docker names containers.
 */
export function randomName(random: Random, isTaken: (name: string) => boolean): string {
  for (let tries = 0; tries < plainTriesMax; tries += 1) {
    const name = pickName(random);
    if (!isTaken(name)) return name;
  }
  for (let number = 0; ; number += 1) {
    const name = `${pickName(random)}${number}`;
    if (!isTaken(name)) return name;
  }
}

function pickName(random: Random): string {
  const pick = (words: readonly string[]): string => {
    const word = words[Math.floor(random.next() * words.length)];
    invariant(word !== undefined, 'chance left its range');
    return word;
  };
  return `${pick(adjectives)}_${pick(surnames)}`;
}
