import { readFileSync, writeFileSync } from 'node:fs'
import type { Schema } from './shapes.ts'
import { TypeDeclarations } from './type-declarations.ts'

/**
 * Makes the fixtures `*-api.json` from the hosts' descriptions of their APIs, which are too large to be installed: the
 * answers to what is asked here and the schemas they name, without texts and examples.
 *
 *     bun test/support/hosts/prune-openapi.ts github package/generated/api.github.com.json
 *     bun test/support/hosts/prune-openapi.ts gitea package/dist/index.d.ts
 *     bun test/support/hosts/prune-openapi.ts bitbucket-cloud package/dist/cloud/openapi/openapi-typescript.d.ts
 *     bun test/support/hosts/prune-openapi.ts bitbucket-data-center package/dist/server/openapi/openapi-typescript.d.ts
 *
 * and then the formatter. Each file is one of the npm package that its fixture names. GitLab's description is in no
 * package; `gitlab-api.json` says where each of its parts was taken from.
 */
interface Description {
  readonly origin: string
  /** Path without the base address, and method. */
  readonly operations: readonly (readonly [string, string])[]
  answers(text: string, operation: readonly [string, string]): Record<string, unknown>
  schema(text: string, name: string): unknown
  /** Answers that the documentation shows and the description lacks. */
  readonly also?: Readonly<Record<string, unknown>>
}

const GITEA: Readonly<Record<string, readonly [string, unknown]>> = {
  'get /repos/{owner}/{repo}': ['200', ref('Repository')],
  'get /repositories/{id}': ['200', ref('Repository')],
  'get /repos/search': ['200', ref('SearchResults')],
  'get /users/{username}': ['200', ref('User')],
  'get /user': ['200', ref('User')],
  'get /repos/{owner}/{repo}/contents/{filepath}': ['200', ref('ContentsResponse')],
  'post /repos/{owner}/{repo}/hooks': ['201', ref('Hook')],
}

const DESCRIPTIONS: Readonly<Record<string, Description>> = {
  github: {
    origin: '@octokit/openapi 23.0.2 (MIT, © Octokit contributors): generated/api.github.com.json',
    operations: [
      ['/repos/{owner}/{repo}', 'get'],
      ['/orgs/{org}/repos', 'get'],
      ['/users/{username}/repos', 'get'],
      ['/installation/repositories', 'get'],
      ['/user', 'get'],
      ['/repos/{owner}/{repo}/hooks', 'post'],
      ['/app/installations/{installation_id}/access_tokens', 'post'],
    ],
    answers: (text, [path, method]) => {
      const { paths, components } = JSON.parse(text)
      const responses: Record<string, Schema> = paths[path][method].responses
      const found = Object.entries(responses).map(([status, given]): [string, unknown] => {
        const answer = typeof given.$ref === 'string' ? components.responses[given.$ref.split('/').at(-1) ?? ''] : given
        return [status, answer.content?.['application/json']?.schema]
      })
      return Object.fromEntries(found.filter(([, schema]) => schema !== undefined))
    },
    schema: (text, name) => JSON.parse(text).components.schemas[name],
    // Where the 301 of a renamed repository leads (GitHub: best practices for using the REST API, follow redirects).
    also: { 'GET /repositories/{repository_id} 200': ref('full-repository') },
  },
  gitea: {
    origin: 'gitea-js 1.23.0 (MIT, © Anbraten): dist/index.d.ts, generated from Gitea’s v1_json.tmpl (MIT)',
    operations: Object.keys(GITEA).map((key) => [key.split(' ')[1] ?? '', key.split(' ')[0] ?? '']),
    answers: (_, [path, method]) => {
      const [status = '', schema] = GITEA[`${method} ${path}`] ?? []
      return { [status]: schema }
    },
    schema: (text, name) => new TypeDeclarations(text).interface(name),
  },
  'bitbucket-cloud': {
    ...typescript('cloud', '', [
      ['/repositories/{workspace}/{repo_slug}', 'get'],
      ['/repositories/{workspace}', 'get'],
      ['/repositories/{workspace}/{repo_slug}/hooks', 'post'],
      ['/user', 'get'],
    ]),
    // `detail` is described as a text, and names the scopes in an object when they are what is missing.
    also: { 'GET /repositories/{workspace}/{repo_slug} 403': lackingScopes() },
  },
  'bitbucket-data-center': {
    ...typescript('server', '/api/latest', [
      ['/projects/{projectKey}/repos/{repositorySlug}', 'get'],
      ['/projects/{projectKey}/repos/{repositorySlug}/default-branch', 'get'],
      ['/projects/{projectKey}/repos', 'get'],
      ['/projects/{projectKey}/repos/{repositorySlug}/webhooks', 'post'],
      ['/repos', 'get'],
    ]),
    // The status and the id of the example in the documentation of the REST API of Bitbucket Server 7.21.
    also: {
      'POST /projects/{projectKey}/repos/{repositorySlug}/webhooks 201': {
        allOf: [
          ref('RestWebhook'),
          {
            type: 'object',
            properties: {
              id: { type: 'integer' },
              createdDate: { type: 'integer' },
              updatedDate: { type: 'integer' },
            },
          },
        ],
      },
    },
  },
}
const TEXTS = new Set(['description', 'example', 'examples', 'title', 'externalDocs', 'summary', 'x-github'])

