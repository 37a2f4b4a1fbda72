/** Statuses for nobody and for each kind of token. */
export type Statuses = readonly [
  signedOut: number,
  readonly: number,
  restricted: number,
  restrictedWrite: number,
  write: number,
]

/** A request per route, and what `readonly`, `restricted readonly`, `restricted write` and `write` get. */
export interface Case {
  path: string
  json?: unknown
  statuses: Statuses
}

/** What can be done with entries of a collection that belongs to the installation as a whole. */
function entryCases(collection: string, json: object, change: object): Record<string, Case> {
  const path = `/api/${collection}`
  const missing: Statuses = [401, 403, 403, 403, 404]
  return {
    [`GET ${path}`]: { path, statuses: [401, 403, 403, 403, 200] },
    [`POST ${path}`]: { path, json, statuses: [401, 403, 403, 403, 201] },
    [`GET ${path}/:id`]: { path: `${path}/none`, statuses: missing },
    [`PATCH ${path}/:id`]: { path: `${path}/none`, json: change, statuses: missing },
    [`DELETE ${path}/:id`]: { path: `${path}/none`, statuses: missing },
  }
}

/** A request for every route of the app; `repositoryId` and `packageId` exist. */
export function routeCases({
  repositoryId,
  packageId,
}: {
  repositoryId: string
  packageId: string
}): Record<string, Case> {
  const managed: Statuses = [401, 403, 403, 403, 200]
  const covered: Statuses = [401, 200, 404, 404, 200]
  const missing: Statuses = [401, 403, 403, 403, 404]
  const everybody: Statuses = [401, 200, 200, 200, 200]
  const json = { documents: [{ name: 'acme/lib', dev: false, text: '{}' }] }
  return {
    'GET /packages.json': { path: '/packages.json', statuses: [401, 200, 200, 200, 200] },
    'GET /p2/:vendor/:file': { path: '/p2/acme/lib.json', statuses: [401, 200, 404, 404, 200] },
    'GET /dist/*': { path: '/dist/acme/lib/1.0.0.zip', statuses: [401, 200, 403, 403, 200] },
    'HEAD /dist/*': { path: '/dist/acme/lib/1.0.0.zip', statuses: [401, 200, 403, 403, 200] },
    'GET /packages/list.json': { path: '/packages/list.json', statuses: [401, 200, 200, 200, 200] },
    'GET /search.json': { path: '/search.json?q=lib', statuses: [401, 200, 200, 200, 200] },
    'GET /providers/:vendor/:file': { path: '/providers/psr/log.json', statuses: [401, 200, 200, 200, 200] },
    'GET /metadata/changes.json': {
      path: '/metadata/changes.json?since=17000000000000',
      statuses: [401, 200, 200, 200, 200],
    },
    'GET /api/repositories': { path: '/api/repositories', statuses: managed },
    'POST /api/repositories': {
      path: '/api/repositories',
      json: { url: 'nonsense', vcs_type: 'git' },
      statuses: [401, 403, 403, 403, 400],
    },
    'GET /api/repositories/:id': { path: `/api/repositories/${repositoryId}`, statuses: managed },
    'PATCH /api/repositories/:id': {
      path: '/api/repositories/repo_none',
      json: { archives: 'tags' },
      statuses: [401, 403, 403, 403, 404],
    },
    'DELETE /api/repositories/:id': { path: '/api/repositories/repo_none', statuses: [401, 403, 403, 403, 404] },
    'GET /api/repositories/:id/events': { path: '/api/repositories/repo_none/events', statuses: missing },
    'GET /api/repositories/:id/syncs': { path: '/api/repositories/repo_none/syncs', statuses: missing },
    ...entryCases('discoveries', { url: 'nonsense', vcs_type: 'gitea' }, { exclude: 'x' }),
    'POST /api/discoveries': {
      path: '/api/discoveries',
      json: { url: 'nonsense', vcs_type: 'gitea' },
      statuses: [401, 403, 403, 403, 400],
    },
    'POST /api/discoveries/:id/look': { path: '/api/discoveries/none/look', statuses: missing },
    'GET /api/discoveries/:id/repositories': { path: '/api/discoveries/none/repositories', statuses: missing },
    ...entryCases('advisories', { package_name: 'acme/lib', title: 'Weak', affected_versions: '<1' }, { title: 'x' }),
    ...entryCases('filters', { list: 'x', package_name: 'acme/lib', constraint: '9' }, { reason: 'x' }),
    'GET /api/security-advisories': { path: '/api/security-advisories?packages=a/b', statuses: everybody },
    'POST /api/security-advisories': { path: '/api/security-advisories?packages=a/b', statuses: everybody },
    'POST /api/filter-lists': { path: '/api/filter-lists', json: { packages: ['a/b'] }, statuses: everybody },
    'GET /filter-lists/summary.json': { path: '/filter-lists/summary.json', statuses: everybody },
    'GET /api/doctor': { path: '/api/doctor', statuses: managed },
    'GET /metrics': { path: '/metrics', statuses: [401, 200, 403, 403, 200] },
    'GET /api/audit': { path: '/api/audit', statuses: managed },
    'GET /api/audit/verification': { path: '/api/audit/verification', statuses: managed },
    'POST /api/encryption-key/rotation': { path: '/api/encryption-key/rotation', statuses: managed },
    'GET /api/conflicts': { path: '/api/conflicts', statuses: managed },
    'PUT /api/repositories/:id/artifacts': { path: '/api/repositories/repo_none/artifacts', statuses: missing },
    'PUT /api/repositories/:id/documents': { path: '/api/repositories/repo_none/documents', json, statuses: missing },
    'PUT /api/repositories/:id/archives/:dist': {
      path: '/api/repositories/repo_none/archives/none?package=acme/lib',
      statuses: missing,
    },
    'POST /api/repositories/:id/sync': { path: '/api/repositories/repo_none/sync', statuses: missing },
    'GET /api/tokens': { path: '/api/tokens', statuses: [401, 403, 403, 200, 200] },
    'POST /api/tokens': {
      path: '/api/tokens',
      json: { permissions: 'readonly', allowed_package_prefixes: ['acme/'] },
      statuses: [401, 403, 403, 403, 201],
    },
    'GET /api/tokens/:id': { path: '/api/tokens/tok_none', statuses: [401, 403, 403, 404, 404] },
    'PATCH /api/tokens/:id': {
      path: '/api/tokens/tok_none',
      json: { description: 'x' },
      statuses: [401, 403, 403, 404, 404],
    },
    'POST /api/tokens/:id/rotate': { path: '/api/tokens/tok_none/rotate', statuses: [401, 403, 403, 404, 404] },
    'GET /api/tokens/:id/explain': { path: '/api/tokens/tok_none/explain', statuses: [401, 403, 403, 404, 404] },
    'DELETE /api/tokens/:id': { path: '/api/tokens/tok_none', statuses: [401, 403, 403, 404, 404] },
    'GET /api/packages': { path: '/api/packages', statuses: [401, 200, 200, 200, 200] },
    'GET /api/packages/:id': { path: '/api/packages/pkg_none', statuses: [401, 404, 404, 404, 404] },
    'GET /api/packages/:id/downloads': { path: `/api/packages/${packageId}/downloads`, statuses: covered },
    'GET /api/packages/:id/versions/*': { path: `/api/packages/${packageId}/versions/1.0.0/readme`, statuses: covered },
    'DELETE /api/packages/:id/versions/*': { path: '/api/packages/pkg_none/versions/1.0.0', statuses: missing },
    'POST /api/packages/:id/versions/*': { path: '/api/packages/pkg_none/versions/1.0.0/restore', statuses: missing },
    'POST /downloads': { path: '/downloads', json: { downloads: [] }, statuses: [200, 200, 200, 200, 200] },
    'POST /api/repositories/:id/webhook': { path: '/api/repositories/repo_none/webhook', statuses: missing },
    'DELETE /api/repositories/:id/webhook': { path: '/api/repositories/repo_none/webhook', statuses: missing },
    'POST /api/update-package': {
      path: '/api/update-package',
      json: { repository: 'https://x.example/a/b' },
      statuses: missing,
    },
    'POST /webhooks/:id': { path: '/webhooks/repo_none', json: {}, statuses: [401, 401, 401, 401, 401] },
    'GET /health': { path: '/health', statuses: [200, 200, 200, 200, 200] },
    'GET /ready': { path: '/ready', statuses: [200, 200, 200, 200, 200] },
    'GET /swagger': { path: '/swagger', statuses: [200, 200, 200, 200, 200] },
    'GET /swagger/json': { path: '/swagger/json', statuses: [200, 200, 200, 200, 200] },
    'GET /swagger/page.css': { path: '/swagger/page.css', statuses: [200, 200, 200, 200, 200] },
    'GET /swagger/page.js': { path: '/swagger/page.js', statuses: [200, 200, 200, 200, 200] },
  }
}
