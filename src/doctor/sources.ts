import { messageOf } from '../errors.ts'
import { parseGitUrl } from '../git/url.ts'
import type { UpstreamHttp } from '../sources/upstream-http.ts'
import type { DiscoveryTable } from '../store/discoveries.ts'
import type { JobTable } from '../store/jobs.ts'
import type { Page, PageOf } from '../store/paging.ts'
import type { RepositoryRow, RepositoryTable } from '../store/repositories.ts'
import { type Finding, failure, ok, warning } from './finding.ts'
import { examineDiscoveries, examineRepositories } from './repositories.ts'

/** Hosts that are asked, and those asked at once; whoever has more knows from the repositories. */
const MOST_HOSTS = 20
const AT_ONCE = 4
const PATIENCE_MS = 5_000
const PAGE = 500
/** Clocks further apart than this make tokens end at the wrong time. Seconds. */
const CLOCK_TOLERANCE = 60
/** A job that could have run for so long shows that the queue does not keep up. Seconds. */
const LONG_WAIT = 900

const ITS_OWN_TROUBLE = 'Nothing is wrong here: what is stored is served, and it is tried again by itself.'

/** What the look at repositories takes. `now` gives Unix seconds. */
export interface SourceParts {
  readonly repositories: RepositoryTable
  readonly discoveries: DiscoveryTable
  readonly jobs: JobTable
  readonly http: UpstreamHttp
  readonly now: () => number
}

/** Repositories that are not what their sources offer, hosts that cannot be reached, and this machine's clock. */
export async function examineSources(parts: SourceParts): Promise<Finding[]> {
  const rows = await everything((page) => parts.repositories.list(page))
  const owners = await everything((page) => parts.discoveries.list(page))
  const errors = [...examineRepositories(rows, owners), ...examineDiscoveries(owners)]
  return [...errors, ...(await queue(parts)), ...(await hosts(rows, parts))]
}

async function everything<Row>(list: (page: Page) => Promise<PageOf<Row>>): Promise<Row[]> {
  const rows: Row[] = []
  for (let cursor: string | null = null; ; ) {
    const page: PageOf<Row> = await list({ limit: PAGE, cursor })
    rows.push(...page.rows)
    cursor = page.next
    if (cursor === null) return rows
  }
}

async function queue({ jobs, now }: SourceParts): Promise<Finding[]> {
  const waiting = (await jobs.unfinished()).find(({ state }) => state === 'queued')
  const age = waiting ? now() - waiting.since : 0
  if (!waiting || age < LONG_WAIT) return [ok('jobs', 'Syncs begin when they are due.')]
  const minutes = Math.round(age / 60)
  return [warning('jobs', `${waiting.count} syncs wait, one for ${minutes} minutes.`, 'Raise SYNC_CONCURRENCY.')]
}

async function hosts(rows: readonly RepositoryRow[], parts: SourceParts): Promise<Finding[]> {
  const origins = [...new Set(rows.flatMap(({ url }) => originOf(url)))].slice(0, MOST_HOSTS)
  const findings: Finding[] = []
  const clocks: number[] = []
  const ask = async () => {
    for (let origin = origins.shift(); origin !== undefined; origin = origins.shift()) {
      findings.push(await askHost(origin, parts, clocks))
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, ask))
  return [...findings.sort((left, right) => (left.check < right.check ? -1 : 1)), ...clock(clocks)]
}

/** http(s) addresses as origins, ssh ones as `ssh://host`; nothing for directories of this machine and for uploads. */
function originOf(url: string): string[] {
  if (url.startsWith('artifact:')) return []
  try {
    const parsed = parseGitUrl(url)
    if (parsed.kind === 'file') return []
    return [parsed.kind === 'ssh' ? `ssh://${parsed.host}` : new URL(parsed.url).origin]
  } catch {
    // A label of a repository that takes uploads is no address.
    return []
  }
}

async function askHost(origin: string, { http, now }: SourceParts, clocks: number[]): Promise<Finding> {
  const { host } = new URL(origin)
  try {
    if (origin.startsWith('ssh:')) {
      await http.addressOf(new URL(origin).hostname)
      return ok(host, 'Its address is known.')
    }
    const signal = AbortSignal.timeout(PATIENCE_MS)
    const response = await http.send({ method: 'GET', url: `${origin}/`, headers: {}, signal }, null)
    await response.body?.cancel()
    const date = Date.parse(response.headers.get('date') ?? '')
    if (!Number.isNaN(date)) clocks.push(now() - date / 1_000)
    if (response.status >= 500) return warning(host, `It answers with status ${response.status}.`, ITS_OWN_TROUBLE)
    return ok(host, 'It answers.')
  } catch (error) {
    const advice = 'See whether this machine may reach it: name servers, firewall, ALLOWED_NETWORKS, certificates.'
    return failure(host, messageOf(error), advice)
  }
}

/** The middle of the differences to other clocks: one of them may be wrong itself. */
function clock(differences: readonly number[]): Finding[] {
  const middle = [...differences].sort((left, right) => left - right)[Math.floor(differences.length / 2)]
  if (middle === undefined) return []
  const seconds = Math.round(Math.abs(middle))
  if (seconds <= CLOCK_TOLERANCE) return [ok('clock', 'It agrees with those of the hosts.')]
  const found = `It is ${seconds} seconds ${middle > 0 ? 'ahead of' : 'behind'} those of the hosts.`
  return [warning('clock', found, 'Set it by NTP: tokens end by this clock.')]
}
