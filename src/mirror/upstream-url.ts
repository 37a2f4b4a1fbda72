/** Address of the root document: the address of an upstream itself when its path names a file (Composer: getPackagesJsonUrl). */
export function rootUrl(upstreamUrl: string): string {
  return new URL(upstreamUrl).pathname.includes('.json') ? upstreamUrl : `${upstreamUrl}/packages.json`
}

/**
 * An address out of a document of an upstream, in full; templates stay templates. One with a slash in front begins at
 * the host, as in Composer's `canonicalizeUrl`. Composer takes any other one for a file of the user's machine; here it
 * begins at the directory of the root document, as those of `includes` do. Null for what is no http or https address.
 */
export function absoluteUrl(value: unknown, upstreamUrl: string): string | null {
  if (typeof value !== 'string' || value === '') return null
  const { origin } = new URL(upstreamUrl)
  const url = /^[a-z][a-z0-9+.-]*:/i.test(value)
    ? value
    : value.startsWith('//')
      ? `${new URL(upstreamUrl).protocol}${value}`
      : value.startsWith('/')
        ? origin + value
        : `${directoryUrl(upstreamUrl)}/${value}`
  const parsed = URL.canParse(url) ? new URL(url) : null
  return parsed?.protocol === 'https:' || parsed?.protocol === 'http:' ? url : null
}

/** Fills a template of an address. Values are taken as they are: a name has no character that would need an escape. */
export function fillTemplate(template: string, values: Readonly<Record<string, string>>): string {
  return template.replace(/%([a-z]+)%/g, (whole, key: string) => values[key] ?? whole)
}

/** The address without its file, query and fragment (Composer: baseUrl). */
function directoryUrl(upstreamUrl: string): string {
  const { origin, pathname } = new URL(upstreamUrl)
  return origin + pathname.replace(/\/[^/]*\.json$/, '').replace(/\/+$/, '')
}
