import { readFileSync, writeFileSync } from 'node:fs'

/**
 * Makes the fixture `github-openapi.json` from `generated/api.github.com.json` of the npm package `@octokit/openapi`
 * (MIT, © Octokit contributors), which is too large to be installed: the answers of the operations below and the
 * schemas they name, without texts and examples.
 *
 *     npm pack @octokit/openapi@23.0.2 && tar xzf octokit-openapi-23.0.2.tgz package/generated/api.github.com.json
 *     bun test/support/hosts/prune-openapi.ts package/generated/api.github.com.json test/support/hosts/github-openapi.json
 */
const OPERATIONS: readonly (readonly [string, string])[] = [
  ['/repos/{owner}/{repo}', 'get'],
  ['/orgs/{org}/repos', 'get'],
  ['/users/{username}/repos', 'get'],
  ['/installation/repositories', 'get'],
  ['/user', 'get'],
  ['/repos/{owner}/{repo}/hooks', 'post'],
  ['/app/installations/{installation_id}/access_tokens', 'post'],
]
const TEXTS = new Set(['description', 'example', 'examples', 'title', 'externalDocs', 'summary', 'x-github'])

/** Without texts; a property may be called `description`, so the names of properties are kept. */
function withoutTexts(value: unknown, names = false): unknown {
  if (Array.isArray(value)) return value.map((each) => withoutTexts(each))
  if (typeof value !== 'object' || value === null) return value
  const kept = Object.entries(value).filter(([name]) => names || !TEXTS.has(name))
  return Object.fromEntries(kept.map(([name, each]) => [name, withoutTexts(each, !names && name === 'properties')]))
}

const [from = '', to = ''] = process.argv.slice(2)
const api = JSON.parse(readFileSync(from, 'utf8'))
const answers: Record<string, unknown> = {}
const schemas: Record<string, unknown> = {}
for (const [path, method] of OPERATIONS) {
  for (const [status, answer] of Object.entries<{ content?: Record<string, { schema: unknown }> }>(
    api.paths[path][method].responses,
  )) {
    const schema = answer.content?.['application/json']?.schema
    if (schema !== undefined) answers[`${method.toUpperCase()} ${path} ${status}`] = withoutTexts(schema)
  }
}
const open = [JSON.stringify(answers)]
for (let text = open.pop(); text !== undefined; text = open.pop()) {
  for (const [, name = ''] of text.matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
    if (name in schemas) continue
    schemas[name] = withoutTexts(api.components.schemas[name])
    open.push(JSON.stringify(schemas[name]))
  }
}
writeFileSync(to, `${JSON.stringify({ answers, components: { schemas } })}\n`)
