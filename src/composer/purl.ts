const COMPOSER = /^pkg:(?:\/\/)?composer\//

/** The lower-case package name of a package URL (`pkg:composer/acme/lib`, `pkg://composer/acme/lib@1.0`), or of a name as it is. */
export function nameOfPurl(text: string): string {
  const lower = text.toLowerCase()
  const prefix = COMPOSER.exec(lower)?.[0]
  if (prefix === undefined) return lower
  return lower.slice(prefix.length).replace(/[@?#].*$/s, '')
}
