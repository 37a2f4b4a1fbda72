import { describe, expect, test } from 'bun:test'
import {
  type Advisory,
  MOST_ADVISORIES,
  mergeAdvisories,
  readAdvisories,
  servedAdvisory,
} from '../../src/composer/advisories.ts'
import { listNameProblem, mergeFilterLists, readFilterLists } from '../../src/composer/filter-list.ts'

const FULL = {
  advisoryId: 'PKSA-1234-abcd-5678',
  packageName: 'acme/lib',
  remoteId: 'acme/lib/CVE-2026-1111.yaml',
  title: 'Weak',
  link: 'https://example.com/1',
  cve: 'CVE-2026-1111',
  affectedVersions: '>=1.0,<1.2',
  source: 'FriendsOfPHP/security-advisories',
  sources: [{ name: 'FriendsOfPHP/security-advisories', remoteId: 'acme/lib/CVE-2026-1111.yaml' }],
  reportedAt: '2026-01-02 03:04:05',
  composerRepository: 'https://packagist.org',
  severity: 'high',
}

const served = (list: unknown) =>
  readAdvisories(list).map(
    (advisory): Partial<typeof FULL> => servedAdvisory('acme/lib', advisory) as Partial<typeof FULL>,
  )

describe('advisories of an upstream', () => {
  test('come through as they are', () => {
    expect(served([FULL])).toEqual([FULL])
    expect(served([{ advisoryId: 'PKSA-1', affectedVersions: '<1.0' }])).toEqual([
      { advisoryId: 'PKSA-1', packageName: 'acme/lib', affectedVersions: '<1.0' },
    ])
  })

  test('of PHP’s other form of a list', () => {
    expect(served({ 0: FULL, 2: { ...FULL, advisoryId: 'PKSA-2' } })).toHaveLength(2)
  })

  test.each([
    ['a constraint that nobody can read', { affectedVersions: 'all versions' }],
    ['no constraint', { affectedVersions: null }],
    ['no id', { advisoryId: undefined }],
    ['an id that is none', { advisoryId: 'a b\u001b[31m' }],
  ])('with %s are left out, and the others stay', (_, fault) => {
    expect(served([{ ...FULL, advisoryId: 'PKSA-0', ...fault }, FULL])).toEqual([FULL])
  })

  test.each([null, 'x', 7, [null, 1, 'x', [], {}]])('%j is none', (value) => {
    expect(served(value)).toEqual([])
  })

  test('lose what would steer a terminal, and addresses that are none', () => {
    const [advisory] = served([
      {
        ...FULL,
        title: `\u001b[2J\u202eWeak\u0000 ${'x'.repeat(2_000)}`,
        link: 'javascript:alert(1)',
        cve: 'CVE\u001b',
        severity: 'terrible',
        reportedAt: 'yesterday',
        sources: 'none',
      },
    ])
    expect(advisory).toMatchObject({
      link: null,
      cve: null,
      severity: null,
      reportedAt: '1970-01-01 00:00:00',
      sources: [{ name: 'unknown', remoteId: FULL.advisoryId }],
    })
    expect(advisory?.title).toMatch(/^\[2J Weak +x{50,}$/)
    expect(advisory?.title?.length).toBeLessThanOrEqual(500)
  })

  test.each([
    ['2026-01-02T03:04:05+02:00', '2026-01-02 01:04:05'],
    ['2026-01-02T03:04:05.123Z', '2026-01-02 03:04:05'],
    ['2026-01-02', '2026-01-02 00:00:00'],
    ['2026-13-45 00:00:00', '1970-01-01 00:00:00'],
  ])('reported at %s are dated %s', (reportedAt, expected) => {
    expect(served([{ ...FULL, reportedAt }])[0]?.reportedAt).toBe(expected)
  })

  test('are bounded in number and in size', () => {
    const many = Array.from({ length: MOST_ADVISORIES * 2 }, (_, index) => ({
      advisoryId: `PKSA-${index}`,
      affectedVersions: '<1',
    }))
    expect(served(many)).toHaveLength(MOST_ADVISORIES)
    const large = many.map((entry) => ({ ...FULL, ...entry, affectedVersions: Array(400).fill('1.0').join('|') }))
    expect(JSON.stringify(served(large)).length).toBeLessThan(300 * 1024)
  })
})

describe('merging', () => {
  const full = (more: object): Advisory => readAdvisories([{ ...FULL, ...more }])[0] as Advisory
  const own = full({ advisoryId: 'PB-1', affectedVersions: '<1.1', sources: [{ name: 'own', remoteId: 'PB-1' }] })

  test('of the same CVE takes the ranges of the first and the sources of both', () => {
    const merged = mergeAdvisories([[own], [full({})]])
    expect(merged).toHaveLength(1)
    expect(merged[0]).toMatchObject({ advisoryId: 'PB-1', affectedVersions: '<1.1' })
    expect(merged[0]?.details?.sources.map(({ remoteId }) => remoteId)).toEqual(['PB-1', FULL.remoteId])
  })

  test('of the same id of a third party is one advisory too, and gains what the first does not know', () => {
    const without = full({ advisoryId: 'PKSA-other', cve: null, severity: null })
    const merged = mergeAdvisories([[without], [full({})]])
    expect(merged).toHaveLength(1)
    expect(merged[0]?.details).toMatchObject({ cve: 'CVE-2026-1111', severity: 'high' })
  })

  test('of a partial and a full one under the same id has the ranges of the first and is full', () => {
    const [partial] = readAdvisories([{ advisoryId: FULL.advisoryId, affectedVersions: '<9' }])
    const merged = mergeAdvisories([[partial as Advisory], [full({})]])
    expect(merged).toHaveLength(1)
    expect(merged[0]).toMatchObject({ affectedVersions: '<9', details: { title: 'Weak' } })
  })

  test('never takes two of one list for one another, as one CVE may have two', () => {
    const twice = [full({}), full({ advisoryId: 'PKSA-2', affectedVersions: '>=2.0,<2.1' })]
    expect(mergeAdvisories([twice])).toHaveLength(2)
    expect(mergeAdvisories([[], twice])).toHaveLength(2)
  })

  test('keeps what is different', () => {
    const other = full({ advisoryId: 'PKSA-2', cve: 'CVE-2026-2222', sources: [{ name: 'x', remoteId: 'y' }] })
    expect(mergeAdvisories([[own], [other]])).toHaveLength(2)
    const unknown = (id: string) => full({ advisoryId: id, cve: null, sources: [] })
    expect(mergeAdvisories([[unknown('A')], [unknown('B')]])).toHaveLength(2)
  })
})

describe('filter lists of an upstream', () => {
  const entry = { constraint: '1.0.0', reason: 'bad\u001b[1m', url: 'https://example.com/', id: 'x', source: 'y' }

  test('come through without what a client would refuse', () => {
    const lists = readFilterLists({
      malware: [entry, { constraint: 'all versions' }, { reason: 'none' }, 7],
      'ignore-this': [entry],
      security: [entry],
      'no list!': [entry],
      empty: [],
      'company-policy': [{ constraint: '*' }],
    })
    expect([...lists.keys()]).toEqual(['malware', 'company-policy'])
    expect(lists.get('malware')).toEqual([{ ...entry, reason: 'bad [1m' }])
  })

  test('are merged without what says the same', () => {
    const [left, right] = [readFilterLists({ malware: [entry] }), readFilterLists({ malware: [entry], own: [entry] })]
    const merged = mergeFilterLists([left, right])
    expect([merged.get('malware')?.length, merged.get('own')?.length]).toEqual([1, 1])
  })

  test.each([
    'advisories',
    'abandoned',
    'package',
    'packages',
    'license',
    'licences',
    'support',
    'maintenance',
    'security',
    'minimum-release-age',
    'ignore',
    'ignored-list',
    'Malware',
    'a b',
    '',
    '-x',
    'x'.repeat(51),
  ])('%j names none', (name) => expect(listNameProblem(name)).toBeString())

  test.each(['malware', 'company-policy', 'a', 'list_2'])('%j names one', (name) =>
    expect(listNameProblem(name)).toBeNull(),
  )
})
