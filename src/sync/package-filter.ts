/**
 * True when a package name matches a filter of comma-separated globs, or there is no filter. `*` stands for any text,
 * a slash included, as in Composer's own `only` and `exclude`.
 */
export function matchesFilter(filter: string | null, name: string): boolean {
  if (filter === null) return true
  const globs = filter
    .toLowerCase()
    .split(',')
    .map((glob) => glob.trim())
    .filter((glob) => glob !== '')
  return globs.length === 0 || globs.some((glob) => matchesGlob(glob, name))
}

/** Greedy matching part by part: linear, whatever the glob. */
function matchesGlob(glob: string, name: string): boolean {
  const parts = glob.split('*')
  const [first = '', ...rest] = parts
  const last = rest.pop()
  if (last === undefined) return glob === name
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
