/** Patterns of package names, lower-case: `*` stands for any text, a slash included (Composer: BasePackage::packageNameToRegexp). */
export type NamePatterns = readonly string[]

/** The patterns of a comma-separated list; none for null. */
export function namePatterns(list: string | null): NamePatterns {
  return (list ?? '')
    .toLowerCase()
    .split(',')
    .map((pattern) => pattern.trim())
    .filter((pattern) => pattern !== '')
}

/** True when one of the patterns matches a lower-case name; never for no patterns. */
export function matchesAny(patterns: NamePatterns, name: string): boolean {
  return patterns.some((pattern) => matchesPattern(pattern, name))
}

/** Greedy matching part by part: linear, whatever the pattern, which may come from a request. */
export function matchesPattern(pattern: string, name: string): boolean {
  const parts = pattern.split('*')
  const [first = '', ...rest] = parts
  const last = rest.pop()
  if (last === undefined) return pattern === name
  if (!name.startsWith(first) || name.length < first.length + last.length || !name.endsWith(last)) return false
  let from = first.length
  const end = name.length - last.length
  for (const part of rest) {
    const at = name.indexOf(part, from)
    if (at === -1 || at + part.length > end) return false
    from = at + part.length
  }
  return true
}
