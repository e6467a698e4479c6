import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { expandTemplate, type TemplateSubject } from './expand.ts';

const subject: TemplateSubject = {
  service: { id: 'sid', name: 'web', labels: { tier: 'front', 'a.b': 'dotted', empty: '' } },
  node: { id: 'nid', hostname: 'host-1', platform: { Architecture: 'x86_64', OS: 'linux' } },
  task: { id: 'tid', name: 'web.2.tid', slot: '2' },
};

describe('every field that Swarm has', () => {
  test.each([
    ['{{.Service.ID}}', 'sid'],
    ['{{.Service.Name}}', 'web'],
    ['{{.Service.Labels.tier}}', 'front'],
    ['{{.Service.Labels}}', 'map[a.b:dotted empty: tier:front]'],
    ['{{.Node.ID}}', 'nid'],
    ['{{.Node.Hostname}}', 'host-1'],
    ['{{.Node.Platform.Architecture}}', 'x86_64'],
    ['{{.Node.Platform.OS}}', 'linux'],
    ['{{.Node.Platform}}', '{x86_64 linux}'],
    ['{{.Task.ID}}', 'tid'],
    ['{{.Task.Name}}', 'web.2.tid'],
    ['{{.Task.Slot}}', '2'],
  ])('%s is %s', (text, expected) => {
    expect(expandTemplate(text, subject)).toEqual({ kind: 'text', text: expected });
  });
});

describe("Go's language", () => {
  test.each([
    ['a {{.Task.Slot}} b {{ .Service.Name }} c', 'a 2 b web c'],
    ['{{index .Service.Labels "a.b"}}', 'dotted'],
    ['{{index .Service.Labels `a.b`}}', 'dotted'],
    ['{{index .Service.Labels "none"}}', ''],
    ['{{join "-" .Service.Name .Task.Slot}}', 'web-2'],
    ['{{.Service.Name | join "-" "a"}}', 'a-web'],
    ['{{printf "%s-%03s|%-4s|%q" .Service.Name .Task.Slot "x" "y"}}', 'web-002|x   |"y"'],
    ['{{printf "%05d %x %v %t%%" 42 255 1 true}}', '00042 ff 1 true%'],
    [
      '{{printf "%d" "x"}} {{printf "%s"}} {{printf "a" 1}}',
      '%!d(string=x) %!s(MISSING) a%!(EXTRA int=1)',
    ],
    ['{{print 1 2 "a" "b" 3}}', '1 2ab3'],
    ['{{len .Service.Name}} {{slice .Service.Name 1}} {{slice .Service.Name 0 2}}', '3 eb we'],
    [
      '{{if eq .Task.Slot "1"}}first{{else if eq .Task.Slot "2"}}second{{else}}other{{end}}',
      'second',
    ],
    ['{{if .Service.Labels.empty}}yes{{else}}no{{end}}', 'no'],
    ['{{if and .Task.Slot (ne .Node.ID "x") (not false)}}yes{{end}}', 'yes'],
    ['{{or "" .Service.Name}} {{and "" .Service.Name}}.', 'web .'],
    ['{{with .Service}}{{.Name}}{{$.Task.Slot}}{{end}}', 'web2'],
    ['{{with .Service.Labels.empty}}{{.}}{{else}}none{{end}}', 'none'],
    ['{{$n := .Service.Name}}{{$n}}{{$n = "x"}}{{$n}}', 'webx'],
    ['{{range $k, $v := .Service.Labels}}{{$k}}={{$v}};{{end}}', 'a.b=dotted;empty=;tier=front;'],
    ['{{range .Service.Labels}}<{{.}}>{{end}}', '<dotted><><front>'],
    ['{{range 3}}{{.}}{{end}}', '012'],
    ['{{(index .Service.Labels "tier") | printf "%s!"}}', 'front!'],
    ['{{($).Task.Slot}}{{(.Node).Hostname}}', '2host-1'],
    ['a \n{{- .Task.Slot -}}\n b', 'a2b'],
    ['a{{/* no word of it */}}b {{- /* nor of it */ -}} c', 'abc'],
    ['{{"a\\tb\\u00e9\\x41"}}{{`raw\\n`}}', 'a\tbéAraw\\n'],
    ['{{html "<a>"}} {{urlquery "a b&c"}} {{js "it\'s"}}', "&lt;a&gt; a+b%26c it\\'s"],
    ['{{lt 1 2}} {{ge "b" "a"}} {{eq .Task.Slot "1" "2"}}', 'true true true'],
    ['plain } { }} text', 'plain } { }} text'],
  ])('%s gives %s', (text, expected) => {
    expect(expandTemplate(text, subject)).toEqual({ kind: 'text', text: expected });
  });
});

const at = (place: string, expression: string, message: string): string =>
  `template: expansion:${place}: executing "expansion" at <${expression}>: ${message}`;

