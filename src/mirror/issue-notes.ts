import type { UpstreamIssue, UpstreamIssueTable } from '../store/upstream-issues.ts'
import type { Upstream } from './upstream.ts'

/** Most packages whose issues wait to be written. */
const MOST_PACKAGES = 2_000
/** Most issues of one document that are kept. */
const MOST_PER_DOCUMENT = 50

/** What was found in documents that were read, gathered until it is written: a document is read long before it matters. */
export class IssueNotes {
  private noted = new Map<string, UpstreamIssue[]>()
  private documents = new Map<string, { repositoryId: string; name: string; dev: boolean }>()

  /** `now` gives Unix seconds. */
  constructor(
    private readonly table: UpstreamIssueTable,
    private readonly now: () => number,
  ) {}

  /** Notes a version that is left out: `subject` is its package with the version. */
  note(upstream: Upstream, subject: string, reason: string): void {
    const key = `${upstream.id} ${subject.split(' ')[0]}`
    const issues = this.noted.get(key) ?? []
    if (issues.length >= MOST_PER_DOCUMENT || (issues.length === 0 && this.noted.size >= MOST_PACKAGES)) return
    this.noted.set(key, [...issues, { repositoryId: upstream.id, subject, reason, at: this.now() }])
  }

  /** Notes that a document was read: what was found in it before is over. */
  read(upstream: Upstream, name: string, dev: boolean): void {
    if (this.documents.size >= MOST_PACKAGES) return
    this.documents.set(`${upstream.id} ${name} ${dev}`, { repositoryId: upstream.id, name, dev })
  }

  /** Writes what was noted. */
  async flush(): Promise<void> {
    const documents = [...this.documents.values()]
    const issues = [...this.noted.values()].flat()
    if (documents.length === 0 && issues.length === 0) return
    this.documents = new Map()
    this.noted = new Map()
    await this.table.replace(documents, issues)
  }
}
