import { describe, expect, test } from 'bun:test'
import { jsonValue, MAX_JSON_BYTES, readJsonObject, writeJsonObject } from '../../src/composer/json.ts'
import { MAX_JSON_DEPTH } from '../../src/composer/json-scanner.ts'
import { isAppError, messageOf } from '../../src/errors.ts'
import { askComposer, oracleAvailable } from '../support/composer-oracle.ts'
import { growthForEightfold, LINEAR_GROWTH } from './growth.ts'
import { Random } from './random.ts'

describe('readJsonObject', () => {
  test('keeps every value as written, without blanks, and the order of keys', () => {
    const written =
      ' {\n "b" : 1.0, "10":\t[ 1e5 , {} , [ ] ],"1":12345678901234567890, "a": { "2":"\\/ \\u0061 é", "1":-0 } }\r\n'
    expect([...readJsonObject(bytes(written))]).toEqual([
      ['b', '1.0'],
      ['10', '[1e5,{},[]]'],
      ['1', '12345678901234567890'],
      ['a', '{"2":"\\/ \\u0061 é","1":-0}'],
    ])
  })

  test('a key given twice keeps its first place and its last value', () => {
    expect([...readJsonObject(bytes('{"a":1,"b":2,"\\u0061":3,"__proto__":4}'))]).toEqual([
      ['a', '3'],
      ['b', '2'],
      ['__proto__', '4'],
    ])
  })

  test('what is read and written again is the same text', () => {
    const compact = '{"name":"a/b","1":{"z":1.50,"0":[]},"":null,"\\"q":"\\u00e9"}'
    expect(writeJsonObject(readJsonObject(bytes(compact)))).toBe(compact)
    expect(jsonValue(readJsonObject(bytes(compact)).get('1'))).toEqual({ z: 1.5, 0: [] })
  })

  test('says at which line the text stops being JSON', () => {
    expect(refusal(bytes('{\n"a": 1,\n"b": 2,\n}'))).toBe('invalid JSON at line 4')
    expect(refusal(bytes('{"a": "x\ny"}'))).toBe('invalid JSON at line 1')
    expect(refusal(bytes('{\n\n"a": 1'))).toBe('invalid JSON at line 3')
    expect(refusal(bytes(''))).toBe('invalid JSON at line 1')
    expect(refusal(bytes('[1]'))).toBe('the file is JSON, but no object')
    expect(refusal(bytes('{}x'))).toBe('invalid JSON at line 1')
    expect(refusal(Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d))).toContain('UTF-8')
  })

  test('reads up to the bounds and no further', () => {
    const nested = (levels: number) => bytes(`{"a":${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}}`)
    expect(readJsonObject(nested(MAX_JSON_DEPTH)).size).toBe(1)
    expect(refusal(nested(MAX_JSON_DEPTH + 1))).toContain('nested deeper')
    expect(refusal(nested(200_000))).toContain('nested deeper')
    const sized = (size: number) => bytes(`{"a":"${'x'.repeat(size - 8)}"}`)
    expect(readJsonObject(sized(MAX_JSON_BYTES)).size).toBe(1)
    expect(refusal(sized(MAX_JSON_BYTES + 1))).toContain('larger')
  })
})

describe.skipIf(!oracleAvailable)('accepts what PHP accepts', () => {
  const PIECES = [
    '"',
    '"',
    '\\',
    '\\u00e9',
    '\\ud83d\\ude00',
    '\\ud800',
    '\\udc00',
    '\\x',
    '\\/',
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '1',
    '0',
    '-',
    '.5',
    'e5',
    'E+',
    'true',
    'TRUE',
    'Null',
    'nul',
    ' ',
    '\n',
    '\f',
    '\u0000',
    '\u007f',
    '\u00a0',
    '"a":',
    'é',
  ] as const

  test('for hand-picked and random texts', async () => {
    const random = new Random(42)
    const values = [
      ...PIECES,
      '01',
      '-0',
      '1.',
      '.1',
      '1e',
      '+1',
      '"\u001f"',
      '"\t"',
      '"\\ud83d\\u0041"',
      '[1,]',
      '{"a":1,}',
      '{a:1}',
      '"\\u00"',
      '\ufeff1',
      '1 ',
      '1\u0000',
      '[[]',
      ...Array.from({ length: 4000 }, () => random.text(7, PIECES)),
      ...Array.from({ length: 2000 }, () => `"${random.text(4, PIECES)}"`),
    ]
    const texts = values.map((value) => `{"a":${value}}`)
    const theirs = await askComposer(texts.map((text) => ['json', Buffer.from(text).toString('base64')]))
    expect(texts.filter((text, index) => (refusal(bytes(text)) === null) !== theirs[index])).toEqual([])
    expect(theirs.filter((accepted) => accepted).length).toBeGreaterThan(300)
    for (const text of texts)
      if (refusal(bytes(text)) === null) JSON.parse(writeJsonObject(readJsonObject(bytes(text))))
  })

  test('at the deepest nesting, with room for what a document puts around it', async () => {
    const lists = MAX_JSON_DEPTH + 8
    const text = `${'['.repeat(lists)}${']'.repeat(lists)}`
    expect(await askComposer([['json', Buffer.from(text).toString('base64')]])).toEqual([true])
  })

  test('for broken UTF-8', async () => {
    const sequences = [
      [0xff],
      [0xc0, 0x80],
      [0xed, 0xa0, 0x80],
      [0xf4, 0x90, 0x80, 0x80],
      [0xe2, 0x82],
      [0xc3, 0xa9],
      [0xf0, 0x9f, 0x98, 0x80],
    ]
    const texts = sequences.map((sequence) =>
      Uint8Array.from([0x7b, 0x22, 0x61, 0x22, 0x3a, 0x22, ...sequence, 0x22, 0x7d]),
    )
    const theirs = await askComposer(texts.map((text) => ['json', Buffer.from(text).toString('base64')]))
    expect(texts.map((text) => refusal(text) === null)).toEqual(theirs as boolean[])
  })
})

test('work grows with the length of the text', () => {
  const hostile: ((size: number) => string)[] = [
    (size) => `{"a":"${'\\\\'.repeat(size)}`,
    (size) => `{"a":[${'1,'.repeat(size)}`,
    (size) => `{"a":${'9'.repeat(size)}x`,
    (size) => `{${'\n'.repeat(size)}`,
    (size) => `{${Array.from({ length: size }, (_, index) => `"${index}":{}`).join(',')}}`,
  ]
  for (const text of hostile) {
    expect(growthForEightfold((size) => bytes(text(size)), refusal, 2000)).toBeLessThan(LINEAR_GROWTH)
  }
})

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

function refusal(content: Uint8Array): string | null {
  try {
    readJsonObject(content)
    return null
  } catch (error) {
    if (!isAppError(error)) throw error
    return messageOf(error)
  }
}