describe('what cannot be expanded is refused with the words of Go', () => {
  test.each([
    ['{{.Nope}}', at('1:2', '.Nope', `can't evaluate field Nope in type *template.Context`)],
    [
      'é{{ .Task.Nope }}',
      at(
        '1:10',
        '.Task.Nope',
        `can't evaluate field Nope in type struct { ID string; Name string; Slot string }`,
      ),
    ],
    [
      'x\n{{.Node.Platform.Nope}}',
      at('2:7', '.Node.Platform.Nope', `can't evaluate field Nope in type template.Platform`),
    ],
    ['{{.Task.Slot.x}}', at('1:7', '.Task.Slot.x', `can't evaluate field x in type string`)],
    [
      '{{.Service.Labels.none}}',
      at('1:10', '.Service.Labels.none', 'map has no entry for key "none"'),
    ],
    ['{{join "-" 1}}', at('1:2', 'join', 'wrong type for value; expected string; got int')],
    [
      '{{index .Task "a"}}',
      at(
        '1:2',
        'index',
        "error calling index: can't index item of type struct { ID string; Name string; Slot string }",
      ),
    ],
    [
      '{{"a" | .Task.Slot}}',
      at('1:13', '.Task.Slot', "can't give argument to non-function .Task.Slot"),
    ],
    ['{{eq 1 "1"}}', at('1:2', 'eq', 'error calling eq: incompatible types for comparison')],
    [
      '{{index index}}',
      at('1:8', 'index', 'wrong number of args for index: want at least 1 got 0'),
    ],
    ['{{range .Task.Slot}}{{end}}', at('1:8', '.Task.Slot', "range can't iterate over 2")],
    ['{{env "HOME"}}', 'template: expansion:1: function "env" not defined'],
    ['{{.Task.Slot', 'template: expansion:1: unclosed action'],
    ['{{}}', 'template: expansion:1: missing value for command'],
    ['{{if true}}x', 'template: expansion:1: unexpected EOF'],
    ['a\n{{end}}', 'template: expansion:2: unexpected {{end}}'],
    ['{{"a}}', 'template: expansion:1: unterminated quoted string'],
    ['{{$x}}', 'template: expansion:1: undefined variable "$x"'],
    ['{{.A | }}', 'template: expansion:1: missing value for command'],
    ['{{.A)}}', 'template: expansion:1: unexpected ")" in command'],
    ['{{(.A}}', 'template: expansion:1: unexpected "}}" in parenthesized pipeline'],
    ['{{#}}', "template: expansion:1: unrecognized character in action: U+0023 '#'"],
    ['{{define "a"}}{{end}}', 'template: expansion:1: {{define}} is not supported'],
  ])('%s', (text, message) => {
    expect(expandTemplate(text, subject)).toEqual({ kind: 'invalid', message });
  });
});

test('a loop that would not end in reason is cut', () => {
  const text = '{{range 9999}}{{range 9999}}x{{end}}{{end}}';
  expect(expandTemplate(text, subject)).toMatchObject({
    kind: 'invalid',
    message: expect.stringContaining('too many rounds'),
  });
});

test('no text makes it throw or give more than it may', () => {
  const piece = fc.constantFrom(
    ...['{{', '}}', '{{-', '-}}', ' ', '.', '.Task', '.Slot', '$', '$x', ':=', '=', '|', '(', ')'],
    ...[
      '"',
      '"a"',
      '`',
      "'",
      '1',
      '-',
      'if',
      'else',
      'end',
      'range',
      'with',
      'eq',
      'join',
      'printf',
    ],
    ...['"%d%s"', 'nil', 'true', ',', '\n', '/*', '*/', 'and', 'slice', 'index', '.Service.Labels'],
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const expansion = expandTemplate(pieces.join(''), subject);
      return expansion.kind === 'text' || expansion.message.startsWith('template: expansion:');
    }),
    { numRuns: 3_000 },
  );
});

test('a template that makes more and more text ends, and so does one of blanks alone', () => {
  const doubled = `{{$a := "0123456789abcdef"}}${'{{$a = print $a $a}}'.repeat(40)}{{len $a}}`;
  expect(expandTemplate(doubled, subject)).toMatchObject({
    kind: 'invalid',
    message: expect.stringMatching(/too much text$/),
  });
  const printed = `{{$a := "0123456789abcdef"}}${'{{$a = print $a $a}}'.repeat(18)}{{$a}}{{$a}}{{$a}}{{$a}}`;
  expect(expandTemplate(printed, subject)).toMatchObject({
    kind: 'invalid',
    message: expect.stringMatching(/at <\$a>: too much text$/),
  });
  const large = 'x'.repeat(1_100_000);
  expect(expandTemplate(`${large}{{.Service.Name}}`, subject)).toEqual({
    kind: 'text',
    text: `${large}${subject.service.name}`,
  });
  const blanks = ' '.repeat(200_000);
  const spread = expandTemplate(`${blanks}x${blanks}{{- .Service.Name}}`, subject);
  expect(spread).toEqual({ kind: 'text', text: `${blanks}x${subject.service.name}` });
});

test('half of a character is refused, not thrown', () => {
  expect(expandTemplate('{{urlquery "\uD800"}}', subject)).toMatchObject({ kind: 'invalid' });
});
