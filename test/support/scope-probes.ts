import type { Probe, Subject } from './probe.ts'

/** When everything that the probes ask about was released, Unix seconds. */
export const RELEASED = 1_700_000_000

/** Something that does not exist, of the same form as what does. A `name` of the same length makes answers as long. */
export function missing(subject: Subject, name: string): Subject {
  const other = (id: string) =>
    id.slice(0, -4) + [...id.slice(-4)].map((letter) => (letter === 'z' ? 'y' : 'z')).join('')
  return {
    name,
    vendor: name.split('/')[0] ?? '',
    packageId: other(subject.packageId),
    repositoryId: other(subject.repositoryId),
    tokenId: other(subject.tokenId),
    customer: other(subject.customer),
    type: other(subject.type),
    reference: 'f'.repeat(40),
    url: other(subject.url),
  }
}

/** What is asked of each route about a subject, by a caller whose own token has the id `own`. */
export const PROBES: Record<string, (subject: Subject, own: string) => Probe[]> = {
  'GET /packages.json': ({ name }) => [{ path: '/packages.json' }, { path: `/packages.json?q=${name}` }],
  'GET /p2/:vendor/:file': ({ name }) => [
    ...['.json', '~dev.json', '.json?minified=1', '~dev.json?minified=1', '$abc.json', ''].map((end) => ({
      path: `/p2/${name}${end}`,
    })),
    { path: `/p2/${name.toUpperCase()}.json` },
    { path: `/p2/${name.replace(/\/./, (start) => `/%${start.charCodeAt(1).toString(16)}`)}.json` },
    { path: `/p2/${name}.json`, headers: { 'If-None-Match': '*' } },
    { path: `/p2/${name}.json`, headers: { 'If-Modified-Since': new Date(RELEASED * 1000).toUTCString() } },
  ],
  'GET /dist/*': archives('GET'),
  'HEAD /dist/*': archives('HEAD'),
  'POST /downloads': ({ name }) => [
    {
      path: '/downloads',
      json: {
        downloads: [
          { name, version: '1.0.0.0' },
          { name, version: '9.0.0.0' },
        ],
      },
    },
  ],
  'GET /packages/list.json': ({ name, vendor, type }) =>
    [
      `filter=${name}`,
      `filter=${name.slice(0, -1)}*`,
      `vendor=${vendor}`,
      `type=${type}`,
      `vendor=${vendor}&fields[]=type`,
    ].map((query) => ({ path: `/packages/list.json?${query}` })),
  'GET /search.json': ({ name, type }) =>
    [`q=${name}`, `q=${name.slice(0, -1)}`, `type=${type}`, `q=${name}&page=2&per_page=1`].map((query) => ({
      path: `/search.json?${query}`,
    })),
  'GET /providers/:vendor/:file': ({ name }) => [{ path: `/providers/${name}.json` }, { path: `/providers/${name}` }],
  'GET /metadata/changes.json': () =>
    ['since=17000000000000', 'since=90000000000000'].map((query) => ({ path: `/metadata/changes.json?${query}` })),
  'GET /api/packages': ({ name, packageId, repositoryId, type }) =>
    [`q=${name}`, `q=${name.slice(0, -1)}`, `repo_id=${repositoryId}`, `type=${type}`, `cursor=${packageId}`].map(
      (query) => ({ path: `/api/packages?${query}` }),
    ),
  'GET /api/packages/:id': ({ packageId }) => [{ path: `/api/packages/${packageId}` }],
  'GET /api/packages/:id/downloads': ({ packageId }) =>
    ['', '?from=x', '?from=2025-01-02&to=2025-01-01'].map((query) => ({
      path: `/api/packages/${packageId}/downloads${query}`,
    })),
  'GET /api/packages/:id/versions/*': ({ packageId }) =>
    ['1.0.0/readme', '9.0.0/readme', '1.0.0', '%FF/readme'].map((end) => ({
      path: `/api/packages/${packageId}/versions/${end}`,
    })),
  'DELETE /api/packages/:id/versions/*': ({ packageId }) => [
    { method: 'DELETE', path: `/api/packages/${packageId}/versions/1.0.0` },
  ],
  'POST /api/packages/:id/versions/*': ({ packageId }) => [
    { method: 'POST', path: `/api/packages/${packageId}/versions/1.0.0/restore` },
  ],
  'GET /api/tokens': ({ customer, tokenId }) =>
    [`customer_id=${customer}`, `cursor=${tokenId}`, `cursor=${tokenId}&limit=1`].map((query) => ({
      path: `/api/tokens?${query}`,
    })),
  'POST /api/tokens': ({ name, vendor }) =>
    [
      { allowed_package_prefixes: [`${vendor}/`] },
      { allowed_package_prefixes: [name] },
      { allowed_packages: [{ name }] },
      { allowed_packages: [{ name, constraint: '^1.0' }], allowed_package_prefixes: ['acme/lib'] },
    ].map((scope) => ({ path: '/api/tokens', json: { permissions: 'readonly', ...scope } })),
  'GET /api/tokens/:id': ({ tokenId }) => [{ path: `/api/tokens/${tokenId}` }],
  'PATCH /api/tokens/:id': ({ tokenId, name }, own) => [
    { method: 'PATCH', path: `/api/tokens/${tokenId}`, json: { description: 'x' } },
    { method: 'PATCH', path: `/api/tokens/${own}`, json: { allowed_packages: [{ name }] } },
  ],
  'DELETE /api/tokens/:id': ({ tokenId }) => [{ method: 'DELETE', path: `/api/tokens/${tokenId}` }],
  'POST /api/tokens/:id/rotate': ({ tokenId }) => [{ method: 'POST', path: `/api/tokens/${tokenId}/rotate` }],
  'GET /api/tokens/:id/explain': ({ tokenId, name }, own) => [
    { path: `/api/tokens/${own}/explain?package=${name}` },
    { path: `/api/tokens/${tokenId}/explain?package=acme/lib` },
  ],
  'GET /api/repositories': ({ url }) => [{ path: '/api/repositories' }, { path: `/api/repositories?url=${url}` }],
  'POST /api/repositories': ({ url }) => [{ path: '/api/repositories', json: { url, vcs_type: 'git' } }],
  'GET /api/repositories/:id': ({ repositoryId }) => [{ path: `/api/repositories/${repositoryId}` }],
  'PATCH /api/repositories/:id': ({ repositoryId }) => [
    { method: 'PATCH', path: `/api/repositories/${repositoryId}`, json: { archives: 'tags' } },
  ],
  'DELETE /api/repositories/:id': ({ repositoryId }) => [
    { method: 'DELETE', path: `/api/repositories/${repositoryId}` },
  ],
  'POST /api/repositories/:id/sync': ({ repositoryId }) => [
    { method: 'POST', path: `/api/repositories/${repositoryId}/sync` },
  ],
  'GET /api/repositories/:id/events': ({ repositoryId }) => [{ path: `/api/repositories/${repositoryId}/events` }],
  'GET /api/repositories/:id/syncs': ({ repositoryId }) => [{ path: `/api/repositories/${repositoryId}/syncs` }],
  'PUT /api/repositories/:id/artifacts': ({ repositoryId }) => [
    { method: 'PUT', path: `/api/repositories/${repositoryId}/artifacts`, body: new Uint8Array(4) },
  ],
  'PUT /api/repositories/:id/documents': ({ repositoryId, name }) => [
    {
      method: 'PUT',
      path: `/api/repositories/${repositoryId}/documents`,
      json: { documents: [{ name, dev: false, text: '{}' }] },
    },
  ],
  'PUT /api/repositories/:id/archives/:dist': ({ repositoryId, name }) => [
    {
      method: 'PUT',
      path: `/api/repositories/${repositoryId}/archives/${'a'.repeat(40)}?package=${name}`,
      body: new Uint8Array(4),
    },
  ],
  'POST /api/repositories/:id/webhook': ({ repositoryId }) => [
    { method: 'POST', path: `/api/repositories/${repositoryId}/webhook` },
  ],
  'DELETE /api/repositories/:id/webhook': ({ repositoryId }) => [
    { method: 'DELETE', path: `/api/repositories/${repositoryId}/webhook` },
  ],
  'POST /api/update-package': ({ url }) => [{ path: '/api/update-package', json: { repository: { url } } }],
  'POST /webhooks/:id': ({ repositoryId }) => [{ path: `/webhooks/${repositoryId}`, json: {} }],
  'GET /api/discoveries': () => [{ path: '/api/discoveries' }],
  'POST /api/discoveries': ({ vendor }) => [
    { path: '/api/discoveries', json: { url: `http://127.0.0.1:1/${vendor}`, vcs_type: 'gitea' } },
  ],
  'GET /api/discoveries/:id': () => [{ path: '/api/discoveries/disc_none' }],
  'PATCH /api/discoveries/:id': () => [{ method: 'PATCH', path: '/api/discoveries/disc_none', json: { exclude: 'x' } }],
  'DELETE /api/discoveries/:id': () => [{ method: 'DELETE', path: '/api/discoveries/disc_none' }],
  'POST /api/discoveries/:id/look': () => [{ method: 'POST', path: '/api/discoveries/disc_none/look' }],
  'GET /api/discoveries/:id/repositories': () => [{ path: '/api/discoveries/disc_none/repositories' }],
  'GET /api/conflicts': () => [{ path: '/api/conflicts' }],
  'GET /api/advisories': ({ name }) => [{ path: '/api/advisories' }, { path: `/api/advisories?package=${name}` }],
  'POST /api/advisories': ({ name }) => [
    { path: '/api/advisories', json: { package_name: name, title: 'Weak', affected_versions: '<1' } },
  ],
  'GET /api/advisories/:id': () => [{ path: '/api/advisories/PB-none' }],
  'PATCH /api/advisories/:id': () => [{ method: 'PATCH', path: '/api/advisories/PB-none', json: { title: 'x' } }],
  'DELETE /api/advisories/:id': () => [{ method: 'DELETE', path: '/api/advisories/PB-none' }],
  'GET /api/filters': ({ name }) => [{ path: '/api/filters' }, { path: `/api/filters?package=${name}` }],
  'POST /api/filters': ({ name }) => [
    { path: '/api/filters', json: { list: 'malware', package_name: name, constraint: '9.9.9' } },
  ],
  'GET /api/filters/:id': () => [{ path: '/api/filters/flt_none' }],
  'PATCH /api/filters/:id': () => [{ method: 'PATCH', path: '/api/filters/flt_none', json: { reason: 'x' } }],
  'DELETE /api/filters/:id': () => [{ method: 'DELETE', path: '/api/filters/flt_none' }],
  'GET /api/security-advisories': ({ name }) => [
    { path: `/api/security-advisories?packages[]=${name}` },
    { path: `/api/security-advisories?packages[]=pkg:composer/${name}` },
    { path: '/api/security-advisories?updatedSince=0' },
  ],
  'POST /api/security-advisories': ({ name }) => [
    {
      method: 'POST',
      path: '/api/security-advisories',
      body: new TextEncoder().encode(`packages%5B0%5D=${encodeURIComponent(name)}`),
    },
  ],
  'POST /api/filter-lists': ({ name }) => [
    { path: '/api/filter-lists', json: { packages: [`pkg://composer/${name}`], lists: ['malware'] } },
    { path: '/api/filter-lists', json: { packages: [name] } },
  ],
  'GET /filter-lists/summary.json': () => [{ path: '/filter-lists/summary.json' }],
  'POST /api/encryption-key/rotation': () => [{ method: 'POST', path: '/api/encryption-key/rotation' }],
  'GET /api/doctor': () => [{ path: '/api/doctor' }],
  'GET /metrics': () => [{ path: '/metrics' }],
  'GET /api/audit/verification': () => [{ path: '/api/audit/verification' }],
  'GET /api/audit': ({ packageId }) => [{ path: '/api/audit' }, { path: `/api/audit?subject=${packageId}` }],
}

function archives(method: string) {
  return ({ name, reference }: Subject): Probe[] =>
    ['1.0.0.zip', '9.0.0.zip', 'dev-main.zip', `1.0.0.zip?reference=${reference}`, 'v1/x.zip', '1.0.0', '%FF.zip'].map(
      (end) => ({ method, path: `/dist/${name}/${end}` }),
    )
}
