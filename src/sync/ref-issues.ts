import type { RefIssue } from '../composer/repository-versions.ts'
import { withoutControls } from '../printable.ts'

const MOST_REASONS = 5
const MOST_PATHS = 3

/** What is wrong with each ref, as one printable text: of many packages each reason once, with the directories that it is about. */
export function issueTexts(issues: readonly RefIssue[]): Map<string, string> {
  const texts = new Map<string, string>()
  for (const [ref, ofRef] of Map.groupBy(issues, (issue) => issue.ref)) {
    const reasons = Map.groupBy(ofRef, (issue) => issue.reason)
    const shown = [...reasons].slice(0, MOST_REASONS).map(([reason, same]) => `${placesOf(same)}${reason}`)
    const others = reasons.size - shown.length
    const text = withoutControls(shown.join(' '))
    texts.set(ref, others > 0 ? `${text} And ${others} more.` : text)
  }
  return texts
}

function placesOf(issues: readonly RefIssue[]): string {
  const paths = issues.map(({ path = '' }) => path)
  if (paths.every((path) => path === '')) return ''
  const shown = paths.slice(0, MOST_PATHS).map((path) => (path === '' ? 'the root' : path))
  const others = paths.length - shown.length
  return `${shown.join(', ')}${others > 0 ? ` and ${others} more` : ''}: `
}
