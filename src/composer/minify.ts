import type { RawFields } from './json.ts'

/** Says in a minified list that a key of the version before is gone. */
const UNSET = '"__unset"'

/**
 * Versions as differences: the first complete, each other with only the top-level fields that differ from the one
 * before it. The order of the list decides the size. Composer: metadata-minifier, format `composer/2.0`.
 */
export function minifyVersions(versions: readonly RawFields[]): RawFields[] {
  let before: RawFields = new Map()
  return versions.map((version, index) => {
    const difference = index === 0 ? version : differenceOf(before, version)
    before = version
    return difference
  })
}

/** The complete versions of a minified list. */
export function expandVersions(minified: readonly RawFields[]): RawFields[] {
  const running = new Map<string, string>()
  return minified.map((difference, index) => {
    for (const [key, raw] of difference) {
      if (index > 0 && raw === UNSET) running.delete(key)
      else running.set(key, raw)
    }
    return new Map(running)
  })
}

/** What a minified list has for a version behind another. */
export function differenceOf(before: RawFields, version: RawFields): RawFields {
  const difference = new Map<string, string>()
  for (const [key, raw] of version) {
    if (before.get(key) !== raw) difference.set(key, raw)
  }
  for (const key of before.keys()) {
    if (!version.has(key)) difference.set(key, UNSET)
  }
  return difference
}
