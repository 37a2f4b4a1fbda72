import { describe, expect, test } from 'bun:test'
import { EVERYTHING, type Scope } from '../../src/auth/scope.ts'
import { byVendor, upstreamNames, withinScope } from '../../src/http/composer-api/upstream-names.ts'
import type { UpstreamSet } from '../../src/mirror/upstreams.ts'

type Offer = ReturnType<UpstreamSet['offers']>[number]

const CLOSED = ['acme/lib', 'psr/cache', 'psr/log', 'symfony/console']

function offer(
  names: string[],
  patterns: string[] | null,
  settings: { allow?: string[]; deny?: string[] } = {},
): Offer {
  return { upstream: { allow: [], deny: [], ...settings }, offered: { names, patterns } } as unknown as Offer
}

/** What may be had of one upstream where acme is claimed. */
function available(...offers: Offer[]) {
  return upstreamNames(offers, (vendor) => vendor === 'acme')
}

describe('what may be had of an upstream', () => {
  test.each<[string, Offer, { names: string[]; patterns: string[] }]>([
    ['that may have anything', offer([], null), { names: [], patterns: ['*'] }],
    ['that may be asked for some names', offer([], null, { allow: ['psr/*'] }), { names: [], patterns: ['psr/*'] }],
    ['that lists its names: all but those claimed here', offer(CLOSED, []), { names: CLOSED.slice(1), patterns: [] }],
    [
      'whose listed names are not all asked for',
      offer(CLOSED, [], { allow: ['psr/*'] }),
      { names: ['psr/cache', 'psr/log'], patterns: [] },
    ],
    [
      'some of whose names are denied',
      offer(CLOSED, [], { deny: ['psr/*'] }),
      { names: ['symfony/console'], patterns: [] },
    ],
    [
      'that has names and patterns',
      offer(['psr/log'], ['foo/*', 'bar/*'], { deny: ['bar/*'] }),
      { names: ['psr/log'], patterns: ['foo/*'] },
    ],
    [
      'of whose patterns some may be asked for',
      offer([], ['foo/*', 'bar/*'], { allow: ['foo/x*'] }),
      { names: [], patterns: ['foo/x*'] },
    ],
    ['that has nothing', offer([], []), { names: [], patterns: [] }],
  ])('%s', (_, one, expected) => {
    expect(available(one)).toEqual(expected)
  })

  test('is put together from all of them', () => {
    expect(
      available(offer(['psr/log'], []), offer(['psr/log', 'a/a'], []), offer([], null, { allow: ['b/*'] })),
    ).toEqual({
      names: ['a/a', 'psr/log'],
      patterns: ['b/*'],
    })
  })

  test('by vendor, when there are too many names', () => {
    expect(byVendor({ names: CLOSED, patterns: ['b/*'] })).toEqual({
      names: [],
      patterns: ['acme/*', 'b/*', 'psr/*', 'symfony/*'],
    })
  })
})

describe('of that a token sees', () => {
  const scope = (prefixes: string[], packages: string[] = []): Scope => ({
    ...EVERYTHING,
    key: 'limited',
    prefixes,
    packages: new Map(packages.map((name) => [name, null])),
  })

  test.each<[string, Scope, string[], string[]]>([
    ['everything', EVERYTHING, ['psr/cache', 'psr/log', 'symfony/console'], ['foo/*', 'wp-*']],
    ['names with its prefixes', scope(['psr/l', 'other/']), ['psr/log'], []],
    ['single names', scope([], ['psr/log', 'foo/bar', 'none/none']), ['foo/bar', 'psr/log'], []],
    ['patterns no wider than its prefixes', scope(['foo/bar', 'wp-plugin/', 'bar/']), [], ['foo/bar*', 'wp-plugin/*']],
    ['patterns that are narrower than its prefixes as they are', scope(['foo/']), [], ['foo/*']],
  ])('%s', (_, given, names, patterns) => {
    const all = { names: CLOSED.slice(1), patterns: ['foo/*', 'wp-*'] }
    expect(withinScope(given, all)).toEqual({ names, patterns })
  })

  test('its prefixes and single names, where an upstream may have anything', () => {
    expect(withinScope(scope(['psr/', 'foo/b'], ['bar/baz']), { names: [], patterns: ['*'] })).toEqual({
      names: ['bar/baz'],
      patterns: ['foo/b*', 'psr/*'],
    })
  })
})
