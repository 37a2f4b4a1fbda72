import { readFileSync, writeFileSync } from 'node:fs'

/**
 * Makes the fixture `github-webhooks.json` from `api.github.com/index.json` of the npm package
 * `@octokit/webhooks-examples` (MIT, © Gregor Martynus and contributors), which has 9 MB: every example of the events
 * below, without the addresses that fill most of them.
 *
 *     npm pack @octokit/webhooks-examples@7.6.1 && tar xzf octokit-webhooks-examples-7.6.1.tgz
 *     bun test/support/hosts/prune-webhooks.ts package/api.github.com/index.json
 */
const EVENTS = ['push', 'create', 'delete', 'repository', 'ping', 'installation_repositories', 'release']
/** Examples of an event that is not heard; of the others all are kept. */
const UNHEARD = 2

function withoutAddresses(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutAddresses)
  if (typeof value !== 'object' || value === null) return value
  const kept = Object.entries(value).filter(([name]) => !/(?:^|_)url$/.test(name))
  return Object.fromEntries(kept.map(([name, each]) => [name, withoutAddresses(each)]))
}

const published: { name: string; examples: unknown[] }[] = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8'))
const examples = EVENTS.flatMap((event) => {
  const all = published.find(({ name }) => name === event)?.examples ?? []
  return all
    .slice(0, event === 'release' ? UNHEARD : all.length)
    .map((each) => ({ event, body: withoutAddresses(each) }))
})
const origin = '@octokit/webhooks-examples 7.6.1 (MIT), api.github.com/index.json, without addresses'
writeFileSync(new URL('github-webhooks.json', import.meta.url), `${JSON.stringify({ origin, examples })}\n`)