/** Types that openapi-typescript made of Atlassian's descriptions. */
function typescript(part: string, prefix: string, operations: Description['operations']): Description {
  const field = (schema: unknown, ...keys: string[]): unknown =>
    keys.reduce((inner, key) => ((inner as Schema).properties as Record<string, unknown>)[key], schema)
  return {
    origin: `@coderabbitai/bitbucket 1.1.4 (Apache-2.0): dist/${part}/openapi/openapi-typescript.d.ts, generated from Atlassian’s description`,
    operations,
    answers(text, [path, method]) {
      const types = new TypeDeclarations(text)
      let operation = field(types.interface('paths'), `${prefix}${path}`, method) as Schema
      if (typeof operation.$ref === 'string') {
        operation = field(types.interface('operations'), operation.$ref.split('/').at(-1) ?? '') as Schema
      }
      const statuses = (field(operation, 'responses') as Schema).properties as Record<string, Schema>
      const found = Object.entries(statuses).map(([status, answer]): [string, unknown] => {
        const content = (field(answer, 'content') as Schema).properties as Record<string, unknown> | undefined
        return [status, Object.entries(content ?? {}).find(([type]) => type.startsWith('application/json'))?.[1]]
      })
      return Object.fromEntries(found.filter(([, schema]) => schema !== undefined))
    },
    schema: (text, name) => field(new TypeDeclarations(text).interface('components'), 'schemas', name),
  }
}

function lackingScopes(): unknown {
  const texts = { type: 'array', items: { type: 'string' } }
  const detail = { type: 'object', properties: { granted: texts, required: texts } }
  const error = { type: 'object', required: ['message'], properties: { message: { type: 'string' }, detail } }
  return { type: 'object', required: ['type'], properties: { type: { type: 'string' }, error } }
}

function ref(name: string): unknown {
  return { $ref: `#/components/schemas/${name}` }
}

/** Without texts; a property may be called `description`, so the names of properties are kept. */
function withoutTexts(value: unknown, names = false): unknown {
  if (Array.isArray(value)) return value.map((each) => withoutTexts(each))
  if (typeof value !== 'object' || value === null) return value
  const kept = Object.entries(value).filter(([name]) => names || !TEXTS.has(name))
  return Object.fromEntries(kept.map(([name, each]) => [name, withoutTexts(each, !names && name === 'properties')]))
}

const [host = '', from = ''] = process.argv.slice(2)
const description = DESCRIPTIONS[host]
if (description === undefined) throw new Error(`The hosts are ${Object.keys(DESCRIPTIONS).join(', ')}.`)
const text = readFileSync(from, 'utf8')
const answers: Record<string, unknown> = {}
const schemas: Record<string, unknown> = {}
for (const operation of description.operations) {
  for (const [status, schema] of Object.entries(description.answers(text, operation))) {
    answers[`${operation[1].toUpperCase()} ${operation[0]} ${status}`] = withoutTexts(schema)
  }
}
Object.assign(answers, description.also)
const open = [JSON.stringify(answers)]
for (let next = open.pop(); next !== undefined; next = open.pop()) {
  for (const [, name = ''] of next.matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
    if (name in schemas) continue
    schemas[name] = withoutTexts(description.schema(text, name))
    open.push(JSON.stringify(schemas[name]))
  }
}
const to = new URL(`${host}-api.json`, import.meta.url)
writeFileSync(to, `${JSON.stringify({ origin: description.origin, answers, components: { schemas } })}\n`)
